"""A hostile recipe executes nothing, imports nothing, reaches nowhere, and ends in a typed refusal."""

import subprocess
import sys
from pathlib import Path

import pytest

from rshub.errors import InvalidInput, RshubError
from rshub.training.recipe_file import read_recipe

GOOD = {
    "method": "rloo",
    "base": "org/base",
    "dataset": "./prompts.jsonl",
    "rewards": {"recall": "metric:rouge1.recall"},
}


@pytest.mark.parametrize(
    "change",
    [
        {"rewards": {"recall": "python:os.system"}},
        {"rewards": {"recall": "hf:./model#label=x"}},
        {"rewards": {"recall": "metric:__class__.__init__"}},
        {"rewards": {"recall": "metric:rouge1.recall; import os"}},
        {"rewards": {"recall": "9" * 5000 + "*metric:length"}},
        {"rewards": {"../../etc/passwd": "metric:length"}},
        {"rewards": {"recall\n": "metric:length"}},
        {"rewards": ["metric:length"]},
        {"reward_funcs": ["os.system"]},
        {"env": {"LD_PRELOAD": "/tmp/x.so"}},
        {"trust_remote_code": True},
        {"lora": {"target_modules": ".*"}},
        {"lora": {"target_modules": ["(a+)+$", 3]}},
        {"lora": {"r": 10**9}},
        {"lora": {"alpha": 10**400}},
        {"steps": 10**30},
        {"seed": 2**32},
        {"batch": 10**18},
        {"learning_rate": "1e-3; rm -rf /"},
        {"learning_rate": float("nan")},
        {"beta": float("inf")},
        {"temperature": True},
        {"max_completion_length": -5},
        {"__proto__": {}},
        {"": 1},
    ],
)
def test_a_hostile_value_is_refused(change):
    with pytest.raises(InvalidInput) as caught:
        read_recipe(GOOD | change)
    assert len(caught.value.message) < 6000


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system [id]",
        "&a [1]",
        "*a",
        "{a: {a: {a: 1}}}",
        "1\nmethod: ppo",
        "- 1",
        "'",
        "[" * 5000,
    ],
)
def test_an_override_cannot_smuggle_anything_in(text):
    with pytest.raises(InvalidInput):
        read_recipe(GOOD, overrides={"steps": text})


def test_an_endless_file_is_not_read_to_its_end():
    with pytest.raises(RshubError):
        read_recipe(Path("/dev/zero"))


def test_reading_a_recipe_imports_no_training_library():
    code = (
        "import sys, json\n"
        "from rshub.training.recipe_file import read_recipe\n"
        f"read_recipe({GOOD!r})\n"
        "print([name for name in ('torch', 'transformers', 'trl', 'peft', 'datasets') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
