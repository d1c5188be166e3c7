"""One recipe becomes all its experts and mixtures: each as it would be alone, done once, and none at another's cost."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from rshub.demo.recipes import recipe as demo_recipe
from rshub.errors import InvalidInput, OutputError
from rshub.formats.strict_yaml import load_yaml
from rshub.localhub import LocalHub
from rshub.training.train import train
from rshub.training.train_all import train_all

WEIGHTS = "adapter_model.safetensors"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def both(recipe):
    """The recipe that trains for two rewards, of three steps."""
    return recipe | {"reward_weights": {"recall": 1.0, "precision": 0.2}}


@pytest.fixture(scope="session")
def trained(both, tmp_path_factory):
    """Both experts and the mixture in the middle."""
    events = []
    output = tmp_path_factory.mktemp("all") / "runs"
    return train_all(both, output=output, morl=1, progress=events.append), events


def test_each_run_is_what_it_would_be_alone(trained, both, recall, tmp_path):
    result, _ = trained
    assert [(run.run.name, run.state) for run in result.runs] == [
        ("recall", "trained"),
        ("precision", "trained"),
        ("morl-recall-0.5-precision-0.5", "trained"),
    ]
    folders = result.folders() | result.folders("morl")
    assert (folders["recall"] / WEIGHTS).read_bytes() == (recall.folder / WEIGHTS).read_bytes()
    mixed = train(both | {"reward_weights": {"recall": 0.5, "precision": 0.5}}, output=tmp_path / "mixed")
    assert (folders["morl-recall-0.5-precision-0.5"] / WEIGHTS).read_bytes() == (mixed.folder / WEIGHTS).read_bytes()
    alone = train(result.output / "precision.yaml", output=tmp_path / "precision")
    assert (folders["precision"] / WEIGHTS).read_bytes() == (alone.folder / WEIGHTS).read_bytes()


def test_every_run_leaves_its_recipe_and_its_log(trained, restaurant):
    result, events = trained
    names = [run.run.name for run in result.runs]
    assert sorted(path.name for path in result.output.iterdir()) == sorted(
        [".train_all.lock", "train_all.json", *names, *(f"{n}.yaml" for n in names), *(f"{n}.log" for n in names)]
    )
    recipe = load_yaml((result.output / "precision.yaml").read_bytes(), source="recipe")
    assert recipe["reward_weights"] == {"precision": 1.0, "recall": 0.0}
    assert (recipe["base"], recipe["dataset"]) == (str(restaurant / "base"), str(restaurant / "train.jsonl"))
    logged = [json.loads(line) for line in (result.output / "recall.log").read_text().splitlines()]
    assert [line["step"] for line in logged] == [1, 2, 3]
    assert [(event.job, event.what, event.step) for event in events][:5] == [
        ("recall", "started", None),
        ("recall", "step", (1, 3)),
        ("recall", "step", (2, 3)),
        ("recall", "step", (3, 3)),
        ("recall", "done", None),
    ]
    assert json.loads((result.output / "train_all.json").read_text()) == json.loads(json.dumps(result.to_json()))
    assert result.to_json()["failed"] == 0
    assert any(line.startswith("precision ") and "trained" in line for line in result.lines())


def test_what_is_there_by_the_same_recipe_is_skipped_and_more_may_be_asked_for(trained, both):
    result, _ = trained
    before = {path: path.stat().st_mtime_ns for path in result.output.rglob("*") if path.name == WEIGHTS}
    again = train_all(both | {"micro_batch": 8}, output=result.output, morl=1, mixtures=["recall=0.25, precision=0.75"])
    assert [run.state for run in again.runs] == ["skipped", "skipped", "skipped", "trained"]
    assert again.runs[3].run.mixture == {"recall": 0.25, "precision": 0.75}
    assert [run.final for run in again.runs[:3]] == [run.final for run in result.runs]
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_what_is_there_by_another_recipe_is_refused_before_anything_starts(trained, both):
    result, _ = trained
    with pytest.raises(InvalidInput, match=r"runs/recall: something else is there"):
        train_all(both | {"learning_rate": 1e-3}, output=result.output, experts=["recall"], seeds=2)
    assert not (result.output / "recall-seed1.yaml").exists()


def test_one_that_fails_stops_no_other_and_is_done_the_next_time(both, tmp_path):
    (tmp_path / "recall.run").write_text("in the way")
    first = train_all(both, output=tmp_path)
    assert [(run.run.name, run.state) for run in first.runs] == [("recall", "failed"), ("precision", "trained")]
    assert [run.run.name for run in first.failed] == ["recall"]
    assert "recall.run" in first.failed[0].message
    assert list(first.folders()) == ["precision"]
    (tmp_path / "recall.run").unlink()
    assert [run.state for run in train_all(both, output=tmp_path).runs] == ["trained", "skipped"]


def test_one_call_at_a_time_works_in_an_output(both, tmp_path):
    with (tmp_path / ".train_all.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="under way there already"):
            train_all(both, output=tmp_path)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"executor": "ray"}, "no executor 'ray'"),
        ({"devices": ("0",)}, "no use for devices"),
        ({"jobs": 2}, "no use for devices or several jobs"),
        ({"push_prefix": "nobody"}, "no beginning of a repo"),
        ({"experts": ["brevity"]}, "trains for no reward 'brevity'"),
        ({"mixtures": ["recall=0.5"]}, "sum to 0.5"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused_before_anything_is_written(both, tmp_path, settings, why):
    with pytest.raises(InvalidInput, match=why):
        train_all(both, output=tmp_path / "runs", **settings)
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def square(restaurant, tmp_path):
    """A hub with the base and its prompts: it, a client, and the commits of both."""
    from rshub.hub.client import Hub

    with LocalHub(tmp_path / "hub") as served:
        token = served.add_user("ada")
        hub = Hub(served.endpoint, token)
        hub.create_repo("ada/base")
        hub.create_repo("ada/world", repo_type="dataset")
        files = {path.name: path for path in (restaurant / "base").iterdir()}
        base = hub.commit("ada/base", files, message="A base").commit
        data = {"data/train-00000-of-00001.jsonl": restaurant / "train.jsonl"}
        world = hub.commit("ada/world", data, message="A world", repo_type="dataset").commit
        yield SimpleNamespace(served=served, token=token, hub=hub, base=base, world=world)


def test_what_can_move_is_pinned_and_runs_are_measured_and_published_also_later(both, square, tmp_path):
    """A push that was cut off has left an empty repo; the row is recomputed from the samples in the scores file."""
    hub, runs = square.hub, tmp_path / "runs"
    wanted = both | {"base": "ada/base", "dataset": "ada/world:train"}
    options = {"endpoint": square.served.endpoint, "token": square.token, "output": runs}
    train_all(wanted, experts=["recall"], **options)
    recipe = load_yaml((runs / "recall.yaml").read_bytes(), source="recipe")
    assert (recipe["base"], recipe["dataset"]) == (f"ada/base@{square.base}", f"ada/world@{square.world}:train")
    hub.create_repo("ada/tiny-recall")
    measured = wanted | {"eval_prompts": "ada/world:train#limit=16", "eval_limit": 8}
    later = train_all(measured, push_prefix="ada/tiny", license="mit", **options)
    assert [(run.state, run.repo) for run in later.runs] == [
        ("skipped", "ada/tiny-recall"),
        ("trained", "ada/tiny-precision"),
    ]
    recipe = load_yaml((runs / "precision.yaml").read_bytes(), source="recipe")
    assert recipe["eval_prompts"] == f"ada/world@{square.world}:train#limit=16"
    for name in ("recall", "precision"):
        repo = f"ada/tiny-{name}"
        commit = hub.info(repo).commit
        assert {"expert.json", WEIGHTS, "README.md"} <= set(hub.info(repo).files)
        manifest = json.loads(hub.read(repo, "expert.json", commit=commit, max_bytes=10**6))
        written = json.loads((runs / name / "scores.json").read_text())["points"][0]["rewards"]
        assert {score["reward"]: score["n"] for score in manifest["scores"]} == {"recall": 8, "precision": 8}
        for score in manifest["scores"]:
            assert score["value"] == pytest.approx(sum(written[score["reward"]]["samples"]) / 8, abs=1e-9)
    before = hub.info("ada/tiny-recall").commit
    assert [run.state for run in train_all(wanted, push_prefix="ada/tiny", **options).runs] == ["skipped"] * 2
    assert hub.info("ada/tiny-recall").commit == before


def test_one_that_cannot_be_published_later_stops_no_other(both, square, tmp_path):
    runs, wanted = tmp_path / "runs", both | {"base": "ada/base", "steps": 1}
    options = {"endpoint": square.served.endpoint, "output": runs}
    train_all(wanted, token=square.token, **options)
    reader = square.served.add_user("ben", role="read")
    result = train_all(wanted, token=reader, push_prefix="ben/tiny", **options)
    assert [(run.state, run.repo) for run in result.runs] == [("failed", None)] * 2
    assert all(run.remedy.startswith(f"the expert itself is whole, in {run.folder}") for run in result.runs)
    assert json.loads((runs / "train_all.json").read_text())["failed"] == 2
    scores = {"schema": "rshub.scores/1", "rewards": {"recall": {"direction": "max"}}, "points": []}
    (runs / "recall" / "scores.json").write_text(json.dumps(scores))
    foreign = train_all(wanted, token=square.token, push_prefix="ada/tiny", **options)
    assert [run.state for run in foreign.runs] == ["failed", "skipped"]
    assert "do not say what they were measured on" in foreign.runs[0].message
    (runs / "recall" / "scores.json").unlink()
    again = train_all(wanted, token=square.token, push_prefix="ada/tiny", **options)
    assert [(run.state, run.repo) for run in again.runs] == [
        ("skipped", "ada/tiny-recall"),
        ("skipped", "ada/tiny-precision"),
    ]


def children(folder):
    """Name the processes whose command line names this folder."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit() and int(place.name) != os.getpid():
            try:
                words = (place / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if any(str(folder) in word for word in words):
                found.append(int(place.name))
    return found


@pytest.mark.slow
def test_processes_are_ended_by_an_interrupt_and_go_on_bit_for_bit(restaurant, tmp_path):
    from rshub.training.quiet import torch_on_one_thread

    long = demo_recipe("recall", base=str(restaurant / "base"), dataset=str(restaurant / "train.jsonl"), fast=True)
    long |= {"steps": 30, "save_steps": 2, "reward_weights": {"recall": 1.0, "precision": 1.0}}
    (tmp_path / "recipe.yaml").write_text(json.dumps(long))
    runs = tmp_path / "runs"
    command = [
        sys.executable, "-m", "rshub", "train-all", str(tmp_path / "recipe.yaml"), "--output", str(runs), "--executor",
        "process", "--jobs", "2",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def far_enough():
        logs = [runs / f"{name}.run" / "training_log.jsonl" for name in ("recall", "precision")]
        return all(log.exists() and log.read_text().count("\n") >= 4 for log in logs)

    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as first:
        deadline = time.monotonic() + 400
        while not far_enough() and first.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert len(children(runs)) == 3
        first.send_signal(signal.SIGINT)
        _, said = first.communicate(timeout=120)
    assert first.returncode == 130
    assert "recall: started" in said
    assert children(runs) == []
    for name in ("recall", "precision"):
        assert not (runs / name).exists()
        assert list((runs / f"{name}.run").glob("checkpoints/checkpoint-*"))
    done = subprocess.run(
        [*command, "--json"], env=environment, capture_output=True, text=True, timeout=500, check=True
    )
    result = json.loads(done.stdout)
    assert [(run["name"], run["state"]) for run in result["runs"]] == [("recall", "trained"), ("precision", "trained")]
    with torch_on_one_thread():  # as the processes have it
        whole = train(runs / "recall.yaml", output=tmp_path / "whole")
    assert (runs / "recall" / WEIGHTS).read_bytes() == (whole.folder / WEIGHTS).read_bytes()
    lines = [json.loads(line)["step"] for line in (runs / "recall" / "training_log.jsonl").read_text().splitlines()]
    assert lines == list(range(1, 31))
