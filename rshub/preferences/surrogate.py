"""Rewards as functions of the coefficients, learned from stored evaluations: the Scheffe quadratic.

    R_k(lambda) = sum_i V[i, k] lambda_i + sum_{i<j} c[i, j, k] lambda_i lambda_j

fitted to every reward by Bayesian ridge, in units of the spread of its evaluations. The experts are the vertices, their
rewards known as well as they were measured; an interaction is expected to be half the distance between the experts,
give or take twice the spread. Beside the standard errors every evaluation has the same unknown misfit, chosen by
evidence. A reward need not have an expert of its own: any column that was scored will do, if it is smooth in lambda.

Whether it fits is measured, never assumed: each soup is predicted from all other evaluations, and R2 is one minus the
mean square of those errors over the variance of all evaluations. Below ``LEAST_R2`` the fit is not to be used.

Refused by name: rewards and experts that were not measured, pairs of experts without a soup of both, and fewer soups
than the interactions need with one to spare. Left out: points that are no soups of these experts alone, within the
simplex and without a share of the start.

Source: Scheffe, 1958; MacKay, 1992 (evidence); Rasmussen and Williams, 2006, section 5.4.2 (leave-one-out).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from rshub.errors import InvalidInput
from rshub.formats.fields import nearest
from rshub.preferences.preference import INIT, SUM_TOLERANCE
from rshub.preferences.scores import SOUPS, Point, Scores, oriented
from rshub.preferences.simplex import Array, maximise, pairs_of

LEAST_R2 = 0.8

_BEND = 0.5
_SPREAD = 2.0
_LARGEST_ERROR = 1e6  # in units of the spread: larger errors say no less
_MISFITS = (0.003, 0.01, 0.03, 0.1, 0.3)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One reward, larger always better: mean and covariance of its terms, and how well it predicts unseen soups."""

    mean: Array
    covariance: Array
    r2: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One stored evaluation: lambda by expert, and the rewards as they were measured, larger always better."""

    coefficients: Array
    rewards: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Surrogate:
    """Every fitted reward as a function of the coefficients of the same experts."""

    experts: tuple[str, ...]
    directions: Mapping[str, str]
    fits: Mapping[str, Fit]
    evaluations: tuple[Evaluation, ...]

    @property
    def misfits(self) -> dict[str, float]:
        """Give R2 of the rewards that the quadratic does not describe."""
        return {name: fit.r2 for name, fit in self.fits.items() if fit.r2 < LEAST_R2}

    def predict(self, coefficients: Mapping[str, float]) -> dict[str, tuple[float, float]]:
        """Give each reward at these coefficients, in its own direction, with the standard error of the prediction."""
        terms = _terms(np.array([[coefficients.get(name, 0.0) for name in self.experts]]))[0]
        found = {}
        for name, fit in self.fits.items():
            spread = math.sqrt(max(0.0, float(terms @ fit.covariance @ terms)))
            found[name] = (oriented(float(terms @ fit.mean), self.directions[name]), spread)
        return found

    def best(self, factors: Mapping[str, float]) -> dict[str, float]:
        """Give the coefficients on the simplex with the largest sum of factor times reward, each larger better."""
        total = np.sum([factor * self.fits[name].mean for name, factor in factors.items()], axis=0)
        count = len(self.experts)
        found = maximise(total[:count], total[count:])
        return dict(zip(self.experts, found.tolist(), strict=True))

    def best_stored(self, factors: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
        """Give the stored evaluation with the largest sum of factor times reward: its coefficients, and its rewards."""
        able = [stored for stored in self.evaluations if set(factors) <= set(stored.rewards)]
        best = max(able, key=lambda stored: math.fsum(factors[name] * stored.rewards[name] for name in factors))
        rewards = {name: oriented(best.rewards[name], self.directions[name]) for name in factors}
        return dict(zip(self.experts, best.coefficients.tolist(), strict=True)), rewards


def fit_surrogate(scores: Scores, *, experts: Sequence[str], rewards: Sequence[str]) -> Surrogate:
    """Fit rewards to the stored evaluations of soups of these experts.

    Args:
        scores: The evaluations; coefficients go by the names of ``experts``.
        experts: The vertices.
        rewards: Which columns to fit.

    Raises:
        InvalidInput: Something that the fit stands on was not measured; the message names it.
    """
    for name in rewards:
        if name not in scores.rewards:
            guess = nearest(name, scores.rewards)
            raise InvalidInput(
                f"mapping surrogate: {name} is not among the scores" + (f"; did you mean {guess!r}?" if guess else ""),
                where=name,
                remedy=f"measured were {', '.join(list(scores.rewards)[:12])}",
            )
    evaluations = _evaluations(scores, experts)
    return Surrogate(
        experts=tuple(experts),
        directions=dict(scores.rewards),
        fits={name: _fit(name, experts, evaluations) for name in rewards},
        evaluations=tuple(evaluation for _, evaluation in evaluations),
    )


def _evaluations(scores: Scores, experts: Sequence[str]) -> list[tuple[Point, Evaluation]]:
    """Take the points that are soups of these experts alone."""
    found = []
    for point in scores.points:
        shares = {name: value for name, value in (point.coefficients or {}).items() if value != 0.0}
        if point.kind not in SOUPS or not shares or not set(shares) <= set(experts) - {INIT}:
            continue
        total = math.fsum(shares.values())
        if min(shares.values()) < 0.0 or abs(total - 1.0) > SUM_TOLERANCE:
            continue
        coefficients = np.array([shares.get(name, 0.0) / total for name in experts])
        rewards = {name: oriented(score.mean, scores.rewards[name]) for name, score in point.rewards.items()}
        found.append((point, Evaluation(coefficients=coefficients, rewards=rewards)))
    return found


def _fit(reward: str, experts: Sequence[str], stored: list[tuple[Point, Evaluation]]) -> Fit:
    rows = [(point, evaluation) for point, evaluation in stored if reward in point.rewards]
    shares = np.array([evaluation.coefficients for _, evaluation in rows]).reshape(len(rows), len(experts))
    _refuse_gaps(reward, experts, shares)
    values = np.array([evaluation.rewards[reward] for _, evaluation in rows])
    errors = np.array([point.rewards[reward].stderr or 0.0 for point, _ in rows])
    inside = (shares > 0.0).sum(axis=1) > 1
    vertices = np.array([values[~inside & (shares[:, column] > 0.0)].mean() for column in range(len(experts))])
    scale = float(values.max() - values.min())
    if not scale > 0.0:
        flat = np.append(vertices, np.zeros(len(experts) * (len(experts) - 1) // 2))
        return Fit(mean=flat, covariance=np.zeros((len(flat), len(flat))), r2=1.0)
    centre = float(vertices.mean())
    terms = _terms(shares)
    first, second = pairs_of(len(experts))
    prior = np.append((vertices - centre) / scale, _BEND * np.abs(vertices[first] - vertices[second]) / scale)
    seen = (values - centre) / scale
    kernel = _SPREAD**2 * terms @ terms.T
    residual = seen - terms @ prior
    relative = np.minimum(errors, _LARGEST_ERROR * scale) / scale
    noises = [np.diag(relative**2 + misfit**2) for misfit in _MISFITS]
    inverses = [np.asarray(np.linalg.inv(kernel + noise), dtype=np.float64) for noise in noises]
    inverse = max(inverses, key=lambda inverse: _evidence(inverse, residual))
    pull = inverse @ residual
    missed = (pull / np.diag(inverse))[inside]
    gain = _SPREAD**2 * terms.T
    return Fit(
        mean=scale * (prior + gain @ pull) + np.append(np.full(len(experts), centre), np.zeros(len(first))),
        covariance=scale**2 * (_SPREAD**2 * np.eye(terms.shape[1]) - gain @ inverse @ gain.T),
        r2=1.0 - float(np.mean(missed**2)) / float(seen.var()),
    )


def _evidence(inverse: Array, residual: Array) -> float:
    """Give the log of the density of what was seen, up to a constant, from the inverse of its covariance."""
    return (float(np.linalg.slogdet(inverse)[1]) - float(residual @ inverse @ residual)) / 2.0


def _terms(shares: Array) -> Array:
    """Give the terms of the quadratic: every lambda_i, then every lambda_i lambda_j."""
    first, second = pairs_of(shares.shape[1])
    return np.hstack([shares, shares[:, first] * shares[:, second]])


def _refuse_gaps(reward: str, experts: Sequence[str], shares: Array) -> None:
    """Refuse a reward for which experts, pairs or soups are missing."""
    inside = (shares > 0.0).sum(axis=1) > 1
    for column, name in enumerate(experts):
        if not (~inside & (shares[:, column] > 0.0)).any():
            raise InvalidInput(
                f"mapping surrogate: the expert for {name} was not measured on {reward}",
                where=f"{name} -> {reward}",
                remedy="measure every expert on every reward (rshub evaluate), or use --mapping identity",
            )
    need = len(experts) * (len(experts) - 1) // 2 + 1
    count = int(inside.sum())
    one = count == 1
    if count < need:
        raise InvalidInput(
            f"mapping surrogate: {count} soup{'' if one else 's'} of {', '.join(experts)} with {reward} measured "
            f"{'is' if one else 'are'} too few: it takes {need}",
            where=reward,
            remedy="measure more soups of these experts (rshub evaluate), or use --mapping payoff",
        )
    for first, second in combinations(range(len(experts)), 2):
        if not ((shares[:, first] > 0.0) & (shares[:, second] > 0.0)).any():
            raise InvalidInput(
                f"mapping surrogate: no soup of {experts[first]} and {experts[second]} has {reward} measured",
                where=f"{experts[first]}, {experts[second]}",
                remedy="measure a soup of both (rshub evaluate), or use --mapping payoff",
            )
