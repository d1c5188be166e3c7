"""The loop of a selection: decide, measure, remember, until the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from rshub.errors import RshubError
from rshub.evaluation.selection.strategy import Space, missing_corners, next_shares
from rshub.preferences.evidence import gather
from rshub.preferences.preference import INIT
from rshub.preferences.scores import Point, Scores
from rshub.preferences.simplex import Array
from rshub.preferences.wish import make_wish

CORNER = "corner"
"""Why an expert alone is measured: it was missing."""


class Measure(Protocol):
    """Measures the soup with these coefficients; ``Evaluator.point`` is one."""

    def __call__(self, coefficients: Mapping[str, float], /) -> Point:
        """Give the point: at least every wanted reward, with its error where it is known."""
        ...


Keep = Callable[[Point, str], Scores]
"""Told of each new point and why it was measured; gives all scores with it."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is looked for: soups of a space, a preference (reward to number) and its units."""

    space: Space
    mu: Mapping[str, float]
    units: str

    @property
    def wanted(self) -> dict[str, float]:
        """The rewards that count."""
        return {name: value for name, value in self.mu.items() if value != 0.0 and name != INIT}


def search(
    scores: Scores, goal: Goal, *, budget: int, measure: Measure, keep: Keep, corners_only: bool = False
) -> Scores:
    """Spend a budget of evaluations.

    Args:
        scores: What is known.
        goal: What is looked for.
        budget: New evaluations at most.
        measure: Makes one.
        keep: Remembers one.
        corners_only: Whether to stop when every corner has been measured.

    Returns:
        The scores with the new points.

    Raises:
        RshubError: A measurement failed or lacks a reward; what was measured before it was kept.
    """
    for left in range(budget, 0, -1):
        decided = decide(scores, goal, left=left)
        if decided is None or (corners_only and decided[1] != CORNER):
            break
        scores = keep(_measured(decided[0], goal, measure), decided[1])
    return scores


def measure_one(goal: Goal, shares: Array, *, measure: Measure, keep: Keep) -> Scores:
    """Measure what a rule gives."""
    coefficients = _without_zeros(goal.space.coefficients(shares))
    return keep(_measured(coefficients, goal, measure), "rule")


def decide(scores: Scores, goal: Goal, *, left: int) -> tuple[dict[str, float], str] | None:
    """Say which coefficients to measure next and why; None where nothing is left to learn."""
    space = goal.space
    evidence = gather(scores, space.corners)
    corners = missing_corners(space, evidence, goal.wanted)
    if corners:
        one = np.eye(len(space.corners))[corners[0]]
        return _without_zeros(space.coefficients(one)), CORNER
    wish = make_wish(goal.mu, goal.units, evidence, scores)
    found = next_shares(space, evidence, wish, left=left)
    return None if found is None else (_without_zeros(space.coefficients(found[0])), found[1])


def _measured(coefficients: Mapping[str, float], goal: Goal, measure: Measure) -> Point:
    point = replace(measure(coefficients), coefficients=dict(coefficients))
    lacking = [name for name in goal.wanted if name not in point.rewards]
    if lacking:
        raise RshubError(
            f"select: the evaluation at {_named(coefficients)} says nothing of {lacking[0]}",
            where=lacking[0],
            remedy="measure every wanted reward",
        )
    return point


def _without_zeros(coefficients: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in coefficients.items() if value != 0.0}


def _named(coefficients: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in coefficients.items())
