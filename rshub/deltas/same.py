"""Whether two deltas are the same change of two tensors that lie alike: decided by bits, never by closeness.

Factors are compared as they lie in the stored tensor, saved tensors and rows by their bytes. What is not recognised as
the same counts as different, which is always sound: it costs a tensor of its own.
"""

from __future__ import annotations

import numpy as np

from rshub.deltas.delta import LowRank
from rshub.deltas.matching import Placement
from rshub.deltas.replaced import Replaced, ReplacedRows, same_bytes


def same_change(first: Placement, second: Placement) -> bool:
    """Say whether two placed deltas change their tensors by the same numbers.

    Raises:
        IntegrityError: When a factor holds NaN or an infinity.
    """
    one, other = first.delta, second.delta
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
