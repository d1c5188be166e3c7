"""Whether two deltas are the same change of two tensors that lie alike: decided by bits, never by closeness.

Factors are compared as they lie in the stored tensor, saved tensors and rows by their bytes. What is not recognised as
the same counts as different, which is always sound: it costs a tensor of its own.
"""

from __future__ import annotations

import numpy as np

from rshub.deltas.delta import Delta, LowRank
from rshub.deltas.matching import Placement
from rshub.deltas.replaced import Replaced, ReplacedRows, same_bytes
from rshub.deltas.summed import Summed


def same_change(first: Placement, second: Placement) -> bool:
    """Say whether two placed deltas change their tensors by the same numbers.

    Raises:
        IntegrityError: When a factor holds NaN or an infinity.
    """
    mine, its = _terms(first), _terms(second)
    if len(mine) != len(its):
        return False
    left = list(its)
    for one in mine:
        twin = next((other for other in left if _same(one, other, first, second)), None)
        if twin is None:
            return False
        left.remove(twin)
    return True


def _terms(placement: Placement) -> tuple[Delta, ...]:
    return placement.delta.deltas if isinstance(placement.delta, Summed) else (placement.delta,)


def _same(one: Delta, other: Delta, first: Placement, second: Placement) -> bool:
    """Compare two deltas that are no sums."""
    if isinstance(one, LowRank) and isinstance(other, LowRank):
        if one.rank != other.rank or one.scale != other.scale:
            return False
        work = np.dtype(np.float64)
        mine, its = one.factors(first.layout, work), other.factors(second.layout, work)
        return np.array_equal(mine.left, its.left) and np.array_equal(mine.right, its.right)
    if isinstance(one, ReplacedRows) and isinstance(other, ReplacedRows):
        return one.rows == other.rows and same_bytes(one.file, one.name, other.file, other.name)
    if isinstance(one, Replaced) and isinstance(other, Replaced):
        return same_bytes(one.file, one.name, other.file, other.name)
    return False
