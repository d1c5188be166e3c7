"""How claims are judged: effects with intervals, and five rules that were written down before anything was measured.

An interval holds 95 % of what other prompts would have given: paired over prompts, since all points meet the same
prompts and random numbers, and for several effects of one claim all of them together (Bonferroni). It says nothing of
another training run. Effects are in units that the claim names, larger always better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from rshub.fronts.bootstrap import interval, redraw
from rshub.fronts.differences import CONFIDENCE, combine
from rshub.fronts.pareto import hypervolume
from rshub.preferences.scores import Direction, Point, Scores

HOLDS, FAILS, OPEN = "holds", "does not hold here", "cannot be decided"

SLACK = 0.05
"""What counts as no loss: a twentieth of the distance between two experts, or of the box around all points."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One number with its interval."""

    name: str
    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """Describe it for a program."""
        return {"name": self.name, "value": self.value, "interval": [self.low, self.high]}

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def listed(effects: Iterable[Effect]) -> str:
    """Say effects with their names, one after the other."""
    return "; ".join(f"{effect.name}: {effect}" for effect in effects)


def difference(
    scores: Scores, reward: str, factors: Mapping[int, float], *, name: str, unit: float = 1.0, among: int = 1
) -> Effect:
    """Sum one reward over points, in multiples of ``unit``, as one of ``among`` effects that are judged together."""
    value, error = combine(scores, reward, factors)
    if error is None:
        error = float("inf")
    times = NormalDist().inv_cdf(1.0 - (1.0 - CONFIDENCE) / (2.0 * among))
    return Effect(
        name=name, value=value / unit, low=(value - times * error) / unit, high=(value + times * error) / unit
    )


@dataclass(frozen=True, kw_only=True)
class Volumes:
    """Two hypervolumes in the box around both sets, and the first minus the second."""

    first: float
    second: float
    gap: Effect

    def __str__(self) -> str:
        return f"hypervolume {self.first:.3f} against {self.second:.3f}; gap {self.gap}"


def volumes(rewards: Mapping[str, Direction], first: Sequence[Point], second: Sequence[Point], *, name: str) -> Volumes:
    """Compare what two sets of points cover; sets of equal size, or the larger one wins by its number.

    Args:
        rewards: Which rewards count, and which way each is better.
        first: One set.
        second: The other; points may stand in both.
        name: What the gap is called.
    """
    both = Scores(rewards=rewards, points=(*first, *second))
    table = both.oriented()
    nadir, ideal = table.min(axis=0), table.max(axis=0)
    extent = np.where(ideal > nadir, ideal - nadir, 1.0)
    zero = np.zeros(table.shape[1])

    def measured(rows: Any) -> tuple[float, float]:
        unit = (rows - nadir) / extent
        return hypervolume(unit[: len(first)], zero), hypervolume(unit[len(first) :], zero)

    mine, other = measured(table)
    drawn, why = redraw(both, range(len(both.points)))
    if drawn is None:
        raise ValueError(why)
    gaps = np.array([ours - theirs for ours, theirs in map(measured, drawn)])
    low, high = interval(gaps)
    return Volumes(first=mine, second=other, gap=Effect(name=name, value=mine - other, low=low, high=high))


def better(effects: Sequence[Effect]) -> str:
    """Every effect is above zero."""
    if any(effect.high < 0.0 for effect in effects):
        return FAILS
    return HOLDS if all(effect.low > 0.0 for effect in effects) else OPEN


def no_worse(effects: Sequence[Effect], slack: float = SLACK) -> str:
    """No effect is below minus the slack."""
    if any(effect.high < -slack for effect in effects):
        return FAILS
    return HOLDS if all(effect.low >= -slack for effect in effects) else OPEN


def never_below(effects: Sequence[Effect], slack: float = SLACK) -> str:
    """No effect is below zero: it fails when one surely is, and holds when none can be below minus the slack."""
    if any(effect.high < 0.0 for effect in effects):
        return FAILS
    return HOLDS if all(effect.low >= -slack for effect in effects) else OPEN


def alike(effects: Sequence[Effect], slack: float = SLACK) -> str:
    """Every effect is within the slack of zero."""
    if any(effect.low > slack or effect.high < -slack for effect in effects):
        return FAILS
    return HOLDS if all(-slack <= effect.low and effect.high <= slack for effect in effects) else OPEN


def some_better(effects: Sequence[Effect]) -> str:
    """At least one effect is above zero."""
    if any(effect.low > 0.0 for effect in effects):
        return HOLDS
    return FAILS if all(effect.high <= 0.0 for effect in effects) else OPEN
