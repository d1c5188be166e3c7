"""What to measure next, and what to choose in the end: decisions on values, nothing is measured or read here.

Experts that miss a wanted reward come first. Then two experts are met by an even grid, and the best of what was
measured is chosen: anybody can check that. For more experts each next point is the one that helps the choice most
(see ``rshub.preferences.design``), and of the measured points the one that is believed to be best is chosen. Without a
budget the choice is the best prediction, measured or not.

Where a quadratic does not describe a wanted reward (leave-one-out R2 below ``LEAST_R2``) no prediction is trusted: the
rest of the budget goes to random points, and the best of what was measured is chosen, experts included.

The same evaluations, preference and seed lead to the same next point, so a run that was ended goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rshub.errors import Incompatible
from rshub.preferences.belief import Belief
from rshub.preferences.design import Allowed, candidates, climb, fill_evenly, gains, wished
from rshub.preferences.evidence import Evidence
from rshub.preferences.limits import Limits
from rshub.preferences.preference import INIT
from rshub.preferences.simplex import Array, rounded
from rshub.preferences.surrogate import LEAST_R2
from rshub.preferences.wish import Wish

JUDGED_FROM = 4
"""Soups that were measured before a misfit changes the plan."""

_APART = 0.01
_EQUAL = 1e-12
_WORLDS = 16
_DRAWS = 40  # in each
_AIMS = 100
_TRIES = 2000
_WITHIN = 300  # random points within limits


@dataclass(frozen=True, kw_only=True)
class Space:
    """The soups to choose from.

    Args:
        corners: The experts, and ``init`` as the last one where it has a share.
        init: The share of the start, the same in every soup that may be chosen.
        allowed: Whether shares of the corners may be used.
        seed: What random numbers are drawn from.
        limits: The same rules as ``allowed``, as numbers; None where there are none, or they are not known.
    """

    corners: tuple[str, ...]
    allowed: Allowed
    init: float = 0.0
    seed: int = 0
    limits: Limits | None = None

    @property
    def on_a_line(self) -> bool:
        """Whether these are two experts and nothing else."""
        return len(self.corners) == 2 and not self.init

    def may(self, shares: Array) -> bool:
        """Say whether these shares may be chosen."""
        if self.init and abs(float(shares[-1]) - self.init) > 1e-6:
            return False
        return self.allowed(shares)

    def place(self, experts: Array) -> Array:
        """Make shares of the corners from shares among the experts."""
        return rounded(np.append((1.0 - self.init) * experts, self.init)) if self.init else rounded(experts)

    @cached_property
    def candidates(self) -> Array:
        """Give points that may be chosen.

        Raises:
            Incompatible: The rules leave none.
        """
        count = len(self.corners) - bool(self.init)
        generator = np.random.default_rng([self.seed, count])
        found = np.array([self.place(point) for point in candidates(count, generator)])
        if self.limits is not None:
            within = self.limits.points(generator, _WITHIN)
            found = np.vstack([found, *(self._rounded(point)[None] for point in within)])
        able = found[[self.may(point) for point in found]]
        if not len(able):
            raise Incompatible(
                "select: the policy and the experts' bounds leave no soup to choose",
                where=", ".join(self.corners),
                remedy="widen the bounds, or name other experts",
            )
        return np.unique(able, axis=0)

    def _rounded(self, shares: Array) -> Array:
        """Round, unless that leads out of the limits."""
        near = rounded(shares)
        return near if self.may(near) else shares

    def coefficients(self, shares: Array) -> dict[str, float]:
        """Name the shares."""
        return dict(zip(self.corners, shares.tolist(), strict=True))


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What was chosen: shares of the corners, the evaluation at them (None: not measured), and by which rule."""

    shares: Array
    row: int | None
    rule: str


def missing_corners(space: Space, evidence: Evidence, rewards: Mapping[str, float]) -> list[int]:
    """List the corners that lack a reward and may be measured, the most wanted expert first."""
    complete = {int(evidence.shares[row].argmax()) for row in evidence.complete(list(rewards)) if _one(evidence, row)}
    lacking = [at for at in range(len(space.corners)) if at not in complete]
    able = [at for at in lacking if space.corners[at] == INIT or space.allowed(np.eye(len(space.corners))[at])]
    return sorted(able, key=lambda at: (-abs(rewards.get(space.corners[at], 0.0)), at))


def misfits(evidence: Evidence, rewards: Mapping[str, float]) -> dict[str, float]:
    """Give R2 of the wanted rewards that a quadratic does not describe."""
    found = {name: evidence.columns[name].description for name in rewards if name in evidence.columns}
    return {
        name: said.r2 for name, said in found.items() if said is not None and said.r2 < LEAST_R2 and not said.by_chance
    }


def next_shares(space: Space, evidence: Evidence, wish: Wish, *, left: int) -> tuple[Array, str] | None:
    """Say what to measure next, and why; None where nothing is left to measure.

    Args:
        space: What may be chosen.
        evidence: What was measured; every corner that may be measured is among it.
        wish: What is wanted.
        left: Evaluations that are left.
    """
    known = evidence.shares[evidence.complete(list(wish.factors))]
    if space.on_a_line:
        return _next_on_line(space, known, left)
    fresh = _away_from(known, space.candidates)
    if not len(fresh):
        return None
    soups = int(((known > 0.0).sum(axis=1) > 1).sum())
    generator = np.random.default_rng([space.seed, len(evidence.points)])
    if soups >= JUDGED_FROM and misfits(evidence, wish.factors):
        return _random(space, generator, fresh), "random"
    if soups == 0:
        middle = space.place(
            np.full(len(space.corners) - bool(space.init), 1.0 / (len(space.corners) - bool(space.init)))
        )
        return fresh[int(np.abs(fresh - middle).max(axis=1).argmin())], "middle"
    beliefs = {name: evidence.columns[name].belief for name in wish.factors}
    if left == 1:
        top = _summit(space, beliefs, wish)
        if len(_away_from(known, top[None])):
            return top, "best prediction"
    return fresh[int(gains(beliefs, wish.factors, fresh, generator).argmax())], "most to learn"


def choose(space: Space, evidence: Evidence, wish: Wish, *, measured_only: bool) -> Choice | None:
    """Choose among what may be chosen; None where neither an evaluation nor a prediction says anything.

    Args:
        space: What may be chosen.
        evidence: What was measured.
        wish: What is wanted.
        measured_only: Whether the choice has to have been measured.
    """
    rows = [row for row in evidence.complete(list(wish.factors)) if space.may(evidence.shares[row])]
    able = all(name in evidence.columns for name in wish.factors)
    if not rows and not able:
        return None
    sure = bool(misfits(evidence, wish.factors)) or (space.on_a_line and measured_only)
    if rows and sure:
        best = _fewest(evidence, rows, np.array([_measured(evidence, wish, row) for row in rows]))
        return Choice(shares=evidence.shares[best], row=best, rule="measured")
    beliefs = {name: evidence.columns[name].belief for name in wish.factors}
    if rows and measured_only:
        heights = wished(beliefs, wish.factors, evidence.shares[rows])
        best = _fewest(evidence, rows, heights)
        return Choice(shares=evidence.shares[best], row=best, rule="surrogate")
    top = _summit(space, beliefs, wish)
    return Choice(shares=top, row=evidence.row_at(top, list(wish.factors)), rule="surrogate")


def regret(space: Space, evidence: Evidence, wish: Wish, shares: Array) -> tuple[float, float, float]:
    """Say how much better the best soup may be: the lower end of 95 %, what is expected, and the upper end.

    In units of the wish. Functions are drawn from what may be believed of every reward, at the most promising points.
    """
    generator = np.random.default_rng([space.seed, len(evidence.points), 1])
    top = _summit(space, {name: evidence.columns[name].belief for name in wish.factors}, wish)
    known = np.vstack([shares, top])
    lost = np.concatenate([_lost(space, evidence, wish, known, generator) for _ in range(_WORLDS)])
    low, high = np.quantile(lost, (0.025, 0.975)).tolist()
    return low, float(lost.mean()), high


def _lost(space: Space, evidence: Evidence, wish: Wish, known: Array, generator: np.random.Generator) -> Array:
    """Draw one belief of each reward by how likely it is, and functions from it: what the first known place misses."""
    beliefs = {}
    for name in wish.factors:
        likely = evidence.columns[name].beliefs
        weights = np.array([weight for weight, _ in likely])
        beliefs[name] = likely[int(generator.choice(len(likely), p=weights / weights.sum()))][1]
    at = space.candidates
    spread = np.sqrt(sum(factor**2 * beliefs[name].variance(at) for name, factor in wish.factors.items()))
    promising = at[np.argsort(-(wished(beliefs, wish.factors, at) + 2.0 * spread), kind="stable")[:_AIMS]]
    aims = np.vstack([known, promising])
    covariance = np.sum(
        [factor**2 * beliefs[name].covariance(aims, aims) for name, factor in wish.factors.items()], axis=0
    )
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2.0)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn = wished(beliefs, wish.factors, aims)[:, None] + root @ generator.standard_normal((len(aims), _DRAWS))
    return np.asarray(drawn.max(axis=0) - drawn[0])


def _next_on_line(space: Space, known: Array, left: int) -> tuple[Array, str] | None:
    second = space.candidates[:, 1]
    low, high = float(second.min()), float(second.max())
    if low == high:
        return None if len(known) and float(np.abs(known[:, 1] - low).min()) < 1e-6 else (space.candidates[0], "grid")
    for share in fill_evenly(known[:, 1].tolist(), left, low=low, high=high):
        point = rounded(np.array([1.0 - share, share]))
        if space.may(point):
            return point, "grid"
    return None


def _random(space: Space, generator: np.random.Generator, fresh: Array) -> Array:
    """Draw a point that may be chosen, all mixtures being equally likely."""
    count = len(space.corners) - bool(space.init)
    for point in generator.dirichlet(np.ones(count), size=_TRIES):
        placed = space.place(point)
        if space.may(placed):
            return placed
    return np.asarray(fresh[int(generator.integers(len(fresh)))])


def _summit(space: Space, beliefs: Mapping[str, Belief], wish: Wish) -> Array:
    """Find the best prediction."""

    def height(at: Array) -> Array:
        return wished(beliefs, wish.factors, at)

    return climb(height, space.candidates[int(height(space.candidates).argmax())], space.may)


def _away_from(known: Array, points: Array) -> Array:
    """Keep the points that are not as good as measured."""
    if not len(known):
        return points
    near = np.abs(points[:, None] - known[None]).max(axis=2).min(axis=1) < _APART
    return np.asarray(points[~near])


def _fewest(evidence: Evidence, rows: Sequence[int], heights: Array) -> int:
    """Take the row of the largest height; among equals, but for rounding, the one with the fewest experts."""
    slack = _EQUAL * max(float(np.ptp(heights)), float(np.abs(heights).max()))
    equal = [row for row, height in zip(rows, heights.tolist(), strict=True) if height >= heights.max() - slack]
    return min(equal, key=lambda row: (int((evidence.shares[row] > 0.0).sum()), row))


def _measured(evidence: Evidence, wish: Wish, row: int) -> float:
    """Give the wish at a row, on average over all evaluations at the same place."""
    same = [
        other
        for other in evidence.complete(list(wish.factors))
        if float(np.abs(evidence.shares[other] - evidence.shares[row]).max()) < 1e-9
    ]
    values = [wish.of(evidence.values(other)) for other in same]
    return float(np.mean([value for value in values if value is not None]))


def _one(evidence: Evidence, row: int) -> bool:
    return int((evidence.shares[row] > 0.0).sum()) == 1
