"""Several processes share one run: the recipe's numbers are those of the whole, and one of them writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rshub.errors import InvalidInput
from rshub.training.recipe import Recipe
from rshub.training.runs.crew import Crew, crew
from rshub.training.train import train

ROOT = Path(__file__).parents[3]
WEIGHTS = "adapter_model.safetensors"
SECONDS = 240


def recipe_of(**settings):
    return Recipe(method="rloo", base="org/base", dataset="org/world:train", **settings)


def test_a_process_knows_its_number_by_the_launcher(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert (crew(), crew().leads) == (Crew(rank=0, size=1), True)
    monkeypatch.setenv("RANK", "2")
    assert crew() == Crew()
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert (crew(), crew().leads) == (Crew(rank=2, size=4), False)


@pytest.mark.parametrize(
    ("settings", "size", "shares"),
    [
        ({"batch": 128}, 1, (128, 1)),
        ({"batch": 128}, 4, (32, 1)),
        ({"batch": 128, "micro_batch": 8}, 1, (8, 16)),
        ({"batch": 128, "micro_batch": 8}, 4, (8, 4)),
        ({"batch": 128, "micro_batch": 64}, 4, (32, 1)),
        ({"batch": 128, "mini_batch": 4}, 2, (2, 1)),
        ({"batch": 128, "mini_batch": 4}, 4, (1, 1)),
        ({"batch": 96, "micro_batch": 3}, 2, (3, 16)),
    ],
)
def test_a_step_is_divided_among_the_processes(settings, size, shares):
    at_once, times = Crew(size=size).shares(recipe_of(**settings))
    assert (at_once, times) == shares
    assert at_once * times * size == recipe_of(**settings).per_update


@pytest.mark.parametrize(
    ("settings", "size", "why"),
    [
        ({"batch": 128, "mini_batch": 4}, 8, "mini_batch: 4 cannot be divided among 8 processes"),
        ({"batch": 128}, 3, "batch: 128 cannot be divided among 3 processes"),
        ({"batch": 24, "micro_batch": 8}, 2, "24 cannot be divided among 2 processes, 8 at once"),
    ],
)
def test_a_step_that_cannot_be_divided_is_refused(settings, size, why):
    with pytest.raises(InvalidInput, match=why):
        Crew(size=size).shares(recipe_of(**settings))


def launched(*words):
    """Run two processes as a launcher starts them."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    with subprocess.Popen(
        [*launch, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            said, why = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()  # the launcher ends those that it started
            said, why = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, said, why)


@pytest.mark.slow
def test_two_processes_leave_one_expert_that_starts_as_it_would_alone(recipe, tmp_path):
    """At a rate that moves nothing the adapter is its start; the start of a run does not depend on its processes."""
    still = recipe | {"learning_rate": 1e-12, "warmup_steps": 0, "steps": 2, "save_steps": 1}
    (tmp_path / "recipe.yaml").write_text(json.dumps(still))
    done = launched("-m", "rshub", "train", str(tmp_path / "recipe.yaml"), "--output", str(tmp_path / "two"), "--json")
    assert done.returncode == 0, done.stderr
    (said,) = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert json.loads(said)["folder"] == str(tmp_path / "two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.yaml", "two"]
    log = [json.loads(line) for line in (tmp_path / "two" / "training_log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [1, 2]
    alone = train(still, output=tmp_path / "alone")
    theirs, ours = (load_file(folder / WEIGHTS) for folder in (tmp_path / "two", alone.folder))
    assert set(theirs) == set(ours)
    for name, value in ours.items():
        np.testing.assert_allclose(theirs[name], value, atol=1e-8)
    assert log[0]["reward"] != alone.log[0]["reward"]  # each process samples with numbers of its own


@pytest.mark.slow
def test_processes_that_go_on_judge_an_early_stop_alike_and_wait_for_the_slowest_before_a_checkpoint_counts(
    recipe, tmp_path
):
    """By the lines since the resume alone the budget is used up at once; by all lines it never is."""
    wanted = {key: value for key, value in recipe.items() if key != "normalize_advantages"}
    wanted |= {"method": "grpo", "kl_budget": 1e-9, "steps": 3, "save_steps": 1, "learning_rate": 1e-2}
    wanted |= {"warmup_steps": 0}

    def killed(line):
        if line["step"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(wanted, output=tmp_path / "two", on_log=killed)
    log = tmp_path / "two.run" / "training_log.jsonl"
    first, second = (json.loads(line) for line in log.read_text().splitlines())
    assert second["kl"] > 1e-9
    log.write_text(json.dumps(first | {"kl": -1e3}) + "\n")
    (tmp_path / "recipe.yaml").write_text(json.dumps(wanted))
    slow = str(Path(__file__).with_name("slow_follower.py"))
    done = launched(slow, "train", str(tmp_path / "recipe.yaml"), "--output", str(tmp_path / "two"))
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in (tmp_path / "two" / "training_log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert lines[0]["kl"] == -1e3
    assert "stopped" not in json.loads((tmp_path / "two" / "training.json").read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.yaml", "two"]
