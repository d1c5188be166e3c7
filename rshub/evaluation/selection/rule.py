"""Coefficients by a rule: what a mapping without a search makes of a preference, and whether it may be used. Pure."""

from __future__ import annotations

import numpy as np

from rshub.errors import Incompatible, InvalidInput
from rshub.evaluation.selection.search import Goal
from rshub.preferences.mapping import Known, Mapped, map_preference
from rshub.preferences.payoff import Payoff
from rshub.preferences.preference import INIT, SUM_TOLERANCE
from rshub.preferences.scores import Scores
from rshub.preferences.simplex import Array


def by_rule(scores: Scores, goal: Goal, mapping: str) -> Array:
    """Give the shares that a mapping without a search stands for.

    Raises:
        InvalidInput: The mapping cannot be used here, with the reason.
        Incompatible: The policy or a bound forbids them.
    """
    shares, _ = mapped_shares(scores, goal, mapping)
    if not are_shares(shares):
        raise InvalidInput(
            f"mapping {mapping}: the coefficients would leave the range from 0 to 1",
            where=mapping,
            remedy="use --mapping surrogate, or write a preference of at least 0 that sums to 1",
        )
    if not goal.space.may(shares):
        raise Incompatible(
            f"select: the policy or an expert's bounds forbid what {mapping} gives: "
            + ", ".join(f"{name}={value:g}" for name, value in goal.space.coefficients(shares).items()),
            where=mapping,
            remedy="use --mapping surrogate, which keeps to the bounds",
        )
    return shares


def mapped_shares(scores: Scores, goal: Goal, mapping: str) -> tuple[Array, Mapped]:
    """Give what a mapping makes of the preference, in the order of the corners, whether or not it may be used.

    Raises:
        InvalidInput: The mapping cannot be used here, with the reason.
    """
    experts = tuple(name for name in goal.space.corners if name != INIT)
    mixtures = {point.vertex: point.mixture for point in scores.points if point.vertex and point.mixture}
    known = Known(payoff=Payoff.from_scores(scores), evaluations=scores, mixtures=mixtures, experts=experts)
    mapped = map_preference(goal.mu, mapping=mapping, units=goal.units, known=known)
    return np.array([mapped.coefficients.get(name, 0.0) for name in goal.space.corners]), mapped


def are_shares(numbers: Array) -> bool:
    """Say whether numbers are none below 0 and sum to 1."""
    return not ((numbers < 0.0).any() or abs(float(numbers.sum()) - 1.0) > SUM_TOLERANCE)
