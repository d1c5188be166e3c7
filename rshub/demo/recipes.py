"""The recipes of the demo: two experts that want opposite things, and one model trained on half of each.

The demo trains by them in one process; written out as YAML they are what ``rshub train`` takes, and give the same
experts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rshub.demo.world import MAX_WORDS

REWARDS: Mapping[str, str] = {"recall": "metric:rouge1.recall", "precision": "metric:rouge1.precision"}
"""The two rewards: say what people say, and say nothing that they do not."""

MIXTURES: Mapping[str, Mapping[str, float]] = {
    "recall": {"recall": 1.0},
    "precision": {"precision": 1.0},
    "morl": {"recall": 0.5, "precision": 0.5},
}
"""What each run of the demo trains on."""

STEPS = 30
FAST_STEPS = 3


def recipe(run: str, *, base: str, dataset: str, fast: bool = False, steps: int | None = None) -> dict[str, Any]:
    """Give the recipe of one run of the demo.

    Args:
        run: ``recall``, ``precision`` or ``morl``.
        base: The base: a repo or a folder.
        dataset: The prompts: a file or a split of a dataset repo.
        fast: A few steps only: everything happens, nothing is learned.
        steps: Another number of steps.
    """
    return {
        "method": "rloo",
        "base": base,
        "dataset": dataset,
        "rewards": dict(REWARDS),
        "reward_weights": dict(MIXTURES[run]),
        "lora": {"r": 8, "alpha": 16, "dropout": 0.0, "target_modules": "all-linear"},
        "seed": 0,
        "steps": steps if steps is not None else FAST_STEPS if fast else STEPS,
        "learning_rate": 3e-3,
        "warmup_steps": 0 if fast else 3,
        "schedule": "constant",
        "beta": 0.02,
        "batch": 16 if fast else 64,
        "num_generations": 4 if fast else 8,
        "max_completion_length": MAX_WORDS,
        "temperature": 1.0,
        "normalize_advantages": True,
    }


def recipe_yaml(recipe: Mapping[str, Any]) -> str:
    """Write a recipe of the demo as the YAML that ``rshub train`` takes."""
    wanted = [name for name, weight in recipe["reward_weights"].items() if weight]
    lines = [f"# {f'The expert for {wanted[0]}' if len(wanted) == 1 else 'A model trained on both rewards at once'}"]
    for key, value in recipe.items():
        if isinstance(value, dict):
            lines += [f"{key}:", *(f"  {name}: {_word(item)}" for name, item in value.items())]
        else:
            lines.append(f"{key}: {_word(value)}")
    return "\n".join(lines) + "\n"


def _word(value: Any) -> str:
    """Write a number, a flag or a word; quoted where it would not read back."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not value.replace("-", "").replace(":", "").isalnum():
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
