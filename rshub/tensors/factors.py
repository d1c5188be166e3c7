"""Low-rank changes of one tensor, and their algebra without dense products.

A change is ``left @ right`` in the layout of the stored tensor seen as a matrix (its first dimension by all others),
whatever layer it came from: a linear layer, one stored transposed, a convolution or an embedding. Inner products, norms
and the best approximation of lower rank come from the factors; the dense product is never formed here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rshub.errors import Incompatible
from rshub.tensors.dtypes import Array


@dataclass(frozen=True, kw_only=True)
class Factors:
    """A change ``left @ right``: left is (rows, rank), right is (rank, columns)."""

    left: Array
    right: Array

    @property
    def rank(self) -> int:
        """The inner dimension."""
        return int(self.left.shape[1])


def stack(parts: Sequence[tuple[float, Factors]]) -> Factors:
    """Write a weighted sum of changes as one change, exactly: its rank is the sum of the ranks.

    Raises:
        Incompatible: When a weighted factor is too large for float32.
    """
    left = np.concatenate([weighted(coefficient, part.left) for coefficient, part in parts], axis=1)
    right = np.concatenate([part.right for _, part in parts], axis=0)
    return Factors(left=left, right=right)


def weighted(coefficient: float, values: Array) -> Array:
    """Multiply by a number with one rounding; float64 stays float64, everything else is float32.

    Raises:
        Incompatible: When the result overflows.
    """
    with np.errstate(over="ignore"):
        product = (values.astype(np.float64) * coefficient).astype(np.result_type(values, np.float32))
    if not np.isfinite(product).all():
        raise Incompatible(
            f"a factor times {coefficient!r} overflows {product.dtype}",
            remedy="use a smaller coefficient or lora_alpha",
        )
    return np.asarray(product)


def inner_products(parts: Sequence[Factors]) -> Array:
    """Give all inner products <D_i, D_j> of changes of one tensor, float64, from the factors alone.

    <L_i R_i, L_j R_j> = sum of the elements of (L_i^T L_j) * (R_i R_j^T).
    """
    left = np.concatenate([part.left for part in parts], axis=1, dtype=np.float64)
    right = np.concatenate([part.right for part in parts], axis=0, dtype=np.float64)
    grams = (left.T @ left) * (right @ right.T)
    starts = np.cumsum([0, *(part.rank for part in parts[:-1])])
    rows = np.add.reduceat(grams, starts, axis=0)
    return np.asarray(np.add.reduceat(rows, starts, axis=1))


def truncated(change: Factors, rank: int) -> tuple[Factors, float, float]:
    """Give the best change of at most a rank, the energy it loses, and the energy there was.

    Two thin QR factorisations leave a small matrix whose singular values are those of the dense change; energies are
    sums of squared singular values.
    """
    if change.rank <= rank:
        return change, 0.0, float(inner_products([change])[0, 0])
    q_left, r_left = np.linalg.qr(change.left.astype(np.float64))
    q_right, r_right = np.linalg.qr(change.right.T.astype(np.float64))
    u, values, vt = np.linalg.svd(r_left @ r_right.T, full_matrices=False)
    kept = min(rank, len(values))
    roots = np.sqrt(values[:kept])
    signs = np.where(u[np.abs(u[:, :kept]).argmax(axis=0), np.arange(kept)] < 0, -1.0, 1.0)
    left = (q_left @ (u[:, :kept] * (roots * signs))).astype(np.float32)
    right = ((vt[:kept] * (roots * signs)[:, None]) @ q_right.T).astype(np.float32)
    lost, whole = math.fsum(values[kept:] ** 2), math.fsum(values**2)
    return Factors(left=left, right=right), lost, whole
