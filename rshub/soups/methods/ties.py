"""``ties``: deltas are trimmed to their largest elements, signs are elected, and what agrees is averaged.

With T_i the delta of an expert in which, tensor by tensor, the ``density`` share of largest magnitude is kept (the
whole-number part of density, as the decimal that it was given as, times the number of elements, at least one; all
elements that are equal in magnitude to the last of them are kept too) and v_i = lambda_i T_i: the elected sign of an
element is that of sum_i v_i, and the change is

    (sum_i |lambda_i|) * (sum of v_i that have the elected sign) / (sum of |lambda_i| of these).

For equal coefficients that is the published disjoint mean, scaled by the sum of the coefficients. Coefficients enter as
votes and as shares of the mean; an expert that leaves a tensor alone counts in the scale only, as zeros do when
published. Where the signs balance exactly nothing is elected and nothing changes, so that opposite coefficients give
the opposite change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from rshub.soups.methods.method import Method, Options, Setting, Share
from rshub.tensors.changes import Part, refuse_not_finite, refuse_unsound_parts
from rshub.tensors.dtypes import Array
from rshub.tensors.factors import Factors
from rshub.tensors.tiles import Scratch, Tile

DIGIT_BITS = 16
"""The magnitude of a float is looked at so many bits at a time, from the top."""


@dataclass(frozen=True, kw_only=True)
class Voter:
    """One expert's delta of one tensor, with the smallest magnitude that is kept of it."""

    coefficient: float
    part: Part
    least: float


@dataclass(frozen=True, kw_only=True)
class Election:
    """The change that trimmed deltas with the elected signs make."""

    voters: tuple[Voter, ...]
    scale: float

    @property
    def factors(self) -> Factors | None:
        """None: what is chosen element by element has no factors."""
        return None

    def wanted(self, tile: Tile, stored: Array, scratch: Scratch) -> Array:
        """Add up what votes for either sign, then take the side that won."""
        up, down, for_up, for_down = arrays = [
            scratch.take(f"ties {role}", tile.count, stored.dtype) for role in ("up", "down", "for up", "for down")
        ]
        for array in arrays:
            array.fill(0)
        for voter in self.voters:
            votes = voter.part.delta(tile, stored, scratch)
            votes[np.abs(votes) < voter.least] = 0
            votes *= voter.coefficient
            up += np.maximum(votes, 0)
            down += np.minimum(votes, 0)
            for_up += (votes > 0) * abs(voter.coefficient)
            for_down += (votes < 0) * abs(voter.coefficient)
        balance = up + down
        total = scratch.take("wanted", tile.count, stored.dtype)
        total.fill(0)
        np.divide(up, for_up, out=total, where=balance > 0)
        np.divide(down, for_down, out=total, where=balance < 0)
        total *= self.scale
        total[np.isnan(balance)] = np.nan
        return total

    def refuse_unsound(self, tile: Tile, stored: Array, scratch: Scratch) -> None:
        """Ask the experts one by one."""
        refuse_unsound_parts([voter.part for voter in self.voters], tile, stored, scratch)


def mix_by_election(shares: Sequence[Share], setting: Setting) -> Election:
    """Trim, elect signs, and average what agrees."""
    voters = []
    for share in shares:
        key = ("ties", setting.tensor, share.content, setting.work)
        if key not in setting.memo:
            setting.memo[key] = least_kept(share.part, setting)
        voters.append(Voter(coefficient=share.coefficient, part=share.part, least=setting.memo[key]))
    return Election(voters=tuple(voters), scale=setting.total)


def least_kept(part: Part, setting: Setting) -> float:
    """Find the magnitude of the last element that is kept, exactly, in memory that does not grow with the tensor.

    Magnitudes of floats are ordered as their bits are: one pass over the tensor counts the upper bits, the next those
    below among the magnitudes that share the upper bits of the one that is looked for, until all bits are known.

    Raises:
        IntegrityError: When the delta holds NaN or an infinity.
    """
    assert setting.options.density is not None
    size = setting.grid.size
    before = size - kept_of(size, setting.options.density)
    if before <= 0:
        return 0.0
    whole = np.dtype(f"u{setting.work.itemsize}")
    found, shift = 0, 8 * setting.work.itemsize
    while shift:
        shift -= DIGIT_BITS
        counts = _count_digits(part, setting, whole, found, shift)
        digit = int(np.searchsorted(np.cumsum(counts), before, side="right"))
        before -= int(counts[:digit].sum())
        found = (found << DIGIT_BITS) | digit
    return float(np.array(found, whole).view(setting.work))


def kept_of(size: int, density: float) -> int:
    """Say how many of a tensor's elements are kept.

    0.29 of 100 are 29, though the float that is nearest to 0.29 is a little less.
    """
    return max(1, int(Fraction(str(density)) * size))


def _count_digits(part: Part, setting: Setting, whole: np.dtype[np.unsignedinteger], found: int, shift: int) -> Array:
    """Count the values of one digit among the magnitudes whose digits above it are the ones found so far."""
    counts = np.zeros(1 << DIGIT_BITS, np.int64)
    scratch = Scratch()
    for tile, values in setting.walk([part], scratch):
        magnitudes = np.abs(part.delta(tile, values, scratch))
        refuse_not_finite(part.label, magnitudes)
        bits = magnitudes.view(whole) >> whole.type(shift)
        if shift + DIGIT_BITS < 8 * whole.itemsize:
            bits = bits[bits >> whole.type(DIGIT_BITS) == found]
        counts += np.bincount((bits & whole.type((1 << DIGIT_BITS) - 1)).astype(np.intp), minlength=1 << DIGIT_BITS)
    return counts


TIES = Method(
    name="ties",
    source="Yadav et al., TIES-Merging (NeurIPS 2023), per tensor, with the coefficients as votes",
    mix=mix_by_election,
    laws=("zero", "order", "splitting", "bytes"),
    ranks="full",
    defaults=Options(density=0.2),
    from_base=True,
)
