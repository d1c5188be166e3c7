"""A run leaves an expert: adapter, log and summary; equal seeds start alike; the process is as it was."""

import json
import random
import shutil
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

from rshub.deltas.adapters import read_adapter
from rshub.demo.recipes import recipe as demo_recipe
from rshub.demo.recipes import recipe_yaml
from rshub.errors import IntegrityError, InvalidInput, MissingExtra, NotFound, OutputError, RshubError
from rshub.localhub import LocalHub
from rshub.rewards.spec import reward_from_spec
from rshub.training.train import train

FILES = ["adapter_config.json", "adapter_model.safetensors", "training.json", "training_log.jsonl"]


def test_only_the_adapter_its_summary_and_its_log_are_left(recall, restaurant):
    assert sorted(path.name for path in recall.folder.iterdir()) == FILES
    assert not list(restaurant.glob("*.run"))
    adapter = read_adapter(recall.folder)
    assert adapter.rank == 8
    assert len(adapter.modules) == 2 * 7
    assert adapter.config["base_model_name_or_path"] == str(restaurant / "base")
    assert adapter.config["revision"] is None
    assert adapter.config["target_modules"] == sorted(adapter.config["target_modules"])


def test_the_log_and_the_summary_say_what_happened(recall):
    lines = [json.loads(line) for line in (recall.folder / "training_log.jsonl").read_text().splitlines()]
    assert lines == list(recall.log)
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert lines[0]["kl"] == pytest.approx(0, abs=1e-5)  # an adapter starts as no change at all
    for line in lines:
        assert set(line["rewards"]) == {"recall", "precision"}
        assert line["reward"] == pytest.approx(line["rewards"]["recall"], abs=1e-6)
        assert 0 <= line["rewards"]["precision"] <= 1
        assert 1 <= line["length"] <= 32
    summary = json.loads((recall.folder / "training.json").read_text())
    assert summary == recall.training
    assert (summary["method"], summary["objective"], summary["mixture"]) == ("rloo", "rl", {"recall": 1.0})
    assert (summary["seed"], summary["steps"], summary["kl"]) == (0, 3, lines[-1]["kl"])
    assert set(summary["versions"]) == {"rshub", "trl", "transformers", "peft", "torch"}
    assert recall.to_json()["published"] is None
    assert any("precision" in line and "(watched)" in line for line in recall.lines())


def test_what_is_switched_off_in_the_trainer_is_there_to_be_switched_off():
    from trl import RLOOTrainer

    from rshub.training.methods.rloo import _Trainer

    switched_off = ("_send_telemetry", "create_model_card")
    assert all(hasattr(RLOOTrainer, name) for name in switched_off)
    assert all(getattr(_Trainer, name) is not getattr(RLOOTrainer, name) for name in switched_off)


def test_the_same_recipe_gives_the_same_bytes_and_leaves_the_process_as_it_was(recall, recipe, tmp_path, capfd):
    import torch
    import transformers

    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    expected = (random.random(), np.random.random(), torch.rand(1).item())
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    verbosity, filters = transformers.utils.logging.get_verbosity(), list(warnings.filters)
    told = []
    again = train(recipe, output=tmp_path / "again", progress=lambda done, steps: told.append((done, steps)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert (again.folder / FILES[1]).read_bytes() == (recall.folder / FILES[1]).read_bytes()
    assert (random.random(), np.random.random(), torch.rand(1).item()) == expected
    assert transformers.utils.logging.get_verbosity() == verbosity
    assert warnings.filters == filters
    assert capfd.readouterr() == ("", "")


def test_experts_of_one_seed_share_their_start_and_others_do_not(recall, recipe, tmp_path):
    """With a learning rate too small to move float32, what is saved is the start itself."""
    still = {"steps": "1", "learning_rate": "1e-30"}

    def start(name, **overrides):
        folder = train(recipe, overrides=still | overrides, output=tmp_path / name).folder
        return {key: value for key, value in load_file(folder / FILES[1]).items() if "lora_A" in key}

    one = start("one")
    other = start("other", **{"reward_weights.recall": "0", "reward_weights.precision": "1"})
    seeded = start("seeded", seed="1")
    assert all((one[key] == other[key]).all() for key in one)
    assert not any((one[key] == seeded[key]).all() for key in one)
    moved = load_file(recall.folder / FILES[1])
    assert all(np.abs(moved[key] - one[key]).max() > 0 for key in one)


class PulledPlugError(Exception):
    """What no code of ours raises."""


def pull_the_plug(line):
    if line["step"] == 2:
        raise PulledPlugError


def test_an_interrupted_run_without_checkpoints_starts_again(recall, recipe, tmp_path):
    with pytest.raises(PulledPlugError):
        train(recipe, output=tmp_path / "expert", on_log=pull_the_plug)
    assert len((tmp_path / "expert.run/training_log.jsonl").read_text().splitlines()) == 2
    again = train(recipe, output=tmp_path / "expert")
    assert again.log == recall.log
    assert [path.name for path in tmp_path.iterdir()] == ["expert"]


def test_an_interrupted_run_goes_on_where_it_was_and_ends_the_same(recall, recipe, tmp_path):
    saving = {"save_steps": "1"}
    with pytest.raises(PulledPlugError):
        train(recipe, overrides=saving, output=tmp_path / "expert", on_log=pull_the_plug)
    assert not (tmp_path / "expert").exists()
    assert (tmp_path / "expert.run" / "checkpoints" / "checkpoint-1").is_dir()
    with pytest.raises(InvalidInput, match="another recipe"):
        train(recipe, overrides=saving | {"seed": "9"}, output=tmp_path / "expert")
    done = train(recipe, overrides=saving, output=tmp_path / "expert")
    assert [line["step"] for line in done.log] == [1, 2, 3]
    assert not (tmp_path / "expert.run").exists()
    whole, resumed = (load_file(result.folder / FILES[1]) for result in (recall, done))
    for key, value in whole.items():
        np.testing.assert_array_equal(resumed[key], value)


def test_a_recipe_file_trains_from_a_hub_and_publishes_what_it_trained(restaurant, tmp_path):
    from rshub.hub.client import Hub

    with LocalHub(tmp_path / "hub") as served:
        token = served.add_user("ada")
        hub = Hub(served.endpoint, token)
        hub.create_repo("ada/base")
        files = {path.name: path for path in (restaurant / "base").iterdir()}
        base = hub.commit("ada/base", files, message="A base").commit
        hub.create_repo("ada/prompts", repo_type="dataset")
        rows = {"data/train.jsonl": restaurant / "train.jsonl"}
        data = hub.commit("ada/prompts", rows, message="Prompts", repo_type="dataset").commit
        text = recipe_yaml(demo_recipe("morl", base="ada/base", dataset="ada/prompts:train", fast=True))
        (tmp_path / "recipe.yaml").write_text(text)
        done = train(
            tmp_path / "recipe.yaml",
            overrides={"steps": "2"},
            output=tmp_path / "out",
            push="ada/half",
            endpoint=served.endpoint,
            token=token,
        )
        manifest = json.loads(hub.read("ada/half", "expert.json", commit=done.published.commit, max_bytes=10**6))
        config = json.loads(hub.read("ada/half", FILES[0], commit=done.published.commit, max_bytes=10**6))
    assert (config["base_model_name_or_path"], config["revision"]) == ("ada/base", base)
    assert manifest["base"]["revision"] == base
    assert manifest["reward"]["name"] == "precision-recall"
    mixed = reward_from_spec("0.5*metric:rouge1.recall + 0.5*metric:rouge1.precision")
    assert manifest["reward"]["spec_digest"] == mixed.digest
    assert manifest["training"]["mixture"] == {"precision": 0.5, "recall": 0.5}
    assert manifest["training"]["dataset"]["name"] == f"ada/prompts@{data}"
    assert done.log[-1]["reward"] == pytest.approx(
        0.5 * done.log[-1]["rewards"]["recall"] + 0.5 * done.log[-1]["rewards"]["precision"], abs=1e-6
    )


@pytest.mark.parametrize(
    ("overrides", "error", "why"),
    [
        ({"base": "./nowhere"}, NotFound, "nowhere"),
        ({"dataset": "./nowhere.jsonl"}, NotFound, "nowhere.jsonl"),
        ({"max_prompt_length": "1"}, InvalidInput, "without the prompts of more than 1 tokens: no prompt is left"),
        ({"eval_prompts": "./not-here.jsonl"}, NotFound, "not-here.jsonl"),
        ({"batch": "512", "num_generations": "4"}, InvalidInput, "32 prompts are too few"),
        ({"lora.target_modules": "[no_such_module]"}, InvalidInput, "lora.target_modules"),
    ],
)
def test_a_run_that_cannot_be_is_refused_and_leaves_nothing(recipe, tmp_path, overrides, error, why):
    with pytest.raises(error, match=why) as caught:
        train(recipe, overrides=overrides, output=tmp_path / "expert")
    assert caught.value.remedy
    assert not list(tmp_path.iterdir())


def test_folders_and_prompts_may_be_named_from_where_one_stands(restaurant, recipe, tmp_path, monkeypatch):
    for name in ("base", "train.jsonl"):
        (tmp_path / name).symlink_to(restaurant / name)
    monkeypatch.chdir(tmp_path)
    here = {"base": "./base", "dataset": "./train.jsonl", "steps": 1}
    done = train(recipe | here | {"eval_prompts": "./train.jsonl", "eval_limit": 4}, output="expert")
    assert {score["reward"]: score["n"] for score in done.scores} == {"recall": 4, "precision": 4}
    lora = {key: value for key, value in recipe.items() if key != "lora"}
    more = train(lora | here | {"init": "adapter:./expert"}, output="more")
    assert json.loads((more.folder / "training.json").read_text())["init"] == "adapter:./expert"


def test_prompts_without_references_are_refused_for_a_reward_that_needs_them(recipe, tmp_path):
    (tmp_path / "bare.jsonl").write_text('{"prompt": "luna pub =>"}\n' * 32)
    with pytest.raises(InvalidInput, match="no prompt has references, which recall needs"):
        train(recipe, overrides={"dataset": str(tmp_path / "bare.jsonl")}, output=tmp_path / "expert")


def test_an_output_that_is_there_is_refused_before_anything_is_trained(recall, recipe):
    with pytest.raises(OutputError):
        train(recipe, output=recall.folder, on_log=lambda _: pytest.fail("trained"))


@pytest.mark.parametrize(
    ("steps", "error", "why"), [("1", IntegrityError, "NaN"), ("3", RshubError, "diverged after step 1")]
)
def test_a_training_that_diverges_leaves_no_expert(recipe, tmp_path, steps, error, why):
    with pytest.raises(error, match=why):
        train(recipe, overrides={"learning_rate": "1e39", "steps": steps}, output=tmp_path / "expert")
    assert not list(tmp_path.iterdir())


def test_a_reward_that_is_watched_and_cannot_be_scored_is_null_in_the_log(recipe, tmp_path):
    (tmp_path / "bare.jsonl").write_text('{"prompt": "luna pub =>"}\n' * 32)
    wanted = {
        **recipe,
        "dataset": str(tmp_path / "bare.jsonl"),
        "rewards": {"short": "-metric:length", "recall": "metric:rouge1.recall"},
        "reward_weights": {"short": 1.0},
        "steps": 2,
    }
    done = train(wanted, output=tmp_path / "expert")
    assert [line["rewards"]["recall"] for line in done.log] == [None, None]
    assert all(line["rewards"]["short"] < 0 for line in done.log)
    for name in FILES[2:]:
        text = (done.folder / name).read_text()
        assert "NaN" not in text
        assert "null" in text
    assert any("recall" in line and "- -> -" in line for line in done.lines())


def lesson_of(recipe, folder, **more):
    """What a method is given, with nothing in it that was not needed."""
    from rshub.training.methods.lesson import Lesson
    from rshub.training.recipe_file import read_recipe

    rows = [{"prompt": "luna pub =>", "references": ["luna"]}] * 32
    given = {"base": folder, "tokenizer": None, "output": folder, "log": folder / "log.jsonl", "steps": 9}
    return Lesson(recipe=read_recipe(recipe), rows=rows, **(given | more))


@pytest.mark.parametrize("key", ["kl", "reward"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_reward_or_divergence_that_is_no_number_ends_the_training_and_is_in_the_log(recipe, tmp_path, key, value):
    from rshub.training.methods.recorder import Recorder
    from rshub.training.runs.log_file import keep_lines
    from rshub.training.runs.log_lines import reinforcement_line

    logs = {"reward": 0.5, "kl": 0.25, "rewards/recall/mean": 0.5, "grad_norm": float("nan")}
    lesson = lesson_of(recipe, tmp_path)
    with lesson.log.open("w") as out:
        recorder = Recorder(lesson, reinforcement_line(lesson.recipe), out, [])
        recorder.on_log(None, SimpleNamespace(global_step=3), None, logs)
        with pytest.raises(RshubError, match=f"diverged after step 4: its {key} is") as caught:
            recorder.on_log(None, SimpleNamespace(global_step=4), None, {**logs, key: value})
    assert "learning_rate" in caught.value.remedy
    first, last = keep_lines(lesson.log, 9)
    assert (first["kl"], first["reward"], first["grad_norm"]) == (0.25, 0.5, None)
    assert (last["step"], last[key]) == (4, None)
    assert "NaN" not in lesson.log.read_text()


def test_pickled_weights_are_never_opened(restaurant, recipe, tmp_path):
    import torch

    from rshub.training.methods.models import open_model

    base = shutil.copytree(restaurant / "base", tmp_path / "base")
    weights = {name: torch.tensor(value) for name, value in load_file(base / "model.safetensors").items()}
    torch.save(weights, base / "pytorch_model.bin")
    (base / "model.safetensors").unlink()
    with pytest.raises(OSError, match="safetensors"):
        open_model(lesson_of(recipe, base))


@pytest.fixture
def shop(restaurant, tmp_path):
    """A hub with the base, and an expert for something else."""
    from rshub.hub.client import Hub

    with LocalHub(tmp_path / "hub") as served:
        token = served.add_user("ada")
        hub = Hub(served.endpoint, token)
        hub.create_repo("ada/base")
        hub.commit("ada/base", {path.name: path for path in (restaurant / "base").iterdir()}, message="A base")
        yield served, token


def test_a_target_that_cannot_take_the_expert_is_refused_before_anything_is_trained(recall, recipe, shop, tmp_path):
    from rshub.experts.publish import publish

    served, token = shop
    access = {"endpoint": served.endpoint, "token": token}
    publish(recall.folder, "ada/taken", reward="kindness", base="ada/base", **access)
    refused = {"output": tmp_path / "expert", "on_log": lambda _: pytest.fail("trained")}
    with pytest.raises(InvalidInput, match="an expert for kindness, not for recall"):
        train(recipe, overrides={"base": "ada/base"}, push="ada/taken", **access, **refused)
    with pytest.raises(InvalidInput, match="the base of a published expert is a repo"):
        train(recipe, push="ada/new", **access, **refused)
    with pytest.raises(InvalidInput, match="public already"):
        train(recipe, overrides={"base": "ada/base"}, push="ada/base", private=True, **access, **refused)
    tokens = served.add_user("ben"), served.add_user("rea", role="read")
    for who, place in (("ben", "ada/taken"), ("ben", "ada/new"), ("ben", "nobody/new"), ("rea", "rea/new")):
        access["token"] = tokens[who == "rea"]
        reward = "kindness" if place == "ada/taken" else "recall"
        named = {"rewards": {reward: recipe["rewards"]["recall"]}, "reward_weights": {reward: 1.0}}
        with pytest.raises(NotFound, match=f"{place}: .*may not"):
            train(recipe | named, overrides={"base": "ada/base"}, push=place, **access, **refused)
    assert not (tmp_path / "expert").exists()


def test_an_expert_that_could_not_be_pushed_is_whole_and_says_where(recipe, shop, tmp_path):
    """While it was trained somebody put something else into its repo."""
    from rshub.hub.client import Hub

    served, token = shop
    hub = Hub(served.endpoint, token)

    def taken(_):
        hub.create_repo("ada/recall")
        hub.commit("ada/recall", {"other.gguf": b"a model"}, message="Another model")

    with pytest.raises(RshubError, match="holds something else") as caught:
        train(
            recipe, overrides={"base": "ada/base", "steps": "1"}, output=tmp_path / "expert", push="ada/recall",
            endpoint=served.endpoint, token=token, on_log=taken,
        )  # fmt: skip
    assert f"whole, in {tmp_path / 'expert'}" in caught.value.remedy
    assert sorted(path.name for path in (tmp_path / "expert").iterdir()) == sorted([*FILES, "training_curve.png"])
    assert read_adapter(tmp_path / "expert").rank == 8


def test_what_is_not_installed_is_named(recipe, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trl", None)
    monkeypatch.delitem(sys.modules, "rshub.training.methods.rloo", raising=False)
    monkeypatch.delattr("rshub.training.methods.rloo", raising=False)
    with pytest.raises(MissingExtra, match="training needs the extra 'train'"):
        train(recipe, output=tmp_path / "expert")
    assert not list(tmp_path.iterdir())
