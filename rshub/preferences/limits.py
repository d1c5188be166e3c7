"""Within which limits the shares of a soup lie, whether any soup lies there, and points of that region.

Each expert has a least and a largest share, and so has the sum of all experts of one reward; a share of the start is
fixed. A publisher's bounds hold only where the expert is used, so the region may fall into several boxes, one for each
way of leaving such experts out. A box meets the simplex exactly where the least shares sum to at most 1 and the largest
to at least 1: nothing is searched for. Its corners have every share but one at an end, and one more may be between them
for each sum that is at an end.

Pure; nothing is refused: a region without a soup has no corners.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rshub.preferences.policy import LambdaBounds, Policy
from rshub.preferences.preference import INIT, SUM_TOLERANCE
from rshub.preferences.simplex import MOST_EXPERTS, Array

MOST_CORNERS = 400
"""Corners that are kept; beyond them some are drawn."""

_ENOUGH = 2 * MOST_CORNERS  # of all boxes together
_MIXED = 3  # corners in a random point, at most


@dataclass(frozen=True, kw_only=True)
class Group:
    """Experts of one reward, whose shares are bounded in sum; a bound on a reward of no expert has no members."""

    members: tuple[int, ...]
    low: float
    high: float

    def holds(self, shares: Array) -> bool:
        """Say whether the sum is within its bounds."""
        total = float(shares[list(self.members)].sum())
        return self.low - SUM_TOLERANCE <= total <= self.high + SUM_TOLERANCE


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The least and largest share of each corner, the bounds on sums, and which experts may be left out instead."""

    low: Array
    high: Array
    groups: tuple[Group, ...]
    spared: tuple[int, ...] = ()

    def corners(self, generator: np.random.Generator) -> list[Array]:
        """Give the corners of each box that holds a soup, of some where they are many; nothing where there is none."""
        boxes = list(self._boxes())
        found: list[Array] = []
        for at in generator.permutation(len(boxes)):
            low, high = boxes[at]
            corners = self._corners_of(low, high, generator)
            if len(corners):
                found.append(corners)
            if sum(map(len, found)) > _ENOUGH:
                break
        return found

    def points(self, generator: np.random.Generator, count: int) -> Array:
        """Give the corners, the middle of each box and random points within; no row where none may be chosen."""
        boxes = self.corners(generator)
        if not boxes:
            return np.empty((0, len(self.low)))
        inside = [corners.mean(axis=0)[None] for corners in boxes]
        for number in range(count):
            corners = boxes[int(generator.integers(len(boxes)))]
            many = len(self.low) if number % 2 else _MIXED
            mixed = corners[generator.integers(len(corners), size=many)]
            inside.append((generator.dirichlet(np.ones(many)) @ mixed)[None])
        return np.vstack([*boxes, *inside])

    def _boxes(self) -> Iterator[tuple[Array, Array]]:
        """Leave out every choice of those that may be."""
        for many in range(len(self.spared) + 1):
            for left_out in itertools.combinations(self.spared, many):
                low, high = self.low.copy(), self.high.copy()
                low[list(left_out)] = high[list(left_out)] = 0.0
                if low.sum() <= 1.0 + SUM_TOLERANCE and high.sum() >= 1.0 - SUM_TOLERANCE:
                    yield low, high

    def _corners_of(self, low: Array, high: Array, generator: np.random.Generator) -> Array:
        """Hold each choice of groups at an end of their sum; the others, together, take what is left."""
        found = [np.empty((0, len(low)))]
        for ends in itertools.product(*((None, group.low, group.high) for group in self.groups)):
            held = [(list(group.members), end) for group, end in zip(self.groups, ends, strict=True) if end is not None]
            rest = sorted(set(range(len(low))) - {at for members, _ in held for at in members})
            parts = [(rest, 1.0 - sum(end for _, end in held)), *held]
            rows = [corners_of(low[at], high[at], total, generator) for at, total in parts]
            for chosen in itertools.islice(itertools.product(*rows), MOST_CORNERS):
                shares = np.zeros((1, len(low)))
                for (at, _), row in zip(parts, chosen, strict=True):
                    shares[0, at] = row
                if all(group.holds(shares[0]) for group in self.groups):
                    found.append(shares)
        return _some(np.vstack(found), generator)


def corners_of(low: Array, high: Array, total: float, generator: np.random.Generator) -> Array:
    """Give the corners of a box cut by a sum: every share but one at an end; no row where the cut is empty."""
    count = len(low)
    if (low > high + SUM_TOLERANCE).any():
        return np.empty((0, count))
    if not low.sum() - SUM_TOLERANCE <= total <= high.sum() + SUM_TOLERANCE:
        return np.empty((0, count))
    if count == 0:
        return np.empty((1, 0))
    if count > MOST_EXPERTS:
        return _some(np.array([_filled(low, high, total, generator) for _ in range(MOST_CORNERS)]), generator)
    full = (np.arange(2**count)[:, None] >> np.arange(count)) % 2 == 1
    ends = np.where(full, high, low)
    found = []
    for free in range(count):
        shares = ends[~full[:, free]].copy()
        shares[:, free] = 0.0
        shares[:, free] = total - shares.sum(axis=1)
        near = (shares[:, free] >= low[free] - SUM_TOLERANCE) & (shares[:, free] <= high[free] + SUM_TOLERANCE)
        found.append(shares[near])
    return _some(np.maximum(np.vstack(found), 0.0), generator)


def limits_of(
    names: Sequence[str],
    *,
    init: float = 0.0,
    policy: Policy | None = None,
    published: Mapping[str, LambdaBounds] | None = None,
    repos: Mapping[str, str] | None = None,
    rewards: Mapping[str, str] | None = None,
) -> Limits:
    """Give the limits within which ``rshub.preferences.policy.check`` finds nothing amiss.

    Args:
        names: The experts; where the start has a share it is the last corner.
        init: The share of the start.
        policy: As for ``check``, and so are the others.
        published: The bounds that hold where an expert is used.
        repos: The repo behind each name, where it is another one.
        rewards: The reward behind each name, where it is another one.
    """
    policy = policy or Policy()
    published, repos, rewards = published or {}, repos or {}, rewards or {}
    low, high = np.zeros(len(names)), np.ones(len(names))
    members: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        repo = repos.get(name, name.partition("@")[0])
        hold = [bounds for written, bounds in policy.bounds.items() if written.casefold() == repo.casefold()]
        hold = [bounds for bounds in hold if "/" in repo] + ([published[name]] if name in published else [])
        low[at] = max([0.0, *(bounds.min for bounds in hold)])
        high[at] = min([1.0, *(bounds.max for bounds in hold)])
        if low[at] > high[at] or policy.denies(repo):
            low[at] = high[at] = 0.0
        members.setdefault(rewards.get(name, name), []).append(at)
    spared = tuple(np.flatnonzero(low > 0.0).tolist())
    groups = []
    for reward, bounds in policy.bounds.items():
        inside = members.get(reward, [])
        if "/" in reward:
            continue
        if len(inside) == 1 and inside[0] not in spared:
            low[inside], high[inside] = max(0.0, bounds.min), np.minimum(high[inside], bounds.max)
        else:
            groups.append(Group(members=tuple(inside), low=max(0.0, bounds.min), high=min(1.0, bounds.max)))
    if init:
        assert INIT not in names
        low, high = np.append(low, init), np.append(high, init)
    return Limits(low=low, high=high, groups=tuple(groups), spared=spared)


def _filled(low: Array, high: Array, total: float, generator: np.random.Generator) -> Array:
    """Fill shares up from their least, one after the other in a random order."""
    shares = low.copy()
    for at in generator.permutation(len(low)):
        shares[at] += min(high[at] - low[at], max(0.0, total - float(shares.sum())))
    return shares


def _some(rows: Array, generator: np.random.Generator) -> Array:
    """Drop what is there twice, and draw some where there are too many."""
    _, first = np.unique(rows.round(9), axis=0, return_index=True)
    kept = np.sort(first)
    if len(kept) > MOST_CORNERS:
        kept = np.sort(generator.choice(kept, MOST_CORNERS, replace=False))
    return rows[kept]
