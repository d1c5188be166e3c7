"""How a reward bends between two experts: the interaction c of R(lambda) = sum_i V_i lambda_i + c lambda_i lambda_j.

c is fitted by least squares to the margins of all soups of just these two, so that it is the margin at the middle times
four. In units of the distance between the two experts in that reward, 1 is the ideal of Lemma 3, each expert at its own
optimum; 0 is a straight line, on which a soup is worth no more than taking turns; below 0 the soup sags.

Source: Scheffe, 1958 (mixture experiments); Rame et al., 2023, Lemma 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rshub.fronts.connectivity import interior_shares, margins
from rshub.fronts.differences import combine
from rshub.preferences.scores import Scores

_LEAST_MIXED = 1e-6
"""A soup with less than this for lambda_i * lambda_j says nothing of the way between two experts."""


@dataclass(frozen=True, kw_only=True)
class Bend:
    """The interaction of two experts in one reward, in its raw units, with its standard error if that is known.

    ``relative`` is the same in units of the distance between the two experts, None where they score alike.
    """

    experts: tuple[str, str]
    reward: str
    soups: int
    value: float
    stderr: float | None
    relative: float | None


def bends(scores: Scores) -> list[Bend]:
    """Fit every pair of experts that has soups of its own, in every reward."""
    found = []
    for reward in scores.rewards:
        pairs: dict[tuple[str, str], list[tuple[float, dict[int, float]]]] = {}
        for margin in margins(scores, reward)[0]:
            shares = interior_shares(scores.points[margin.point]) or {}
            if len(shares) == 2:
                first, second = sorted(shares)
                mixed = shares[first] * shares[second]
                if mixed >= _LEAST_MIXED:
                    pairs.setdefault((first, second), []).append((mixed, dict(margin.factors)))
        for experts, rows in pairs.items():
            square = math.fsum(mixed**2 for mixed, _ in rows)
            factors: dict[int, float] = {}
            for mixed, parts in rows:
                for number, factor in parts.items():
                    factors[number] = factors.get(number, 0.0) + factor * mixed / square
            value, stderr = combine(scores, reward, factors)
            far = _distance(scores, reward, experts)
            relative = value / far if far > 0.0 else math.inf
            found.append(
                Bend(
                    experts=experts,
                    reward=reward,
                    soups=len(rows),
                    value=value,
                    stderr=stderr,
                    relative=relative if math.isfinite(relative) else None,
                )
            )
    return found


def _distance(scores: Scores, reward: str, experts: tuple[str, str]) -> float:
    means = []
    for expert in experts:
        values = [
            point.rewards[reward].mean for point in scores.points if point.vertex == expert and reward in point.rewards
        ]
        means.append(math.fsum(values) / len(values))
    return abs(means[0] - means[1])
