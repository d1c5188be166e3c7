"""What is believed of one reward between the experts, from few evaluations: a Gaussian process on the simplex.

Its prior is the Scheffe quadratic, whose interactions have a common height that is learned with them (experts that lie
about equally far apart bend a reward about equally much), and a smooth remainder for what no quadratic describes:

    k(x, y) = 4 x.y + 1.5^2 q(x) q(y) + s^2 sum_{i<j} x_i x_j y_i y_j + r^2 exp(-|x - y|^2 / 2 l^2),
    q(x) = sum_{i<j} x_i x_j, with prior mean q / 2, in units of the range of the experts.

s, r and, where nobody gave it, the noise are chosen by evidence from short lists. Evaluations that met the same
prompts err together; their covariance is used where it is known. How well the *quadratic alone* predicts is told apart,
by leaving out each soup (``describe``): a remainder follows what was seen, but it need not foretell.

Pure; nothing is refused: every number was checked where it was read.

Source: Scheffe, 1958; Rasmussen and Williams, 2006, sections 2.7, 5.4.1 and 5.4.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rshub.preferences.simplex import Array, pairs_of

LEAST_SOUPS = 3
"""With fewer soups nothing can be said of how well others are predicted."""

_BEND = 0.5
_LINEAR = 2.0
_HEIGHT = 1.5
_LENGTH = 0.35
_INTERACTIONS = (0.15, 0.5, 1.5)
_REMAINDERS = (0.0, 0.05, 0.15, 0.4)
_NOISES = (0.003, 0.01, 0.03, 0.1)
_MISFITS = (0.003, 0.01, 0.03, 0.1, 0.3)
_JITTER = 0.003
_LEAST_WEIGHT = 0.01
_LARGEST_ERROR = 1e6  # in units of the range: larger errors say no less
_LEAST_RANGE = 0.25  # of the spread of all evaluations: experts may be alike where their soups are not


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The prior's free numbers: the spread of the interactions, and the height of the smooth remainder."""

    interactions: float
    remainder: float


@dataclass(frozen=True, kw_only=True)
class Belief:
    """One reward, larger always better, given evaluations at ``shares`` of shape (evaluations, experts)."""

    shares: Array
    centre: float
    scale: float
    shape: Shape
    noise: float
    inverse: Array
    residual: Array

    def mean(self, at: Array) -> Array:
        """Give the expected reward at rows of shares."""
        gain = _kernel(at, self.shares, self.shape)
        return np.asarray(self.centre + self.scale * (_BEND * _bends(at) + gain @ (self.inverse @ self.residual)))

    def covariance(self, first: Array, second: Array) -> Array:
        """Give the covariance of the reward between two sets of rows."""
        left, right = _kernel(first, self.shares, self.shape), _kernel(self.shares, second, self.shape)
        return np.asarray(self.scale**2 * (_kernel(first, second, self.shape) - left @ self.inverse @ right))

    def variance(self, at: Array) -> Array:
        """Give the variance of the reward at rows of shares."""
        gain = _kernel(at, self.shares, self.shape)
        products = _products(at)
        own = (
            _LINEAR**2 * (at**2).sum(axis=1)
            + _HEIGHT**2 * products.sum(axis=1) ** 2
            + self.shape.interactions**2 * (products**2).sum(axis=1)
            + self.shape.remainder**2
        )
        seen = np.einsum("ij,jk,ik->i", gain, self.inverse, gain)
        return np.asarray(self.scale**2 * np.maximum(own - seen, 0.0))


@dataclass(frozen=True, kw_only=True)
class Description:
    """How well a quadratic describes a reward: leave-one-out R2, and whether chance alone explains what is missed."""

    r2: float
    by_chance: bool


def believe(shares: Array, values: Array, errors: Array | None = None) -> Belief:
    """Learn one reward.

    Args:
        shares: Where it was evaluated, shape (evaluations, experts), rows on the simplex.
        values: What was measured there, larger better.
        errors: The standard error of each evaluation, or the covariance of all of them; None where unknown.
    """
    return max(plausible(shares, values, errors), key=lambda pair: pair[0])[1]


def plausible(shares: Array, values: Array, errors: Array | None = None) -> list[tuple[float, Belief]]:
    """Learn one reward under every shape and noise, each with how likely it is; those below a hundredth are left out.

    One belief says what is expected; only all of them say how sure that is.
    """
    shapes = [Shape(interactions=spread, remainder=rest) for spread in _INTERACTIONS for rest in _REMAINDERS]
    found = _learnt(shares, values, errors, shapes, _NOISES if errors is None else (_JITTER,))
    most = max(evidence for evidence, _ in found)
    total = math.fsum(math.exp(evidence - most) for evidence, _ in found)
    weighed = [(math.exp(evidence - most) / total, belief) for evidence, belief in found]
    return [(weight, belief) for weight, belief in weighed if weight >= _LEAST_WEIGHT]


def describe(shares: Array, values: Array, errors: Array | None = None) -> Description | None:
    """Say how well a quadratic alone predicts soups that it has not seen; None with too few soups to say.

    What is chance is judged by the errors that are known, and by those that the belief finds where none are.
    """
    inside = (shares > 0.0).sum(axis=1) > 1
    if int(inside.sum()) < LEAST_SOUPS:
        return None
    if not np.ptp(values) > 0.0:
        return Description(r2=1.0, by_chance=True)
    shapes = [Shape(interactions=spread, remainder=0.0) for spread in _INTERACTIONS]
    missed, _ = _left_out(_learn(shares, values, errors, shapes, _MISFITS))
    r2 = 1.0 - float(np.mean(missed[inside] ** 2)) / float(values.var())
    noise = (_JITTER,)
    if errors is None:
        belief = believe(shares, values)
        noise = (math.sqrt(belief.noise) / belief.scale,)
    missed, spread = _left_out(_learn(shares, values, errors, shapes, noise))
    surprise = float(np.mean((missed / spread)[inside] ** 2))
    return Description(r2=r2, by_chance=surprise < 1.0 + 3.0 * math.sqrt(2.0 / int(inside.sum())))


def _left_out(belief: Belief) -> tuple[Array, Array]:
    """Give by how much each evaluation is missed when the others predict it, and the standard error of that."""
    precision = np.diag(belief.inverse)
    return belief.scale * (belief.inverse @ belief.residual) / precision, belief.scale / np.sqrt(precision)


def _learn(
    shares: Array, values: Array, errors: Array | None, shapes: list[Shape], noises: tuple[float, ...]
) -> Belief:
    """Take the shape and the noise under which the evaluations were most to be expected."""
    return max(_learnt(shares, values, errors, shapes, noises), key=lambda pair: pair[0])[1]


def _learnt(
    shares: Array, values: Array, errors: Array | None, shapes: list[Shape], noises: tuple[float, ...]
) -> list[tuple[float, Belief]]:
    """Give what is believed under each shape and noise, with the log of how much the evaluations speak for these."""
    centre, scale = _units(shares, values)
    seen = (values - centre) / scale - _BEND * _bends(shares)
    known = np.zeros((len(values), len(values))) if errors is None else _noise(errors, scale, len(values))
    found: list[tuple[float, Belief]] = []
    for shape in shapes:
        kernel = _kernel(shares, shares, shape) + known
        doubt = 0.5 * (shape.remainder > 0.0) + 0.5 * (shape.remainder > 0.1)
        for noise in noises:
            inverse = np.linalg.inv(kernel + noise**2 * np.eye(len(values)))
            evidence = (float(np.linalg.slogdet(inverse)[1]) - float(seen @ inverse @ seen)) / 2.0 - doubt
            variance = noise**2 + float(np.mean(np.diag(known)))
            belief = Belief(
                shares=shares,
                centre=centre,
                scale=scale,
                shape=shape,
                noise=scale**2 * variance,
                inverse=np.asarray(inverse),
                residual=seen,
            )
            found.append((evidence, belief))
    return found


def _units(shares: Array, values: Array) -> tuple[float, float]:
    """Give the middle of the experts and their range, the units of the prior."""
    vertices = values[(shares > 0.0).sum(axis=1) == 1]
    if not len(vertices):
        vertices = values
    least = max(1e-12 * float(np.abs(values).max()), 1e-200)
    return float(vertices.mean()), max(float(np.ptp(vertices)), _LEAST_RANGE * float(np.ptp(values)), least)


def _noise(errors: Array, scale: float, count: int) -> Array:
    """Give the covariance of the errors in units of the range."""
    if errors.ndim == 1:
        return np.diag((np.minimum(errors, _LARGEST_ERROR * scale) / scale) ** 2)
    assert errors.shape == (count, count)
    return np.asarray(errors / scale**2)


def _kernel(first: Array, second: Array, shape: Shape) -> Array:
    left, right = _products(first), _products(second)
    linear = _LINEAR**2 * first @ second.T
    bends = _HEIGHT**2 * np.outer(left.sum(axis=1), right.sum(axis=1)) + shape.interactions**2 * left @ right.T
    if shape.remainder == 0.0:
        return np.asarray(linear + bends)
    apart = np.maximum((first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None, :] - 2.0 * first @ second.T, 0.0)
    return np.asarray(linear + bends + shape.remainder**2 * np.exp(-apart / (2.0 * _LENGTH**2)))


def _products(shares: Array) -> Array:
    first, second = pairs_of(shares.shape[1])
    return np.asarray(shares[:, first] * shares[:, second])


def _bends(shares: Array) -> Array:
    return np.asarray(_products(shares).sum(axis=1))
