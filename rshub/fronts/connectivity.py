"""Linear mode connectivity, the first hypothesis of rewarded soups: no soup is worse than the line between its experts.

For reward k and coefficients lambda on the simplex, the margin is R_k(theta(lambda)) - sum_i lambda_i R_k(theta_i), in
raw units of the reward and with larger always better: negative means that souping lost something there. Nothing is
interpolated between soups and no slack is given beyond rounding. Left out: points that are no soups of experts (other
kinds, coefficients outside the simplex, a share of the start) and lambda of which an expert was not measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rshub.preferences.preference import INIT, SUM_TOLERANCE
from rshub.preferences.scores import Point, Scores, oriented

_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class Margin:
    """How far one soup lies above the line between its experts in one reward; ``stderr`` where every error is known."""

    point: int
    coefficients: Mapping[str, float]
    value: float
    stderr: float | None


def margins(scores: Scores, reward: str) -> tuple[list[Margin], str]:
    """Measure the margin at every interior point, and say why there is none where the list is empty."""
    direction = scores.rewards[reward]
    vertices = _vertices(scores, reward)
    found = []
    interior = lonely = 0
    for number, point in enumerate(scores.points):
        shares = interior_shares(point)
        if shares is None:
            continue
        interior += 1
        if reward not in point.rewards:
            continue
        if any(name not in vertices for name in shares):
            lonely += 1
            continue
        here = oriented(point.rewards[reward].mean, direction)
        parts = [here, *(-share * vertices[name][0] for name, share in shares.items())]
        value = math.fsum(parts)
        if abs(value) <= _ROUNDING * max(abs(part) for part in parts):
            value = 0.0
        errors = [point.rewards[reward].stderr]
        errors += [None if (error := vertices[name][1]) is None else share * error for name, share in shares.items()]
        known = [error for error in errors if error is not None]
        stderr = math.hypot(*known) if len(known) == len(errors) else None
        found.append(Margin(point=number, coefficients=point.coefficients or {}, value=value, stderr=stderr))
    if found:
        return found, ""
    if not interior:
        return [], "no soup lies strictly between experts: coefficients from 0 to 1 that sum to 1"
    if lonely:
        return [], f"an expert in every soup lacks {reward}: measure the points with one-hot coefficients"
    return [], f"no soup between experts has {reward} measured"


def interior_shares(point: Point) -> dict[str, float] | None:
    """Give the experts' shares of a soup strictly between experts, summing to exactly 1, or None for other points."""
    if point.kind not in {"soup", "expert"} or not point.coefficients or point.coefficients.get(INIT, 0.0) != 0.0:
        return None
    shares = {name: value for name, value in point.coefficients.items() if value != 0.0}
    total = math.fsum(shares.values())
    if point.vertex is not None or min(shares.values(), default=0.0) <= 0.0 or abs(total - 1.0) > SUM_TOLERANCE:
        return None
    return {name: value / total for name, value in shares.items()}


def _vertices(scores: Scores, reward: str) -> dict[str, tuple[float, float | None]]:
    """Give each expert's reward with its standard error, the mean where an expert was measured several times."""
    measured: dict[str, list[tuple[float, float | None]]] = {}
    for point in scores.points:
        if point.vertex is not None and reward in point.rewards:
            score = point.rewards[reward]
            value = oriented(score.mean, scores.rewards[reward])
            measured.setdefault(point.vertex, []).append((value, score.stderr))
    vertices = {}
    for name, values in measured.items():
        errors = [error for _, error in values if error is not None]
        stderr = math.hypot(*errors) / len(values) if len(errors) == len(values) else None
        vertices[name] = (math.fsum(value for value, _ in values) / len(values), stderr)
    return vertices
