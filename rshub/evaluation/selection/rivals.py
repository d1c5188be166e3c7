"""Whether something else is better than the soup that was chosen: an expert alone, the start, a model of mixed rewards.

Each is compared by what the preference makes of its rewards. Where both were measured on the same number of prompts the
difference is taken prompt by prompt; otherwise errors count as independent, and where one is unknown a difference is
taken at its word. A difference within its error is a tie. What was not measured on every wanted reward is not compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rshub.fronts.differences import ROUNDING, TWO_SIDED
from rshub.preferences.preference import INIT
from rshub.preferences.scores import Point, Scores, oriented
from rshub.preferences.simplex import Array
from rshub.preferences.wish import Wish


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One that the choice was held against: by how much it is better, in units of the wish, and what that means."""

    kind: str
    name: str
    point: int
    difference: float
    stderr: float | None

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``tie``, seen from the rival."""
        if abs(self.difference) <= TWO_SIDED * (self.stderr or 0.0):
            return "tie"
        return "better" if self.difference > 0.0 else "worse"

    def to_json(self) -> dict[str, Any]:
        """Describe the comparison."""
        return {
            "kind": self.kind,
            "name": self.name,
            "point": self.point,
            "difference": self.difference,
            "stderr": self.stderr,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The soup that the others are held against: its point if it was measured, else what is predicted of the wish."""

    point: Point | None
    value: float
    stderr: float | None


def compare(scores: Scores, chosen: Chosen, wish: Wish) -> list[Rival]:
    """Hold the choice against every expert, start and MORL model that was measured, the best of them first."""
    found: dict[tuple[str, str], Rival] = {}
    for number, point in enumerate(scores.points):
        named = _named(point, number)
        value = wish.of_point(point, scores.rewards)
        if named is None or value is None or point is chosen.point:
            continue
        difference, stderr = _difference(point, value, chosen, wish, scores.rewards)
        rival = Rival(kind=named[0], name=named[1], point=number, difference=difference, stderr=stderr)
        found[named] = rival  # the last measurement of the same model counts
    return sorted(found.values(), key=lambda rival: -rival.difference)


def _named(point: Point, number: int) -> tuple[str, str] | None:
    if point.vertex is not None:
        return "expert", point.vertex
    if point.kind == INIT:
        return INIT, INIT
    if point.kind == "morl":
        trained = point.mixture or point.coefficients or {}
        said = point.preference or ", ".join(f"{name}={value:g}" for name, value in trained.items())
        return "morl", said or f"point {number}"
    return None


def _difference(
    point: Point, value: float, chosen: Chosen, wish: Wish, directions: Mapping[str, str]
) -> tuple[float, float | None]:
    if chosen.point is not None:
        ours, theirs = (_by_prompt(one, wish, directions) for one in (chosen.point, point))
        if ours is not None and theirs is not None and len(ours) == len(theirs):
            apart = theirs - ours
            known = apart[np.isfinite(apart)]
            if len(known) > 1:
                return _rounded(value, chosen.value), float(known.std(ddof=1)) / math.sqrt(len(known))
    errors = (_stderr(point, wish), chosen.stderr if chosen.point is None else _stderr(chosen.point, wish))
    known_errors = [error for error in errors if error is not None]
    return _rounded(value, chosen.value), math.hypot(*known_errors) if len(known_errors) == len(errors) else None


def _rounded(first: float, second: float) -> float:
    """Subtract; what is left below rounding counts as nothing."""
    apart = first - second
    return 0.0 if abs(apart) <= ROUNDING * max(abs(first), abs(second)) else apart


def _by_prompt(point: Point, wish: Wish, directions: Mapping[str, str]) -> Array | None:
    """Give the wish on each prompt; nan where a reward has no value, None where prompts are not known."""
    total: Array | None = None
    for name, factor in wish.factors.items():
        samples = point.rewards[name].samples
        if samples is None:
            return None
        row = factor * oriented(1.0, directions[name]) * np.array(samples, dtype=np.float64)
        if total is not None and len(total) != len(row):
            return None
        total = row if total is None else total + row
    return total


def _stderr(point: Point, wish: Wish) -> float | None:
    errors = [(factor, point.rewards[name].stderr) for name, factor in wish.factors.items()]
    terms = [factor * error for factor, error in errors if error is not None]
    return math.hypot(*terms) if len(terms) == len(errors) else None
