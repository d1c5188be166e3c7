"""A run that was killed with SIGKILL and gone on with ends bit for bit like one left alone, by every method."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rshub.training.train import train

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


def test_every_method_goes_on_after_a_kill_and_ends_the_same(recipe, plain, restaurant, tmp_path):
    start = train(plain("sft"), output=tmp_path / "start").folder
    saving = {"steps": 5, "save_steps": 1, "schedule": "linear"}
    adapter = {"lora": {"r": 4, "alpha": 8, "dropout": 0.05, "target_modules": ["q_proj", "v_proj"]}}
    bare = {key: value for key, value in recipe.items() if key != "lora"}
    grouped = {key: value for key, value in recipe.items() if key != "normalize_advantages"}
    recipes = {
        "rloo": recipe | saving | adapter | {"micro_batch": 4, "min_completion_length": 3, "max_completion_length": 9},
        "grpo": grouped
        | saving
        | {"method": "grpo", "mini_batch": 8, "num_iterations": 2, "steps": 12, "save_steps": 4},
        "sft": plain("sft", micro_batch=2) | saving | adapter,
        "dpo": plain("dpo", micro_batch=4) | saving | adapter,
        "continued": bare | saving | {"init": f"adapter:{start}", "lora": {"dropout": 0.1}},
        "stacked": recipe | saving | {"init": f"stacked:{start}"},
        "whole": bare | saving | {"artefact": "full", "optimizer": "sgd", "learning_rate": 1e-3},
        "early": recipe | saving | {"kl_budget": 0.05, "steps": 40, "log_steps": 2, "save_steps": 2},
    }
    (tmp_path / "recipes.json").write_text(json.dumps(recipes))
    done = subprocess.run(
        [sys.executable, str(HERE / "kill_and_resume.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        cwd=HERE.parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parents[2])},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert set(found) == set(recipes)
    for name, what in found.items():
        assert what.pop("went_on_from") >= (1 if name != "grpo" else 4), name
        assert what == {
            "killed": True, "same_names": True, "differ": [], "same_log": True, "same_summary": True, "swept": True,
        }, name  # fmt: skip
