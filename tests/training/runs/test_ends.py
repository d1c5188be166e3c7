"""How runs end: early, on purpose and said; or by a fault that is told, with the checkpoints kept."""

import json
import resource
import shutil
import signal
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from rshub.errors import Incompatible, InvalidInput, MissingExtra, OutputError, RshubError
from rshub.training.recipe_file import read_recipe
from rshub.training.runs.limits import WINDOW, find_stop
from rshub.training.train import train

WEIGHTS = "adapter_model.safetensors"

CODE = """
ASKED = []

def fickle(samples, context):
    ASKED.append(len(samples))
    if len(ASKED) >= 3:
        return WRONG(samples)
    return [float(len(s.completion)) for s in samples]

def silent(samples, context):
    return [None] * len(samples)

WRONG = None
"""


@pytest.fixture(scope="module")
def rewards(tmp_path_factory):
    """An installed package with a reward that goes wrong at its third batch, and one that never says anything."""
    root = tmp_path_factory.mktemp("site")
    info = root / "fickle_words-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fickle-words\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(
        "[rshub.rewards]\nfickle = fickle_words_of_a_test:fickle\nsilent = fickle_words_of_a_test:silent\n"
    )
    (root / "fickle_words_of_a_test.py").write_text(CODE)
    sys.path.insert(0, str(root))
    import fickle_words_of_a_test as module

    yield module
    sys.path.remove(str(root))


def raises(samples):
    raise KeyError("no such word")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda samples: [float("nan")] * len(samples), "its score of sample 0 is nan"),
        (lambda samples: [1.0], r"it gave 1 scores for \d+ samples"),
        (raises, "it raised KeyError: 'no such word'"),
    ],
)
@pytest.mark.parametrize("method", ["rloo", "grpo"])
def test_a_reward_that_goes_wrong_ends_the_run_with_its_name_and_the_checkpoints_are_kept(
    rewards, recipe, tmp_path, monkeypatch, method, wrong, why
):
    rewards.ASKED.clear()
    monkeypatch.setattr(rewards, "WRONG", wrong)
    wanted = recipe | {
        "method": method,
        "rewards": {"fickle": "entrypoint:fickle"},
        "reward_weights": {"fickle": 1.0},
        "steps": 4,
        "save_steps": 1,
    }
    if method == "grpo":
        del wanted["normalize_advantages"]
    with pytest.raises(RshubError, match=f"entrypoint:fickle-words/fickle@0.1: {why}"):
        train(wanted, output=tmp_path / "expert")
    run = tmp_path / "expert.run"
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["checkpoint-1", "checkpoint-2"]
    assert len((run / "training_log.jsonl").read_text().splitlines()) == 2
    monkeypatch.setattr(rewards, "WRONG", lambda samples: [float(len(s.completion)) for s in samples])
    done = train(wanted, output=tmp_path / "expert")
    assert [line["step"] for line in done.log] == [1, 2, 3, 4]
    assert not run.exists()


def test_a_reward_that_scores_nothing_ends_the_run_with_its_name(rewards, recipe, tmp_path):
    wanted = recipe | {"rewards": {"silent": "entrypoint:silent"}, "reward_weights": {"silent": 1.0}}
    with pytest.raises(RshubError, match="reward silent: none of the 16 completions of a batch has a score"):
        train(wanted, output=tmp_path / "expert")
    assert not list(tmp_path.iterdir())


def test_a_full_memory_is_told_with_the_key_to_lower_and_the_run_goes_on_from_its_checkpoints(recall, recipe, tmp_path):
    """The error is the allocator's own, raised within the trainer."""
    import torch

    def fill_memory(line):
        if line["step"] == 2:
            torch.empty(2**55)

    saving = {"save_steps": "1", "micro_batch": "8"}
    with pytest.raises(RshubError, match="the memory was full after step 2 of 3") as caught:
        train(recipe, overrides=saving, output=tmp_path / "expert", on_log=fill_memory)
    assert caught.value.remedy.startswith("lower micro_batch, 8 now, to 4")
    assert "checkpoints are kept" in caught.value.remedy
    smaller = train(recipe, overrides=saving | {"micro_batch": "4"}, output=tmp_path / "expert")
    assert [line["step"] for line in smaller.log] == [1, 2, 3]
    whole = load_file(recall.folder / WEIGHTS)
    for key, value in load_file(smaller.folder / WEIGHTS).items():
        assert abs(whole[key] - value).max() < 2e-3  # in smaller pieces sums are rounded otherwise


def lines_of(*values, reward=0.0):
    return [{"step": n, "kl": kl, "rewards": {"recall": reward, "precision": None}} for n, kl in enumerate(values, 1)]


def test_a_run_stops_when_its_running_divergence_is_above_the_budget(recipe):
    read = read_recipe(recipe | {"kl_budget": 0.3, "steps": 20})
    assert find_stop(read, lines_of(0.0, 0.2, 0.9), 20).to_json() == {
        "step": 3, "of": 20, "by": "kl", "value": pytest.approx(1.1 / 3), "limit": 0.3,
    }  # fmt: skip
    assert find_stop(read, lines_of(0.0, 0.2, 0.5), 20) is None
    old = [9.0] * 3
    assert find_stop(read, lines_of(*old, *[0.2] * WINDOW), 20) is None  # only the latest count
    assert find_stop(read, lines_of(0.0, 0.2, 0.9), 3) is None  # it was the last step anyhow
    assert find_stop(read_recipe(recipe), lines_of(9.0), 20) is None


def test_a_run_stops_when_a_reward_is_as_good_as_wanted(recipe):
    read = read_recipe(recipe | {"stop_at": {"recall": 0.8}, "steps": 20})
    assert find_stop(read, lines_of(0.0, 0.0, reward=0.8), 20).by == "recall"
    assert find_stop(read, lines_of(0.0, 0.0, reward=0.79), 20) is None
    unscored = read_recipe(recipe | {"stop_at": {"precision": 0.1}, "steps": 20})
    assert find_stop(unscored, lines_of(0.0), 20) is None


def test_the_adapter_of_a_run_that_stopped_is_the_one_at_the_stop(recipe, tmp_path):
    """A run of just so many steps, straight on, ends in the same adapter."""
    wanted = recipe | {"kl_budget": 1e-4, "steps": 20, "learning_rate": 1e-2}
    done = train(wanted, output=tmp_path / "stopped")
    stopped = done.training["stopped"]
    assert (stopped["by"], stopped["of"], stopped["limit"]) == ("kl", 20, 1e-4)
    assert stopped["value"] > 1e-4
    assert stopped["step"] == done.training["steps"] == done.log[-1]["step"] < 20
    assert json.loads((done.folder / "training.json").read_text())["stopped"] == stopped
    assert any(line.startswith("  stopped after step") for line in done.lines())
    straight = train(
        {key: value for key, value in wanted.items() if key != "kl_budget"} | {"steps": stopped["step"]},
        output=tmp_path / "straight",
    )
    assert "stopped" not in straight.training
    assert (straight.folder / WEIGHTS).read_bytes() == (done.folder / WEIGHTS).read_bytes()


def test_a_stop_that_was_killed_before_it_was_saved_is_still_a_stop(recipe, tmp_path):
    wanted = recipe | {"stop_at": {"recall": 0.0}, "steps": 20, "save_steps": 1}
    straight = train(wanted, output=tmp_path / "straight")
    assert straight.training["stopped"]["step"] == 1

    class PulledPlugError(Exception):
        pass

    def pull_the_plug(*_, **__):
        raise PulledPlugError

    patch = pytest.MonkeyPatch()
    patch.setattr("rshub.training.methods.session.save_trained", pull_the_plug)
    with pytest.raises(PulledPlugError):
        train(wanted, output=tmp_path / "expert")
    patch.undo()
    done = train(wanted, output=tmp_path / "expert")
    assert done.training == straight.training
    assert (done.folder / WEIGHTS).read_bytes() == (straight.folder / WEIGHTS).read_bytes()


@pytest.mark.parametrize(
    ("method", "lacking", "why"),
    [
        ("sft", "references", "1 of 32 prompts have no references, which sft learns from; the first is prompt 5"),
        ("dpo", "rejected", "1 of 32 prompts have no rejected, which dpo learns from; the first is prompt 5"),
        ("dpo", "references", "1 of 32 prompts have no references"),
    ],
)
def test_prompts_without_what_a_method_learns_from_are_refused(plain, restaurant, tmp_path, method, lacking, why):
    rows = [json.loads(text) for text in (restaurant / "pairs.jsonl").read_text().splitlines()]
    del rows[4][lacking]
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InvalidInput, match=why) as caught:
        train(plain(method) | {"dataset": str(data)}, output=tmp_path / "expert")
    assert lacking in caught.value.remedy


def test_texts_and_conversations_do_not_mix(recipe, tmp_path):
    talk = {"prompt": [{"role": "user", "content": "luna pub"}], "references": ["luna"]}
    data = tmp_path / "data.jsonl"
    data.write_text(json.dumps({"prompt": "luna pub =>", "references": ["luna"]}) + "\n" + json.dumps(talk) + "\n")
    with pytest.raises(InvalidInput, match="texts and conversations are mixed"):
        train(recipe | {"dataset": str(data)}, output=tmp_path / "expert")


def test_prompts_that_are_too_long_are_left_out_and_counted(recipe, restaurant, tmp_path):
    rows = [json.loads(text) for text in (restaurant / "train.jsonl").read_text().splitlines()]
    rows += [row | {"prompt": row["prompt"] + " =>"} for row in rows[:5]]
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    length = len(rows[0]["prompt"].split())
    wanted = recipe | {"dataset": str(data), "max_prompt_length": length, "steps": 1}
    done = train(wanted, output=tmp_path / "expert")
    assert done.training["dataset"]["left_out"] == 5
    with pytest.raises(InvalidInput, match="no prompt is left"):
        train(wanted | {"max_prompt_length": length - 1}, output=tmp_path / "none")


def test_prompts_that_a_reward_in_use_cannot_score_are_left_out_and_counted(recipe, restaurant, tmp_path):
    rows = [json.loads(text) for text in (restaurant / "train.jsonl").read_text().splitlines()]
    data = tmp_path / "data.jsonl"
    bare = [{"prompt": row["prompt"]} for row in rows[:8]]
    data.write_text("".join(json.dumps(row) + "\n" for row in [*bare, *rows[8:]]))
    done = train(recipe | {"dataset": str(data)}, output=tmp_path / "expert")
    assert done.training["dataset"]["left_out"] == 8
    assert len(done.log) == 3
    data.write_text("".join(json.dumps(row) + "\n" for row in [*bare, rows[8]]))
    with pytest.raises(InvalidInput, match="without the prompts that have no references: 1 prompts are too few"):
        train(recipe | {"dataset": str(data)}, output=tmp_path / "none")


@pytest.fixture(scope="module")
def small(restaurant, tmp_path_factory):
    """The base with room for 16 tokens, and a chat template that takes no system turn."""
    folder = shutil.copytree(restaurant / "base", tmp_path_factory.mktemp("small") / "base")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 16}))
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ m['content'] }}{% endfor %}"
    )
    return folder


def test_a_base_without_room_for_prompts_and_completions_is_refused_with_the_key_to_lower(
    small, recipe, plain, tmp_path
):
    with pytest.raises(InvalidInput, match="it has room for 16 tokens; the longest prompt has") as caught:
        train(recipe | {"base": str(small), "max_completion_length": 12}, output=tmp_path / "expert")
    assert caught.value.remedy == "set max_prompt_length: 4"
    with pytest.raises(InvalidInput, match="room for 16 tokens"):
        train(recipe | {"base": str(small), "max_completion_length": 16}, output=tmp_path / "expert")
    data = tmp_path / "long.jsonl"
    data.write_text(json.dumps({"prompt": " ".join(["luna"] * 12), "references": ["pub " * 9], "rejected": ["luna"]}))
    for method in ("sft", "dpo"):
        wanted = plain(method, base=str(small), dataset=str(data), batch=1, steps=1)
        with pytest.raises(InvalidInput, match="the longest prompt with its answer has 22") as caught:
            train(wanted, output=tmp_path / "expert")
        assert caught.value.remedy == "set max_length: 16"
        train(wanted | {"max_length": 16}, output=tmp_path / f"{method} expert")
    assert not (tmp_path / "expert.run").exists()


def test_a_template_that_refuses_a_conversation_is_told_before_anything_is_trained(small, recipe, tmp_path):
    data = tmp_path / "talk.jsonl"
    turns = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "luna pub"}]
    data.write_text((json.dumps({"prompt": turns, "references": ["luna"]}) + "\n") * 8)
    with pytest.raises(Incompatible, match="refuses a conversation: no system"):
        train(recipe | {"base": str(small), "dataset": str(data)}, output=tmp_path / "expert")
    assert [path.name for path in tmp_path.iterdir()] == ["talk.jsonl"]


def test_a_full_disk_is_told_and_the_run_goes_on_from_its_checkpoints(recall, recipe, tmp_path):
    """The operating system refuses files beyond a size: more than the notes of a checkpoint, less than its weights."""
    saving = {"save_steps": "1"}

    def fill_the_disk(line):
        if line["step"] == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(OutputError, match="the disk was full after step 2 of 3") as caught:
            train(recipe, overrides=saving, output=tmp_path / "expert", on_log=fill_the_disk)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert caught.value.remedy.startswith("free some space")
    assert "goes on from them" in caught.value.remedy
    done = train(recipe, overrides=saving, output=tmp_path / "expert")
    whole = load_file(recall.folder / WEIGHTS)
    for key, value in load_file(done.folder / WEIGHTS).items():
        np.testing.assert_array_equal(whole[key], value)


def test_a_tracker_that_is_not_installed_is_named_before_anything_is_trained(recipe, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtra, match="wandb") as caught:
        train(recipe | {"report_to": ["wandb"]}, output=tmp_path / "expert", on_log=lambda _: pytest.fail("trained"))
    assert "pip install wandb" in caught.value.remedy
    assert not list(tmp_path.iterdir())
