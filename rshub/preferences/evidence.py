"""Stored evaluations as tables: where on the simplex each was made, what every reward was, and how far it may err.

The corners of the simplex are the experts, and the start too where a preference gives it a share. Left out: points that
are no soups of these corners, those outside the simplex, and those with a share of the start where none is wanted.

Errors are those that the points state. Where all of them hold the values of the same number of prompts these are taken
to be the same prompts, as points with common random numbers have them, and their covariance is used: what all points
share does not blur the differences between them. Where some points state an error and others do not, the silent ones
are taken to err as much as the worst of the others; where none does, the errors are unknown (None). Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rshub.preferences.belief import Belief, Description, describe, plausible
from rshub.preferences.preference import INIT, SUM_TOLERANCE
from rshub.preferences.scores import SOUPS, Point, RewardScore, Scores, oriented
from rshub.preferences.simplex import Array

__all__ = ["Column", "Evidence", "gather", "left_out", "off_one", "shares_of"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One reward, larger always better, at those evaluations that have it: which rows, the values and their errors."""

    rows: tuple[int, ...]
    shares: Array
    values: Array
    errors: Array | None

    @cached_property
    def belief(self) -> Belief:
        """What is believed of the reward everywhere."""
        return max(self.beliefs, key=lambda pair: pair[0])[1]

    @cached_property
    def beliefs(self) -> list[tuple[float, Belief]]:
        """All that may be believed of the reward, each with how likely it is."""
        return plausible(self.shares, self.values, self.errors)

    @cached_property
    def description(self) -> Description | None:
        """How well a quadratic predicts soups that it has not seen."""
        return describe(self.shares, self.values, self.errors)

    @property
    def vertices(self) -> dict[int, float]:
        """What was measured at each corner, on average."""
        found: dict[int, list[float]] = {}
        for row, value in zip(self.shares, self.values.tolist(), strict=True):
            if (row > 0.0).sum() == 1:
                found.setdefault(int(row.argmax()), []).append(value)
        return {corner: math.fsum(values) / len(values) for corner, values in found.items()}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All evaluations that count: their points in the scores, their shares of the corners, and the rewards.

    ``off_one`` are the points that do not count, though they name no other experts, since their coefficients do not sum
    to 1.
    """

    corners: tuple[str, ...]
    points: tuple[int, ...]
    shares: Array
    columns: Mapping[str, Column]
    off_one: tuple[int, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What a person should know of the evaluations that do not count."""
        return [f"left out of the selection, {left_out(self.off_one)}"] if self.off_one else []

    def complete(self, rewards: Sequence[str]) -> list[int]:
        """List the rows that have all of these rewards."""
        having = [set(self.columns[name].rows) for name in rewards if name in self.columns]
        return sorted(set.intersection(*having)) if len(having) == len(rewards) and having else []

    def values(self, row: int) -> dict[str, float]:
        """Give what was measured in a row, larger always better."""
        return {
            name: float(column.values[column.rows.index(row)])
            for name, column in self.columns.items()
            if row in column.rows
        }

    def row_at(self, shares: Array, rewards: Sequence[str] = ()) -> int | None:
        """Find the last evaluation at these shares that has these rewards."""
        for row in reversed(self.complete(rewards) if rewards else range(len(self.points))):
            if float(np.abs(self.shares[row] - shares).max()) < 1e-6:
                return row
        return None


def gather(scores: Scores, corners: Sequence[str]) -> Evidence:
    """Take what counts from stored scores; ``init`` among the corners is the start.

    Args:
        scores: What was measured; coefficients go by the names of the corners.
        corners: What soups are made of.
    """
    kept, rows, off = [], [], []
    for number, point in enumerate(scores.points):
        shares = shares_of(point, corners)
        if shares is not None:
            kept.append(number)
            rows.append(shares)
        elif off_one(point) and set(point.coefficients or {}) <= {*corners, INIT}:
            off.append(number)
    shares = np.array(rows).reshape(len(rows), len(corners))
    columns = {}
    for name, direction in scores.rewards.items():
        having = [row for row, number in enumerate(kept) if name in scores.points[number].rewards]
        if having:
            measured = [scores.points[kept[row]].rewards[name] for row in having]
            values = np.array([oriented(score.mean, direction) for score in measured])
            columns[name] = Column(rows=tuple(having), shares=shares[having], values=values, errors=_errors(measured))
    return Evidence(corners=tuple(corners), points=tuple(kept), shares=shares, columns=columns, off_one=tuple(off))


def shares_of(point: Point, corners: Sequence[str]) -> Array | None:
    """Give a point's share of each corner; None where it is no soup of them."""
    if point.kind == INIT and INIT in corners:
        return np.array([float(corner == INIT) for corner in corners])
    named = {name: value for name, value in (point.coefficients or {}).items() if value != 0.0}
    if point.kind not in SOUPS or not named or min(named.values()) < 0.0:
        return None
    experts = math.fsum(value for name, value in named.items() if name != INIT)
    start = 1.0 - experts if abs(1.0 - experts) > SUM_TOLERANCE else 0.0
    said = named.pop(INIT, start)
    if start < 0.0 or abs(said - start) > SUM_TOLERANCE:
        return None
    if start:
        named[INIT] = start
    if not set(named) <= set(corners):
        return None
    total = math.fsum(named.values())
    return np.array([named.get(corner, 0.0) / total for corner in corners])


def off_one(point: Point) -> bool:
    """Say whether this is a soup whose coefficients do not sum to 1: rounded ones do not, and nobody can tell."""
    named = [value for value in (point.coefficients or {}).values() if value != 0.0]
    return point.kind in SOUPS and bool(named) and abs(math.fsum(named) - 1.0) > SUM_TOLERANCE


def left_out(points: Sequence[int]) -> str:
    """Name points whose coefficients do not sum to 1, and how many they are."""
    some = ", ".join(map(str, points[:10])) + (", ..." if len(points) > 10 else "")
    what = "1 soup, whose" if len(points) == 1 else f"{len(points)} soups, whose"
    return f"{what} coefficients do not sum to 1: point{'' if len(points) == 1 else 's'} {some}"


def _errors(measured: Sequence[RewardScore]) -> Array | None:
    """Give the covariance of the errors, or each error, or None where nothing is known of them."""
    samples = [score.samples for score in measured]
    lengths = {None if row is None else len(row) for row in samples}
    if len(measured) > 1 and len(lengths) == 1 and None not in lengths:
        table = np.array(samples, dtype=np.float64)
        table = table[:, np.isfinite(table).all(axis=0)]
        if table.shape[1] > 1:
            return np.asarray(np.cov(table) / table.shape[1])
    stated = [score.stderr for score in measured if score.stderr is not None]
    if not stated:
        return None
    return np.array([max(stated) if score.stderr is None else score.stderr for score in measured])
