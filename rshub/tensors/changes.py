"""Changes of one stored tensor, given tile by tile: what each expert wants of it, and what the soup makes of that.

A part is one expert's delta, opened; a change is the mixture. Both are asked for a tile with the values that are stored
there, so that also what an expert holds as absolute values is a difference before it is mixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rshub.errors import IntegrityError
from rshub.tensors.dtypes import Array
from rshub.tensors.factors import Factors, stack
from rshub.tensors.tiles import Scratch, Tile


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
        wanted = product(self.factors, tile, stored, scratch, "delta")
        wanted *= self.scale
        return wanted


@dataclass(frozen=True, kw_only=True)
class Linear:
    """A weighted sum of parts: the low-rank ones stacked into one pair of factors, the others one by one."""

    stacked: Factors | None
    others: tuple[tuple[float, Part], ...] = ()

    @classmethod
    def of(cls, parts: Sequence[tuple[float, Part]]) -> Linear:
        """Stack what can be stacked.

        Raises:
            Incompatible: When a weighted factor is too large for its dtype.
        """
        low = [(weight * part.scale, part.factors) for weight, part in parts if isinstance(part, LowRankPart)]
        others = tuple((weight, part) for weight, part in parts if not isinstance(part, LowRankPart))
        return cls(stacked=stack(low) if low else None, others=others)

    @property
    def factors(self) -> Factors | None:
        """The stacked factors, when there is nothing else."""
        return None if self.others else self.stacked

    def wanted(self, tile: Tile, stored: Array, scratch: Scratch) -> Array:
        """Add the parts up."""
        total = None if self.stacked is None else product(self.stacked, tile, stored, scratch, "wanted")
        for weight, part in self.others:
            delta = part.delta(tile, stored, scratch)
            if total is None:
                total = scratch.take("wanted", tile.count, stored.dtype)
                np.multiply(delta, weight, out=total)
            else:
                delta *= weight
                total += delta
        assert total is not None
        return total

    def refuse_unsound(self, tile: Tile, stored: Array, scratch: Scratch) -> None:
        """Ask the parts one by one; factors were looked at when they were read."""
        refuse_unsound_parts([part for _, part in self.others], tile, stored, scratch)


def refuse_unsound_parts(parts: Sequence[Part], tile: Tile, stored: Array, scratch: Scratch) -> None:
    """Name the first part that is not finite on a tile.

    Raises:
        IntegrityError: When one is not.
    """
    for part in parts:
        if not np.isfinite(part.delta(tile, stored, scratch)).all():
            raise IntegrityError(
                f"{part.label} holds NaN or an infinity",
                where=part.label,
                remedy="leave this expert out, or publish it again from a healthy checkpoint",
            )


def product(factors: Factors, tile: Tile, stored: Array, scratch: Scratch, role: str) -> Array:
    """Form left @ right for a whole tile, in this thread's buffer of a role, and give what is asked for of it."""
    whole = scratch.take(role, tile.stop - tile.start, stored.dtype).reshape(tile.rows, tile.columns)
    rows, columns = slice(tile.row, tile.row + tile.rows), slice(tile.column, tile.column + tile.columns)
    left, right = factors.left[rows], factors.right[:, columns]
    np.matmul(left.astype(stored.dtype, copy=False), right.astype(stored.dtype, copy=False), out=whole)
    return tile.cut(whole)
