"""Dominance, hypervolume and the area over a front, on arrays of shape (points, rewards) in which larger is better.

A point dominates another when it is at least as good in every reward and better in one, compared exactly: no slack.
Hypervolumes are exact, by a sweep in two and three dimensions and, above, by slicing along the last reward, where each
point adds its own height times the part of its base that no higher point covers (the exclusive hypervolume of While,
Bradstreet and Barone, 2012). Refused: nan, and what would take too long (``MAX_REWARDS``, ``MAX_FRONT``).
"""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np
import numpy.typing as npt

from rshub.errors import InvalidInput

Array = npt.NDArray[np.float64]

MAX_REWARDS = 12
MAX_FRONT = {
    1: 10**7, 2: 10**6, 3: 10_000, 4: 2_000, 5: 600, 6: 300, 7: 100, 8: 60, 9: 40, 10: 30, 11: 25, 12: 20,
}  # fmt: skip
"""The most non-dominated points that are measured, by the number of rewards: within a quarter of a minute each."""

_MOST_AT_ONCE = 300
"""Up to so many points are all compared with one another at once, in a table that grows as the square."""


def dominates(better: Array, worse: Array) -> npt.NDArray[np.bool_]:
    """Say where rows dominate others; both arguments broadcast, shapes (..., rewards) to (...)."""
    return np.asarray((better >= worse).all(axis=-1) & (better > worse).any(axis=-1))


def non_dominated(points: Array) -> npt.NDArray[np.bool_]:
    """Mark the points that no other point dominates; equal points are all marked.

    A point that dominates another also comes before it in descending lexicographic order, so one pass over the distinct
    points suffices.
    """
    _refuse_nan(points)
    if points.shape[0] == 0 or points.shape[1] == 0:
        return np.ones(points.shape[0], dtype=bool)
    distinct, which = np.unique(points, axis=0, return_inverse=True)
    return np.asarray(_maximal(distinct)[which.reshape(-1)])


def hypervolume(points: Array, reference: Array) -> float:
    """Measure the volume between a reference point and a set of points, each point covering the box below it.

    Args:
        points: Shape (points, rewards), larger is better; points that are not above the reference add nothing.
        reference: Shape (rewards,).

    Raises:
        InvalidInput: nan, or more rewards or points than are measured exactly.
    """
    _refuse_nan(points)
    rewards = points.shape[1]
    if not 1 <= rewards <= MAX_REWARDS:
        raise InvalidInput(f"hypervolume: {rewards} rewards are not within 1 to {MAX_REWARDS}", where="rewards")
    heights = points - reference
    heights = np.unique(heights[(heights > 0.0).all(axis=1)], axis=0)
    heights = heights[_maximal(heights)]
    if len(heights) > MAX_FRONT[rewards]:
        raise InvalidInput(
            f"hypervolume: {len(heights)} non-dominated points in {rewards} rewards are more than {MAX_FRONT[rewards]}",
            where="points",
            remedy="measure fewer points or fewer rewards",
        )
    return _volume(heights)


def area_over_polyline(points: Array) -> float:
    """Measure the part of the unit square that lies over the front of two rewards, joined by straight lines.

    The front runs on from its ends parallel to the axes, to the sides of the square. A polyline may bend inwards, so
    this is the area over the curve as drawn, not over its convex hull.

    Args:
        points: Shape (points, 2), within the unit square, larger is better.
    """
    front = np.unique(points[non_dominated(points)], axis=0)
    x = np.concatenate([[0.0], front[:, 0]])
    y = np.concatenate([front[:1, 1], front[:, 1]])
    return float(1.0 - np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2.0))


def _maximal(distinct: Array) -> npt.NDArray[np.bool_]:
    """Mark the non-dominated among distinct points in ascending lexicographic order."""
    keep = np.zeros(len(distinct), dtype=bool)
    if len(distinct) and distinct.shape[1] <= 2:
        last = distinct[::-1, -1]
        before = np.maximum.accumulate(last)
        keep[::-1] = np.concatenate([[True], last[1:] > before[:-1]])
        return keep
    kept = np.empty_like(distinct)
    count = 0
    for row in range(len(distinct) - 1, -1, -1):
        point = distinct[row]
        if not (kept[:count, 1:] >= point[1:]).all(axis=1).any():
            kept[count] = point
            count += 1
            keep[row] = True
    return keep


def _volume(heights: Array) -> float:
    """Measure the union of the boxes from zero to each of these non-dominated points."""
    if len(heights) <= 1:
        return float(np.prod(heights, axis=1).sum())
    if len(heights) == 2:
        return float(np.prod(heights, axis=1).sum() - heights.min(axis=0).prod())
    rewards = heights.shape[1]
    if rewards == 1:
        return float(heights.max())
    if rewards == 2:
        return _area(heights)
    order = heights[np.argsort(-heights[:, -1], kind="stable")]
    if rewards == 3:
        return _sweep(order.tolist())
    total = 0.0
    for number, point in enumerate(order):
        base = point[:-1]
        covered = _volume(_outline(np.minimum(order[:number, :-1], base))) if number else 0.0
        total += float(point[-1]) * (float(np.prod(base)) - covered)
    return total


def _outline(points: Array) -> Array:
    """Leave out what is dominated or there twice; this is where the time goes."""
    if len(points) > _MOST_AT_ONCE:
        distinct = np.unique(points, axis=0)
        return distinct[_maximal(distinct)]
    at_least = (points[:, None, :] >= points[None, :, :]).all(axis=2)
    twice = np.triu(at_least & at_least.T, 1)
    return points[~((at_least & ~at_least.T) | twice).any(axis=0)]


def _area(heights: Array) -> float:
    """Measure a staircase: non-dominated points of two rewards."""
    front = heights[np.argsort(heights[:, 0])]
    widths = np.diff(np.concatenate([[0.0], front[:, 0]]))
    return float(np.sum(widths * front[:, 1]))


def _sweep(points: list[list[float]]) -> float:
    """Measure three rewards: from the highest point down, keep the staircase of the bases and sum the slabs."""
    total = area = 0.0
    level = points[0][2]
    stairs: list[tuple[float, float]] = []  # ascending x, descending y
    for x, y, z in points:
        total += area * (level - z)
        level = z
        at = bisect_left(stairs, (x, y))
        if at < len(stairs) and stairs[at][1] >= y:
            continue
        left = at
        while left > 0 and stairs[left - 1][1] <= y:
            left -= 1
        from_x = stairs[left - 1][0] if left else 0.0
        top = stairs[at][1] if at < len(stairs) else 0.0
        if at < len(stairs) and stairs[at][0] == x:
            at += 1
        edge = from_x
        for step_x, step_y in stairs[left:at]:
            area += (min(step_x, x) - edge) * (y - step_y)
            edge = min(step_x, x)
        area += (x - edge) * (y - top)
        del stairs[left:at]
        insort(stairs, (x, y))
    return total + area * level


def _refuse_nan(points: Array) -> None:
    if np.isnan(points).any():
        raise InvalidInput("points: nan is no measurement", where="points", remedy="leave unmeasured points out")
