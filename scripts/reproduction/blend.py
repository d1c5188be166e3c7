"""What a person wants of several rewards, as one number for each prompt; and points that differ from fold to fold.

Prompts keep their values, so that differences stay paired. Larger is always better here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rshub.preferences.scores import Direction, Point, RewardScore, Scores, oriented

WANTED = "wanted"


def blended(points: Sequence[Point], shares: Mapping[str, float], directions: Mapping[str, Direction]) -> Scores:
    """Put points together in one reward, the sum of some of theirs times a factor each."""
    return Scores(rewards={WANTED: "max"}, points=tuple(_blend(point, shares, directions) for point in points))


def _blend(point: Point, shares: Mapping[str, float], directions: Mapping[str, Direction]) -> Point:
    rows = [point.rewards[name].samples or () for name in shares]
    signed = [share * oriented(1.0, directions[name]) for name, share in shares.items()]
    samples = [
        None if None in values else math.fsum(factor * value for factor, value in zip(signed, values, strict=True))
        for values in zip(*rows, strict=True)
    ]
    return Point(kind=point.kind, rewards={WANTED: score(samples)}, coefficients=point.coefficients)


def score(samples: Sequence[float | None]) -> RewardScore:
    """Take the mean of the values of prompts."""
    known = [value for value in samples if value is not None]
    return RewardScore(mean=math.fsum(known) / len(known), n=len(known), samples=tuple(samples))


def folds(points: Sequence[Point], reward: str, direction: str) -> tuple[Point, tuple[int, int]]:
    """Choose the best point on half the prompts and judge it on the other half, then the other way round.

    Even and odd prompts are the halves.

    Returns:
        A point whose value at each prompt is that of the choice made without it, and which point was chosen for the
        even and for the odd prompts.
    """
    rows = [point.rewards[reward].samples or () for point in points]
    chosen = [max(range(len(rows)), key=lambda number: _mean(rows[number][other::2], direction)) for other in (1, 0)]
    samples = [rows[chosen[prompt % 2]][prompt] for prompt in range(len(rows[0]))]
    return Point(kind="soup", rewards={reward: score(samples)}), (chosen[0], chosen[1])


def _mean(values: Sequence[float | None], direction: str) -> float:
    known = [oriented(value, direction) for value in values if value is not None]
    return math.fsum(known) / len(known) if known else -math.inf
