"""Linear mode connectivity, the first hypothesis of rewarded soups: no soup is worse than the line between its experts.

For reward k and coefficients lambda on the simplex, the margin is R_k(theta(lambda)) - sum_i lambda_i R_k(theta_i), in
raw units of the reward and with larger always better: negative means that souping lost something there. Nothing is
interpolated between soups and no slack is given beyond rounding. Whether a margin is beyond its error is judged for all
soups at once: with many of them, some would lie below the line by chance alone (Bonferroni). Left out: points that are
no soups of experts (other kinds, coefficients outside the simplex, a share of the start) and lambda of which an expert
was not measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from rshub.fronts.differences import CONFIDENCE, combine
from rshub.preferences.preference import INIT, SUM_TOLERANCE
from rshub.preferences.scores import SOUPS, Point, Scores


@dataclass(frozen=True, kw_only=True)
class Margin:
    """How far one soup lies above the line between its experts in one reward, with its standard error if known.

    ``factors`` are those of the measured points whose sum it is.
    """

    point: int
    coefficients: Mapping[str, float]
    value: float
    stderr: float | None
    factors: Mapping[int, float]


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """What the errors say of the first hypothesis in one reward, with ``CONFIDENCE`` over all soups together.

    ``holding`` and ``failing`` count the soups that lie above and below the line beyond their error, ``undecided`` the
    others. All are None where an error is unknown.
    """

    verdict: str
    holding: int | None = None
    failing: int | None = None
    undecided: int | None = None


def margins(scores: Scores, reward: str) -> tuple[list[Margin], str]:
    """Measure the margin at every interior point, and say why there is none where the list is empty."""
    vertices = vertex_points(scores, reward)
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
        factors = {number: 1.0}
        for name, share in shares.items():
            factors |= dict.fromkeys(vertices[name], -share / len(vertices[name]))
        value, stderr = combine(scores, reward, factors)
        found.append(
            Margin(point=number, coefficients=point.coefficients or {}, value=value, stderr=stderr, factors=factors)
        )
    if found:
        return found, ""
    if not interior:
        return [], "no soup lies strictly between experts: coefficients from 0 to 1 that sum to 1"
    if lonely:
        return [], f"an expert in every soup lacks {reward}: measure the points with one-hot coefficients"
    return [], f"no soup between experts has {reward} measured"


def confidence(found: Sequence[Margin]) -> Confidence:
    """Judge the margins of one reward against their errors."""
    below = any(margin.value < 0.0 for margin in found)
    known = [(margin.value, margin.stderr) for margin in found if margin.stderr is not None]
    if len(known) < len(found) or not found:
        return Confidence(verdict="fails" if below else "holds")
    times = NormalDist().inv_cdf(1.0 - (1.0 - CONFIDENCE) / len(found))
    failing = sum(value < 0.0 and value < -times * error for value, error in known)
    holding = sum(value > times * error for value, error in known)
    verdict = "fails" if failing else "holds within the errors" if below else "holds"
    return Confidence(verdict=verdict, holding=holding, failing=failing, undecided=len(found) - holding - failing)


def interior_shares(point: Point) -> dict[str, float] | None:
    """Give the experts' shares of a soup strictly between experts, summing to exactly 1, or None for other points."""
    if point.kind not in SOUPS or not point.coefficients or point.coefficients.get(INIT, 0.0) != 0.0:
        return None
    shares = {name: value for name, value in point.coefficients.items() if value != 0.0}
    total = math.fsum(shares.values())
    if point.vertex is not None or min(shares.values(), default=0.0) <= 0.0 or abs(total - 1.0) > SUM_TOLERANCE:
        return None
    return {name: value / total for name, value in shares.items()}


def vertex_points(scores: Scores, reward: str) -> dict[str, list[int]]:
    """Give the points at which each expert was measured in a reward; several of them are averaged."""
    measured: dict[str, list[int]] = {}
    for number, point in enumerate(scores.points):
        if point.vertex is not None and reward in point.rewards:
            measured.setdefault(point.vertex, []).append(number)
    return measured
