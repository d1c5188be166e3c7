"""How far a set of points is from a reference front: additive epsilon and IGD+, larger always better.

Both are weakly Pareto compliant: a set that gets better never measures worse. Rewards are compared with one another
here, so points come in units of one box, which whoever reports the figure states.

Source: Zitzler et al., 2003 (additive epsilon); Ishibuchi et al., 2015 (IGD+).
"""

from __future__ import annotations

import numpy as np

from rshub.fronts.pareto import Array


def shortfalls(points: Array, reference: Array) -> Array:
    """Give for each reference point what the nearest point lacks of it in the worst reward; negative: it is beaten.

    Args:
        points: Shape (points, rewards), at least one.
        reference: Shape (references, rewards).

    Returns:
        Shape (references,): min over points of max over rewards of reference minus point.
    """
    return np.array([(target - points).max(axis=1).min() for target in reference], dtype=np.float64)


def epsilon(points: Array, reference: Array) -> float:
    """Give the least number that, added to every reward, makes the points cover the whole reference front."""
    return float(shortfalls(points, reference).max())


def igd_plus(points: Array, reference: Array) -> float:
    """Give the mean distance from the reference front to the points, counting only rewards in which these are worse."""
    lacking = [np.linalg.norm(np.maximum(target - points, 0.0), axis=1).min() for target in reference]
    return float(np.mean(lacking))
