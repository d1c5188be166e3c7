"""The best change of a rank for a change that has no factors: a dense matrix, one at a time.

The eigenvectors of the smaller of M M^T and M^T M, taken in float64, span the best subspace; the matrix is projected on
it. Energies are sums of squared singular values, exact to the precision of float64 beside the largest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from rshub.tensors.dtypes import Array
from rshub.tensors.factors import Factors

STRIP = 1 << 11
"""So many lines of the longer side are in float64 at once."""


def nearest_of_rank(dense: Array, rank: int) -> tuple[Factors, float, float]:
    """Give the best change of at most a rank, the energy it loses, and the energy there was.

    Source: Eckart and Young, The approximation of one matrix by another of lower rank (Psychometrika 1936).
    """
    wide = dense if dense.shape[0] <= dense.shape[1] else dense.T
    short = len(wide)
    gram = np.zeros((short, short))
    for strip in _strips(wide):
        gram += strip @ strip.T
    values, vectors = np.linalg.eigh(gram)
    kept = min(rank, short)
    basis = vectors[:, ::-1][:, :kept]
    basis = basis * np.where(basis[np.abs(basis).argmax(axis=0), np.arange(kept)] < 0, -1.0, 1.0)
    projected = np.concatenate([basis.T @ strip for strip in _strips(wide)], axis=1)
    roots = np.sqrt(np.linalg.norm(projected, axis=1))
    left = (basis * roots).astype(np.float32)
    right = (projected / np.where(roots > 0, roots, 1.0)[:, None]).astype(np.float32)
    lost, whole = math.fsum(np.maximum(values[: short - kept], 0.0)), float(np.trace(gram))
    if wide is not dense:
        left, right = right.T, left.T
    return Factors(left=left, right=right), lost, whole


def _strips(wide: Array) -> Iterator[Array]:
    for at in range(0, wide.shape[1], STRIP):
        yield wide[:, at : at + STRIP].astype(np.float64)
