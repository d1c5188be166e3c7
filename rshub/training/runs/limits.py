"""When a training ends before its last step: the divergence has used up its budget, or a reward is as good as wanted.

Both are judged by the mean over the latest lines of the log, because one batch is noisy. Pure: what was read back from
a log after a kill is judged like what was never interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rshub.training.recipe import Recipe

WINDOW = 5
"""Lines of the log whose mean is judged."""


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Why and when a training ended early."""

    step: int
    of: int
    by: str
    value: float
    limit: float

    def to_json(self) -> dict[str, Any]:
        """Write it for ``training.json``."""
        return dict(vars(self))

    def __str__(self) -> str:
        """Say it in words."""
        return f"stopped after step {self.step} of {self.of}: {self.by} is {self.value:.4g}, the limit {self.limit:g}"


def find_stop(recipe: Recipe, lines: Sequence[Mapping[str, Any]], steps: int) -> Stop | None:
    """Judge the latest lines of a log; the last step ends a training anyhow."""
    if not lines or not recipe.reinforced or lines[-1]["step"] >= steps:
        return None
    step, latest = int(lines[-1]["step"]), lines[-WINDOW:]
    divergence = _mean([line["kl"] for line in latest])
    if recipe.kl_budget is not None and divergence is not None and divergence > recipe.kl_budget:
        return Stop(step=step, of=steps, by="kl", value=divergence, limit=recipe.kl_budget)
    for name, target in sorted(recipe.stop_at.items()):
        value = _mean([line["rewards"].get(name) for line in latest])
        falling = recipe.rewards[name].direction == "min"
        if value is not None and (value <= target if falling else value >= target):
            return Stop(step=step, of=steps, by=name, value=value, limit=target)
    return None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
