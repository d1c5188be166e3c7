"""What a training says of itself: the expert's name and reward, and ``training.json``, which goes into its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rshub import __version__
from rshub.prompts.prompt import PromptSet
from rshub.rewards.spec import Reward
from rshub.training.methods.lesson import Trained
from rshub.training.recipe import OBJECTIVES, Recipe
from rshub.training.start import Start

TOOLS = ("trl", "transformers", "peft", "torch")
_ABOVE = frozenset(
    {"method", "base", "dataset", "rewards", "reward_weights", "seed", "steps", "init", "eval_prompts", "eval_limit"}
)
"""What the summary says outside of its settings, or not at all."""


def objective(recipe: Recipe) -> tuple[str, str | None]:
    """Name what a recipe trains for and give its spec: the one reward, or the weighted sum under joined names.

    A run without rewards is called by its method, and nothing scores it.
    """
    mixture = recipe.mixture()
    if not mixture:
        return recipe.method, None
    if list(mixture.values()) == [1.0]:
        name = next(iter(mixture))
        return name, recipe.rewards[name].spec
    terms: dict[str, float] = {}
    for name, share in mixture.items():
        sign = -1.0 if recipe.rewards[name].direction == "min" else 1.0
        for metric, coefficient in recipe.rewards[name].terms.items():
            terms[metric] = terms.get(metric, 0.0) + sign * share * coefficient
    return "-".join(mixture), Reward(terms).spec


def summary(
    recipe: Recipe, prompts: PromptSet, start: Start, trained: Trained, *, left_out: int = 0, padded: bool = True
) -> dict[str, Any]:
    """Say how an expert was trained: the manifest's ``training`` and more; ``kl`` is in nats per token at the end.

    Args:
        recipe: What was asked for.
        prompts: The training set.
        start: Where it started.
        trained: What came of it.
        left_out: Prompts that were too long, or lack what a reward in use needs.
        padded: Whether the tokenizer had a token of its own for padding.
    """
    settings = recipe.to_json()
    last = trained.lines[-1]
    said: dict[str, Any] = {
        "method": recipe.method,
        "objective": OBJECTIVES[recipe.method],
        "mixture": recipe.mixture(),
        "init": str(start),
        "seed": recipe.seed,
        "steps": trained.steps,
        "kl": last.get("kl"),
        "dataset": prompts.facts(),
        "versions": tool_versions(),
        "rewards": settings.get("rewards", {}),
        "final": dict(last["rewards"]) if "rewards" in last else {"loss": last["loss"]},
        "settings": {key: value for key, value in settings.items() if key not in _ABOVE},
    }
    if start.digest:
        said["init_digest"] = start.digest
    if trained.stopped:
        said["stopped"] = trained.stopped.to_json()
    if left_out:
        said["dataset"] |= {"left_out": left_out}
    if not padded:
        said["padding"] = "the token that ends texts: the base's tokenizer has none of its own, and padding is masked"
    return said


def tool_versions() -> dict[str, str | None]:
    """Give the versions of what trains."""
    return {"rshub": __version__, **{tool: _version(tool) for tool in TOOLS}}


def in_words(training: Mapping[str, Any], log: tuple[Mapping[str, Any], ...]) -> list[str]:
    """Describe a training for a person: what its numbers were at first and at last."""
    first, last = log[0], log[-1]
    if "rewards" not in last:
        return [f"  {key:<12} {shown(first.get(key))} -> {shown(last.get(key))}" for key in _measured(last)]
    named = {**dict.fromkeys(last["rewards"], 0.0), **training["mixture"]}
    lines = []
    for name, share in named.items():
        before, after = (shown(line["rewards"].get(name)) for line in (first, last))
        lines.append(f"  {name:<12} {before} -> {after}" + ("" if share else "  (watched)"))
    return lines


def shown(value: float | None) -> str:
    """Write a number for a person."""
    return "-" if value is None else f"{value:.3f}"


def _measured(line: Mapping[str, Any]) -> list[str]:
    return [key for key in ("loss", "accuracy", "margin") if key in line]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
