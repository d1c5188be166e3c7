"""The simplex, coefficients from 0 to 1 that sum to 1: its even lattice, and the largest value of a quadratic on it.

The quadratic may bend either way, so every face is looked at: on each the only candidate inside is where the gradient
is the same in all directions of the face, and a quadratic that has none there is largest on a smaller face. Exact but
for rounding, the same whatever the machine, and refused beyond ``MOST_EXPERTS``, where there are too many faces.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from rshub.errors import InvalidInput

Array = npt.NDArray[np.float64]

MOST_EXPERTS = 12
_DIGITS = 6
"""Digits of a coefficient: finer ones differ between machines, and no measurement can tell them apart."""


def maximise(linear: Array, pairs: Array) -> Array:
    """Maximise sum_i b_i x_i + sum_{i<j} c_ij x_i x_j over the simplex.

    Args:
        linear: b, shape (n,).
        pairs: c in the order of ``pairs_of``, shape (n (n - 1) / 2,).

    Returns:
        x, shape (n,), rounded to six digits with a sum of 1; among equals the one with the fewest experts.

    Raises:
        InvalidInput: There are more experts than ``MOST_EXPERTS``.
    """
    count = len(linear)
    if count > MOST_EXPERTS:
        raise InvalidInput(
            f"mapping surrogate: {count} experts are more than the {MOST_EXPERTS} that can be searched",
            where="experts",
            remedy="name fewer experts",
        )
    hessian = np.zeros((count, count))
    rows, columns = pairs_of(count)
    hessian[rows, columns] = hessian[columns, rows] = pairs
    best, height = np.eye(count)[int(linear.argmax())], float(linear.max())
    slack = 1e-12 * max(1e-300, float(np.abs(linear).max()), float(np.abs(hessian).max(initial=0.0)))
    for size in range(2, count + 1):
        for face in itertools.combinations(range(count), size):
            inside = _stationary(linear[list(face)], hessian[np.ix_(face, face)])
            if inside is None:
                continue
            point = np.zeros(count)
            point[list(face)] = inside
            value = float(linear @ point + point @ hessian @ point / 2.0)
            if value > height + slack:
                best, height = point, value
    return rounded(best)


def lattice(count: int, steps: int) -> npt.NDArray[np.int64]:
    """Give all ways to deal steps to so many experts, shape (ways, count); the first one's share rises.

    Divided by ``steps`` the rows are the even lattice of the simplex.
    """
    placed = list(itertools.combinations(range(steps + count - 1), count - 1))
    bars = np.array(placed, dtype=np.int64).reshape(len(placed), count - 1)
    ends = np.full((len(bars), 1), steps + count - 1, dtype=np.int64)
    edges = np.hstack([np.full_like(ends, -1), bars, ends])
    return edges[:, 1:] - edges[:, :-1] - 1


def pairs_of(count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give the two members of every pair, in the one order that this room uses."""
    rows, columns = np.triu_indices(count, 1)
    return rows.astype(np.int64), columns.astype(np.int64)


def _stationary(linear: Array, hessian: Array) -> Array | None:
    """Give the point of a face at which the gradient is level, or None where there is no such single point inside."""
    size = len(linear)
    system = np.ones((size + 1, size + 1))
    system[:size, :size] = hessian
    system[size, size] = 0.0
    try:
        found = np.linalg.solve(system, np.append(-linear, 1.0))[:size]
    except np.linalg.LinAlgError:
        return None
    inside = np.isfinite(found).all() and (found > 0.0).all() and abs(found.sum() - 1.0) < 1e-6
    return np.asarray(found / found.sum()) if inside else None


def rounded(point: Array) -> Array:
    """Round, and let the largest coefficient make the sum 1."""
    point = point.round(_DIGITS)
    largest = int(point.argmax())
    point[largest] = round(1.0 - float(np.delete(point, largest).sum()), _DIGITS)
    return point + 0.0
