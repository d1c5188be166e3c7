"""Changes of one stored tensor, given tile by tile: what each expert wants of it, and what the soup makes of that.

A part is one expert's delta, opened; a change is the mixture. Both are asked for a tile with the values that are stored
there, so that also what an expert holds as absolute values is a difference before it is mixed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from rshub.errors import IntegrityError
from rshub.tensors.blas import add_in_one_pass
from rshub.tensors.dtypes import Array
from rshub.tensors.factors import Factors, stack
from rshub.tensors.stored import StoredTensor
from rshub.tensors.tiles import CACHE_LINE, Scratch, Tile

LAST_BITS = 2.0**-50
"""Coefficients whose sum is nearer to one than this sum to one."""

SHORT_BITS = 12
"""A coefficient of so many binary digits times one of eight leaves four of float32's for the sum of a few such."""


class Part(Protocol):
    """One expert's delta of one stored tensor."""

    @property
    def label(self) -> str:
        """What to call the expert in an error."""

    def delta(self, tile: Tile, stored: Array, scratch: Scratch) -> Array:
        """Give the delta of the elements that a tile asks for, flat, in the dtype of ``stored``.

        The array is the caller's to change, and is valid until the next part is asked with the same scratch.
        """


class Change(Protocol):
    """What a soup wants of one stored tensor."""

    @property
    def factors(self) -> Factors | None:
        """The whole change as factors, or None when it is not of that form."""

    def wanted(self, tile: Tile, stored: Array, scratch: Scratch) -> Array:
        """Give the change of the elements that a tile asks for, flat, in the dtype of ``stored``."""

    def refuse_unsound(self, tile: Tile, stored: Array, scratch: Scratch) -> None:
        """Name the expert that makes a tile's change NaN or infinite.

        Raises:
            IntegrityError: When one does.
        """


@dataclass(frozen=True, kw_only=True)
class LowRankPart:
    """A low-rank delta: scale * left @ right."""

    label: str
    factors: Factors
    scale: float

    def delta(self, tile: Tile, stored: Array, scratch: Scratch) -> Array:
        """Form the tile's product whole, and give the part of it that is asked for."""
        wanted = product(self.factors, tile, stored.dtype, scratch, "delta")
        wanted *= self.scale
        return wanted


@dataclass(frozen=True, kw_only=True)
class WholePart:
    """A tensor that takes the place of the stored one: the delta is saved - stored."""

    label: str
    saved: StoredTensor

    def delta(self, tile: Tile, stored: Array, scratch: Scratch) -> Array:
        """Read what is saved for a tile and take off what is stored."""
        values = self.saved.values(tile, stored.dtype, scratch, "whole")
        values -= stored
        return values


@dataclass(frozen=True, kw_only=True)
class Linear:
    """A weighted sum of parts: the low-rank ones stacked into one pair of factors, the others one by one."""

    stacked: Factors | None
    others: tuple[tuple[float, Part], ...] = ()

    @classmethod
    def of(cls, parts: Sequence[tuple[float, Part]]) -> Linear:
        """Stack what can be stacked, and blend what is whole.

        Raises:
            Incompatible: When a weighted factor is too large for its dtype.
        """
        low = [(coefficient * part.scale, part.factors) for coefficient, part in parts if isinstance(part, LowRankPart)]
        others = tuple((coefficient, part) for coefficient, part in parts if not isinstance(part, LowRankPart))
        kind = Blend if any(isinstance(part, WholePart) for _, part in others) else cls
        return kind(stacked=spread(stack(low)) if low else None, others=others)

    @property
    def factors(self) -> Factors | None:
        """The stacked factors, when there is nothing else."""
        return None if self.others else self.stacked

    def wanted(self, tile: Tile, stored: Array, scratch: Scratch) -> Array:
        """Add the parts up."""
        total = None if self.stacked is None else product(self.stacked, tile, stored.dtype, scratch, "wanted")
        for coefficient, part in self.others:
            delta = part.delta(tile, stored, scratch)
            if total is None:
                total = scratch.take("wanted", tile.count, stored.dtype)
                np.multiply(delta, coefficient, out=total)
            else:
                delta *= coefficient
                total += delta
        assert total is not None
        return total

    def mix(self, tile: Tile, values: Array, scratch: Scratch) -> None:
        """Add the parts up onto the values that are stored under a tile: the same bits as ``wanted``, added.

        Where there are factors alone the values of a whole tile may be a matrix.
        """
        if values.ndim == 2:
            assert self.factors is not None
            add_product(self.factors, tile, values, scratch)
        else:
            values += self.wanted(tile, values, scratch)

    def refuse_unsound(self, tile: Tile, stored: Array, scratch: Scratch) -> None:
        """Ask the parts one by one; factors were looked at when they were read."""
        refuse_unsound_parts([part for _, part in self.others], tile, stored, scratch)


class Blend(Linear):
    """A weighted sum with whole tensors in it, which are mixed as they are.

    theta_0 + sum of c_i (theta_i - theta_0) = (1 - sum of c_i) theta_0 + sum of c_i theta_i: where the coefficients sum
    to one, theta_0 is not even read, and a coefficient of one gives the expert's own bits.

    Mixtures of rounded numbers lie on a lattice: with 0.3 and 0.7, one in some hundreds is a tie of the last rounding,
    which the error of a float32 sum would decide. So sums are formed in float64, but for coefficients like 0.5, whose
    products with bfloat16 numbers are exact in float32.
    """

    @cached_property
    def kept(self) -> float:
        """The share of theta_0 beside the whole tensors."""
        left = 1.0 - math.fsum(coefficient for coefficient, _ in self._wholes)
        return 0.0 if abs(left) < LAST_BITS else left

    @cached_property
    def needs_stored(self) -> bool:
        """Whether the mixture depends on theta_0."""
        return self.kept != 0 or len(self._wholes) < len(self.others)

    @cached_property
    def _wholes(self) -> Sequence[tuple[float, WholePart]]:
        return [(coefficient, part) for coefficient, part in self.others if isinstance(part, WholePart)]

    @cached_property
    def _beside(self) -> Linear | None:
        """All that is mixed as differences, if there is anything."""
        parts = tuple((coefficient, part) for coefficient, part in self.others if not isinstance(part, WholePart))
        return Linear(stacked=self.stacked, others=parts) if self.stacked or parts else None

    @cached_property
    def _short(self) -> bool:
        """Whether sums in float32 are as good as any."""
        return all(map(is_short, (self.kept, *(coefficient for coefficient, _ in self._wholes))))

    def mix(self, tile: Tile, values: Array, scratch: Scratch) -> None:
        """Turn the values that are stored under a tile into the mixed ones; unless needed, they may be anything."""
        change = self._beside.wanted(tile, values, scratch) if self._beside else None
        kept = self.kept
        total = values if self._short else scratch.take("blended", tile.count, np.dtype(np.float64))
        if kept:
            np.multiply(values, kept, out=total, dtype=total.dtype)
        for number, (coefficient, part) in enumerate(self._wholes):
            first = number == 0 and not kept
            into = total if first else scratch.take("whole", tile.count, total.dtype)
            part.saved.load(tile, into, scratch, "whole")
            if coefficient != 1:
                into *= coefficient
            if not first:
                total += into
        if change is not None:
            total += change
        if total is not values:
            np.copyto(values, total, casting="same_kind")


def is_short(coefficient: float) -> bool:
    """Say whether a coefficient times a bfloat16 number is exact in float32, with digits to spare for a sum."""
    return math.ldexp(math.frexp(coefficient)[0], SHORT_BITS).is_integer()


def refuse_unsound_parts(parts: Sequence[Part], tile: Tile, stored: Array, scratch: Scratch) -> None:
    """Name the first part that is not finite on a tile.

    Raises:
        IntegrityError: When one is not.
    """
    for part in parts:
        refuse_not_finite(part.label, part.delta(tile, stored, scratch))


def refuse_not_finite(label: str, values: Array) -> None:
    """Refuse an expert by what it brings; ``label`` says whose it is, and which tensor.

    Raises:
        IntegrityError: When a value is NaN or infinite.
    """
    if not np.isfinite(values).all():
        raise IntegrityError(
            f"{label} holds NaN or an infinity",
            where=label,
            remedy="leave this expert out, or publish it again from a healthy checkpoint",
        )


def spread(factors: Factors) -> Factors:
    """Lay the rows of the right factor a cache line further apart than they are long."""
    right = factors.right
    apart = np.empty((right.shape[0], right.shape[1] + CACHE_LINE // right.itemsize), right.dtype)[:, : right.shape[1]]
    apart[:] = right
    return Factors(left=factors.left, right=apart)


def add_product(factors: Factors, tile: Tile, values: Array, scratch: Scratch) -> None:
    """Add left @ right to a whole tile, a matrix: the same bits as of ``product``, in one pass where that can be."""
    left, right = _sides(factors, tile, values.dtype)
    if not add_in_one_pass(left, right, values):
        values += _product(factors, tile, values.dtype, scratch)


def product(factors: Factors, tile: Tile, work: np.dtype[Any], scratch: Scratch, role: str) -> Array:
    """Form left @ right for a whole tile, and give what is asked for of it, flat, in this thread's buffer of a role."""
    flat = scratch.take(role, tile.stop - tile.start, work)
    np.copyto(flat.reshape(tile.rows, tile.columns), _product(factors, tile, work, scratch))
    return tile.cut(flat)


def _product(factors: Factors, tile: Tile, work: np.dtype[Any], scratch: Scratch) -> Array:
    """Form left @ right for a whole tile; its rows lie apart in this thread's buffer."""
    whole, _ = scratch.matrix("product", tile.rows, tile.columns, work)
    return np.matmul(*_sides(factors, tile, work), out=whole)


def _sides(factors: Factors, tile: Tile, work: np.dtype[Any]) -> tuple[Array, Array]:
    """Give the rows of left and the columns of right that a tile takes."""
    rows, columns = slice(tile.row, tile.row + tile.rows), slice(tile.column, tile.column + tile.columns)
    return factors.left[rows].astype(work, copy=False), factors.right[:, columns].astype(work, copy=False)
