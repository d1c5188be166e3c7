"""Soups against ensembles: one model of mixed weights beside the mixed predictions of all experts.

Close experts make the two alike (Lemma 4), at a fraction of the ensemble's price. A large gap says that the experts lie
far apart, and that serving all of them may pay. A soup and an ensemble are compared where their coefficients agree.

Source: Rame et al., 2023, Lemma 4 and Figure 4c.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rshub.fronts.differences import clear, combine
from rshub.preferences.preference import SUM_TOLERANCE
from rshub.preferences.scores import SOUPS, Point, Scores


def ensemble_gaps(scores: Scores) -> dict[str, Any]:
    """Measure by how much ensembles are better than soups.

    Returns:
        For each reward the largest gap by size: {gap, stderr, clear, at, pairs}, larger is better for the ensemble; or
        the reason why there is none.
    """
    ensembles = [number for number, point in enumerate(scores.points) if point.kind == "ensemble"]
    if not ensembles:
        return {"reason": "no ensemble was measured: add points of kind ensemble"}
    pairs = [
        (number, other)
        for number in ensembles
        for other, point in enumerate(scores.points)
        if point.kind in SOUPS and _alike(scores.points[number], point)
    ]
    if not pairs:
        return {"reason": "no soup has the coefficients of an ensemble"}
    found: dict[str, Any] = {}
    for reward in scores.rewards:
        gaps = [
            (*combine(scores, reward, {number: 1.0, other: -1.0}), number)
            for number, other in pairs
            if reward in scores.points[number].rewards and reward in scores.points[other].rewards
        ]
        if not gaps:
            found[reward] = {"reason": f"no pair of soup and ensemble has {reward} measured"}
            continue
        gap, stderr, number = max(gaps, key=lambda row: abs(row[0]))
        found[reward] = {
            "gap": gap,
            "stderr": stderr,
            "clear": clear(gap, stderr),
            "at": dict(scores.points[number].coefficients or {}),
            "pairs": len(gaps),
        }
    return {"rewards": found}


def _alike(ensemble: Point, soup: Point) -> bool:
    first, second = _named(ensemble.coefficients), _named(soup.coefficients)
    return (
        bool(first)
        and set(first) == set(second)
        and all(abs(first[name] - second[name]) <= SUM_TOLERANCE for name in first)
    )


def _named(coefficients: Mapping[str, float] | None) -> dict[str, float]:
    return {name: value for name, value in (coefficients or {}).items() if value != 0.0}
