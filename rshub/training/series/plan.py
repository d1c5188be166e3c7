"""Which runs one recipe stands for: an expert for each reward and seed, and mixtures to compare soups with. Pure.

Experts share the seed of the recipe, and with it the start of their adapters; further seeds are the next numbers and
give further experts, each start shared by the experts of its number. Mixtures (MORL: one model trained on several
rewards at once) have the recipe's own seed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rshub.errors import InvalidInput

MOST_RUNS = 1000
_DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run of several.

    Args:
        name: Different from all others; the name of its folder.
        kind: ``expert``: for one reward; ``morl``: for a mixture.
        mixture: Reward to weight.
        seed: Decides the adapter's start, among others.
    """

    name: str
    kind: Literal["expert", "morl"]
    mixture: Mapping[str, float]
    seed: int


def plan_runs(
    rewards: Sequence[str],
    *,
    seed: int,
    experts: Sequence[str] | None = None,
    morl: int = 0,
    mixtures: Sequence[Mapping[str, float]] = (),
    seeds: int = 1,
) -> tuple[Run, ...]:
    """Say which runs there are: the experts seed by seed, then the grid of mixtures, then those that were named.

    Args:
        rewards: What is trained for.
        seed: Of the recipe.
        experts: The rewards that get an expert; all by default.
        morl: How many mixtures of all rewards there are, spread evenly.
        mixtures: Further mixtures, by hand.
        seeds: How many experts each reward gets.

    Raises:
        InvalidInput: A reward is not among them, a number is too small or large, or there is nothing to do.
    """
    wanted = list(dict.fromkeys(rewards if experts is None else experts))
    unknown = sorted({*wanted, *itertools.chain(*mixtures)} - set(rewards))
    if unknown:
        raise InvalidInput(
            f"the recipe trains for no reward {unknown[0]!r}",
            where="experts",
            remedy=f"rewards with a weight in the recipe: {', '.join(rewards)}",
        )
    if seeds < 1 or morl < 0:
        raise InvalidInput(f"{seeds} seeds and {morl} mixtures cannot be", where="seeds", remedy="use at least 1 seed")
    if morl and len(rewards) < 2:
        raise InvalidInput("one reward has no mixtures", where="morl", remedy="give two rewards a weight in the recipe")
    if seeds * len(wanted) + morl + len(mixtures) > MOST_RUNS:
        raise InvalidInput(f"more than {MOST_RUNS} runs", where="morl", remedy="ask for fewer mixtures or seeds")
    runs = []
    for number in range(seed, seed + seeds):
        again = f"-seed{number}" if number != seed else ""
        runs += [Run(name=f"{name}{again}", kind="expert", mixture={name: 1.0}, seed=number) for name in wanted]
    runs += [
        Run(name=_named(mixture), kind="morl", mixture=dict(mixture), seed=seed)
        for mixture in [*spread(rewards, morl), *mixtures]
    ]
    if not runs:
        raise InvalidInput("there is nothing to train", where="experts", remedy="name experts, or ask for mixtures")
    names = [run.name for run in runs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(f"the run {twice!r} is asked for twice", where="mixtures", remedy="name each mixture once")
    return tuple(runs)


def spread(rewards: Sequence[str], count: int) -> list[dict[str, float]]:
    """Give so many mixtures, spread evenly over the inside of the simplex: every reward has a share in each.

    For two rewards these are the even steps 1/(count+1), 2/(count+1) and so on. For more, the shares are whole numbers
    of 1/q each, with the smallest q that leaves enough such points inside; of these the one nearest to the middle is
    taken first, and then always the one farthest from all that were taken (the first in order among equals).
    """
    size = len(rewards)
    if not count:
        return []
    q = next(q for q in itertools.count(size) if math.comb(q - 1, size - 1) >= count)
    points = [
        tuple(b - a for a, b in itertools.pairwise((0, *cuts, q)))
        for cuts in itertools.combinations(range(1, q), size - 1)
    ]
    taken = [min(points, key=lambda point: (sum((size * share - q) ** 2 for share in point), point))]
    while len(taken) < count:
        rest = [point for point in points if point not in taken]
        taken.append(max(rest, key=lambda point: (min(_apart(point, other) for other in taken), [-x for x in point])))
    ordered = sorted(taken, reverse=True)
    return [{name: share / q for name, share in zip(rewards, point, strict=True)} for point in ordered]


def _apart(one: Sequence[int], other: Sequence[int]) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _named(mixture: Mapping[str, float]) -> str:
    """Name a mixture by its shares: ``morl-helpful-0.25-concise-0.75``."""
    shares = (f"{name}-{round(share, _DIGITS):.{_DIGITS}f}".rstrip("0").rstrip(".") for name, share in mixture.items())
    return "-".join(["morl", *shares])
