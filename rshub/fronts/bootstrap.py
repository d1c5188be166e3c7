"""Intervals for the figures of a front, by drawing its prompts again and again (percentile bootstrap, seeded).

Every point must hold the values of the same prompts in every reward, so that one draw of prompts serves all points:
what they have in common cancels in a difference. The box and the reference point stay those that were measured. A
figure of the best points profits from luck in each draw as it did in the measurement, so its interval may lie above the
figure; a difference between two fronts does so much less.

Source: Efron and Tibshirani, 1993, chapter 13.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rshub.fronts.differences import CONFIDENCE
from rshub.fronts.pareto import Array
from rshub.preferences.scores import Scores

DRAWS = 1000
_SEED = 20231
_AT_ONCE = 50


def redraw(scores: Scores, points: Sequence[int], *, draws: int = DRAWS) -> tuple[Array | None, str]:
    """Measure points on redrawn prompts.

    Returns:
        An array of shape (draws, points, rewards), larger always better; or None, and why.
    """
    rows = [[scores.points[number].rewards[reward].samples for reward in scores.rewards] for number in points]
    if any(samples is None for row in rows for samples in row):
        return None, "not every point holds the values of its prompts"
    lengths = {len(samples) for row in rows for samples in row if samples is not None}
    if len(lengths) != 1:
        return None, "the points hold the values of different numbers of prompts"
    count = lengths.pop()
    if count < 2:
        return None, "one prompt cannot be redrawn"
    signs = np.array([1.0 if direction == "max" else -1.0 for direction in scores.rewards.values()])
    values = np.array(rows, dtype=np.float64) * signs[:, None]
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    means = scores.oriented()[list(points)]
    plain = filled.sum(axis=2) / known.sum(axis=2)
    generator = np.random.default_rng(_SEED)
    drawn = np.empty((draws, *means.shape))
    for start in range(0, draws, _AT_ONCE):
        size = min(_AT_ONCE, draws - start)
        times = generator.multinomial(count, np.full(count, 1.0 / count), size=size).astype(np.float64)
        sums, counts = (np.einsum("bs,prs->bpr", times, part, optimize=True) for part in (filled, known.astype(float)))
        again = np.divide(sums, counts, out=np.broadcast_to(plain, sums.shape).copy(), where=counts > 0.0)
        drawn[start : start + size] = means + (again - plain)
    return drawn, ""


def interval(values: Array) -> list[float]:
    """Give the ends between which ``CONFIDENCE`` of the drawn values of one figure lie."""
    tail = (1.0 - CONFIDENCE) / 2.0
    return [float(end) for end in np.quantile(values, [tail, 1.0 - tail])]
