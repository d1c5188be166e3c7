"""What a line of the log says: of reinforcement the rewards and the divergence, of the other methods the loss.

The loss of reinforcement is next to nothing by construction and says nothing, so it is not there; what a method does
not measure is not there either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rshub.training.recipe import Recipe
from rshub.training.runs.log_file import number

Line = Callable[[Mapping[str, Any]], dict[str, Any] | None]
"""Makes a line of what the trainer logged; None where that is no line of ours."""

_SHARED = ("learning_rate", "grad_norm")


def reinforcement_line(recipe: Recipe) -> Line:
    """Log the reward, the mean of every reward, and the divergence from the start in nats per token."""

    def line(logs: Mapping[str, Any]) -> dict[str, Any] | None:
        if "reward" not in logs:
            return None
        return {
            "reward": number(logs["reward"]),
            "rewards": {name: number(logs.get(f"rewards/{name}/mean")) for name in recipe.rewards},
            "kl": number(logs.get("kl")),
            "entropy": number(logs.get("entropy")),
            "length": number(logs.get("completions/mean_length")),
            "clipped": number(logs.get("completions/clipped_ratio")),
            **{key: number(logs.get(key)) for key in _SHARED},
        }

    return line


def loss_line(**measured: str) -> Line:
    """Log the loss and what else a method measures: our key to the trainer's."""

    def line(logs: Mapping[str, Any]) -> dict[str, Any] | None:
        if "loss" not in logs:
            return None
        keys = {"loss": "loss", **measured, **{key: key for key in _SHARED}}
        return {key: number(logs.get(theirs)) for key, theirs in keys.items()}

    return line
