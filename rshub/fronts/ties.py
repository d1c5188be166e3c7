"""Ties: points that are equal, and points that only luck puts before others.

Equal points are those with the same numbers in every reward. The best point of a reward ties with every other whose
difference from it is within two standard errors; without errors nothing is called a tie but equality.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rshub.fronts.differences import TWO_SIDED, combine
from rshub.preferences.scores import SOUPS, Scores


def ties(scores: Scores) -> dict[str, Any]:
    """Find ties among soups and experts.

    Returns:
        equal: groups of points that are equal in every reward; best: for each reward the best point, and which tie
        with it.
    """
    table = scores.oriented()
    ours = [number for number, point in enumerate(scores.points) if point.kind in SOUPS]
    groups: dict[tuple[float, ...], list[int]] = {}
    for number in ours:
        if np.isfinite(table[number]).all():
            groups.setdefault(tuple(table[number].tolist()), []).append(number)
    best = {}
    for column, reward in enumerate(scores.rewards):
        measured = [number for number in ours if np.isfinite(table[number, column])]
        if not measured:
            continue
        first = max(measured, key=lambda number: table[number, column])
        others = [number for number in measured if number != first and _tied(scores, reward, first, number)]
        best[reward] = {"point": first, "ties": others}
    return {"equal": [group for group in groups.values() if len(group) > 1], "best": best}


def _tied(scores: Scores, reward: str, first: int, second: int) -> bool:
    value, stderr = combine(scores, reward, {first: 1.0, second: -1.0})
    return value == 0.0 or (stderr is not None and abs(value) <= TWO_SIDED * stderr)
