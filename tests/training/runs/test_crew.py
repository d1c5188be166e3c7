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


@pytest.mark.slow
def test_two_processes_leave_one_expert_that_starts_as_it_would_alone(recipe, tmp_path):
    """At a rate that moves nothing the adapter is its start; the start of a run does not depend on its processes."""
    still = recipe | {"learning_rate": 1e-12, "warmup_steps": 0, "steps": 2, "save_steps": 1}
    (tmp_path / "recipe.yaml").write_text(json.dumps(still))
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    verb = ["-m", "rshub", "train", str(tmp_path / "recipe.yaml"), "--output", str(tmp_path / "two"), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run([*launch, *verb], env=environment, capture_output=True, text=True, timeout=500, check=False)
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
