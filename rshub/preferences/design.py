"""Which coefficients to measure next, so that the best ones are found with few evaluations.

Two experts: an even grid, which anybody can check. More: first the middle, then the point whose evaluation is expected
to raise the best prediction most (the knowledge gradient), last the best prediction itself, so that it is measured.
Everything is drawn with given random numbers: the same evaluations lead to the same next point.

Pure. What is allowed decides a function of the caller; a place where nothing is allowed gives no candidate.

Source: Frazier, Powell and Dayanik, 2009, The knowledge-gradient policy for correlated normal beliefs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rshub.preferences.belief import Belief
from rshub.preferences.simplex import Array, pairs_of, rounded

Allowed = Callable[[Array], bool]

_STEP = 0.1
_FINEST = 0.5e-6  # half of the last digit that a share has
_OUTCOMES = 16  # drawn twice, with either sign
_PROMISING = 160
_WORTH_A_TRY = 120


def candidates(count: int, generator: np.random.Generator) -> Array:
    """Spread points over the simplex: its corners, edges, middle, and random points of all mixtures and of few experts.

    Args:
        count: The experts.
        generator: The random numbers.
    """
    spread = {1: 0, 2: 101, 3: 150, 4: 200}.get(count, 300)
    points = [np.eye(count), np.full((1, count), 1.0 / count)]
    first, second = pairs_of(count)
    for share in (0.25, 0.5, 0.75):
        edge = np.zeros((len(first), count))
        edge[np.arange(len(first)), first] = share
        edge[np.arange(len(first)), second] = 1.0 - share
        points.append(edge)
    points += [generator.dirichlet(np.full(count, even), size=spread) for even in (1.0, 0.4)]
    return np.array([rounded(point) for point in np.vstack(points)])


def fill_evenly(known: Sequence[float], count: int, *, low: float = 0.0, high: float = 1.0) -> list[float]:
    """Place new points between known ones on a line, so that the largest gap gets as small as it can.

    Between two known ends this is the even grid. An end that is not known is taken first.

    Args:
        known: What was measured.
        count: How many are to be placed.
        low: Where the line begins.
        high: Where it ends.

    Returns:
        The new points, from left to right.
    """
    placed = [end for end in (low, high) if not any(abs(end - have) < 1e-9 for have in known)][:count]
    anchors = sorted({low, high, *(have for have in known if low <= have <= high)})
    inside = [0] * (len(anchors) - 1)
    gaps = np.diff(anchors)
    for _ in range(count - len(placed) if len(gaps) else 0):
        widest = max(range(len(gaps)), key=lambda gap: (gaps[gap] / (inside[gap] + 1), -gap))
        inside[widest] += 1
    for gap, many in enumerate(inside):
        placed += [float(anchors[gap] + gaps[gap] * step / (many + 1)) for step in range(1, many + 1)]
    return sorted(placed)


def gains(
    beliefs: Mapping[str, Belief], factors: Mapping[str, float], at: Array, generator: np.random.Generator
) -> Array:
    """Say for each candidate how much its evaluation is expected to raise the best prediction; -inf if not looked at.

    Args:
        beliefs: What is believed of each reward.
        factors: What each reward counts.
        at: The candidates.
        generator: Draws the outcomes.
    """
    names = list(factors)
    mean = wished(beliefs, factors, at)
    variances = {name: beliefs[name].variance(at) for name in names}
    spread = np.sqrt(np.sum([factors[name] ** 2 * variances[name] for name in names], axis=0))
    aims = np.argsort(-(mean + 2.0 * spread), kind="stable")[:_PROMISING]
    tries = np.argsort(-(mean + 1.5 * spread), kind="stable")[:_WORTH_A_TRY]
    moves = np.array(
        [
            factors[name]
            * beliefs[name].covariance(at[aims], at[tries])
            / np.sqrt(np.maximum(variances[name][tries] + beliefs[name].noise, 1e-300))
            for name in names
        ]
    )
    drawn = generator.standard_normal((_OUTCOMES, len(names)))
    best = [(mean[aims][:, None] + np.tensordot(outcome, moves, axes=1)).max(axis=0) for outcome in (*drawn, *-drawn)]
    found = np.full(len(at), -np.inf)
    found[tries] = np.mean(best, axis=0) - mean.max()
    return found


def wished(beliefs: Mapping[str, Belief], factors: Mapping[str, float], at: Array) -> Array:
    """Predict the sum of factor times reward at rows of shares."""
    return np.asarray(np.sum([factor * beliefs[name].mean(at) for name, factor in factors.items()], axis=0))


def climb(height: Callable[[Array], Array], start: Array, allowed: Allowed) -> Array:
    """Move shares from one expert to another as long as that leads upwards, in ever smaller steps.

    The steps get as small as shares can differ, so that a bound is reached and not only approached.
    """
    here, level, step = start, float(height(start[None])[0]), _STEP
    count = len(start)
    while step > _FINEST:
        moved = []
        for giver in np.flatnonzero(here):
            for taker in range(count):
                if taker != giver:
                    there = here.copy()
                    share = min(step, float(here[giver]))
                    there[giver] -= share
                    there[taker] += share
                    moved.append(rounded(there))
        able = np.array([there for there in moved if allowed(there)]).reshape(-1, count)
        heights = height(able) if len(able) else np.array([-np.inf])
        best = int(heights.argmax())
        if heights[best] > level + 1e-12 * abs(level):
            here, level = able[best], float(heights[best])
        else:
            step /= 2.0
    return here
