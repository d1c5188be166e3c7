"""Sums over measured points, such as a soup minus the mean of its experts, with their standard error.

Where every point involved holds the values of the same number of prompts, these are taken to be the same prompts, the
sum is made prompt by prompt and its error is the paired one: points that met the same prompts and random numbers err
together, and independent errors would hide real differences. Otherwise the errors count as independent, and where one
of them is unknown so is that of the sum. Nothing is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from rshub.preferences.scores import Scores, oriented

ROUNDING = 1e-12
CONFIDENCE = 0.95
TWO_SIDED = 1.959963984540054
"""How many standard errors hold ``CONFIDENCE`` of a normal distribution."""


def combine(scores: Scores, reward: str, factors: Mapping[int, float]) -> tuple[float, float | None]:
    """Sum one reward over points, larger always better, and give the standard error where it is known.

    Args:
        scores: What was measured.
        reward: A reward that all these points have.
        factors: Point to factor; what is left of a sum below rounding counts as zero.
    """
    direction = scores.rewards[reward]
    measured = {number: scores.points[number].rewards[reward] for number in factors}
    parts = [factor * oriented(measured[number].mean, direction) for number, factor in factors.items()]
    value = math.fsum(parts)
    if abs(value) <= ROUNDING * max(map(abs, parts), default=0.0):
        value = 0.0
    samples = [measured[number].samples for number in factors]
    lengths = {len(row) if row is not None else None for row in samples}
    if len(lengths) == 1 and None not in lengths:
        rows = np.array(samples, dtype=np.float64)
        sums = np.array(list(factors.values())) @ rows
        known = sums[np.isfinite(sums)]
        if len(known) > 1:
            return value, float(known.std(ddof=1)) / math.sqrt(len(known))
    errors = [(factor, measured[number].stderr) for number, factor in factors.items()]
    terms = [factor * error for factor, error in errors if error is not None]
    return value, math.hypot(*terms) if len(terms) == len(errors) else None


def clear(value: float, stderr: float | None, *, times: float = TWO_SIDED) -> bool:
    """Say whether a difference is beyond its error; one whose error is unknown is taken at its word."""
    return value != 0.0 and (stderr is None or abs(value) > times * stderr)
