"""Kills runs of every kind with SIGKILL, each in a process of its own, and goes on with them; run by test_resume.py.

The libraries are imported once and the runs that are killed are forks, so that all of it costs one process's imports.
Nothing is trained in the parent before the last fork. What differs is printed as JSON.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import rshub.training.methods.dpo
import rshub.training.methods.grpo
import rshub.training.methods.rloo
import rshub.training.methods.sft  # noqa: F401 - before the first fork
from rshub.training.train import train

SECONDS = 120
KILLED_AT = 2


def killed(recipe: dict, output: Path) -> bool:
    """Run a recipe in a fork until it has some checkpoints, and kill it."""
    child = os.fork()
    if child == 0:
        train(recipe, output=output, on_log=lambda line: time.sleep(0.4 if line["step"] > KILLED_AT else 0))
        os._exit(0)
    until = time.monotonic() + SECONDS
    while (
        time.monotonic() < until and len(list(output.parent.glob(f"{output.name}.run/checkpoints/*/whole"))) < KILLED_AT
    ):
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    return os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def compare(name: str, recipe: dict, folder: Path) -> dict:
    """Go on with a killed run and hold it against one that was left alone."""
    seen: list[int] = []
    resumed = train(recipe, output=folder / name, on_log=lambda line: seen.append(line["step"]))
    straight = train(recipe, output=folder / f"{name}-straight")
    weights = "model.safetensors" if recipe.get("artefact") == "full" else "adapter_model.safetensors"
    ours, theirs = (load_file(done.folder / weights) for done in (resumed, straight))
    return {
        "went_on_from": min(seen) - 1,
        "same_names": ours.keys() == theirs.keys(),
        "differ": [key for key, value in theirs.items() if not np.array_equal(ours[key], value)],
        "same_log": list(resumed.log) == list(straight.log),
        "same_summary": resumed.training == straight.training,
        "swept": not (folder / f"{name}.run").exists(),
    }


def main() -> None:
    """Read the recipes, kill, go on, compare."""
    folder = Path(sys.argv[1])
    recipes = json.loads((folder / "recipes.json").read_text())
    dead = {name: killed(recipe, folder / name) for name, recipe in recipes.items()}
    found = {name: {"killed": dead[name]} | compare(name, recipe, folder) for name, recipe in recipes.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
