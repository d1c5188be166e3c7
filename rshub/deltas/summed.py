"""Several changes that one expert makes to one tensor, as one delta: their sum.

A bias that was saved and one inside the adapter, or a saved embedding under its factors, are such changes. What does
not add up (rows that take the place of others, what is relative to a length) is refused before it comes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rshub.deltas.delta import Delta, Layout
from rshub.tensors.changes import Part
from rshub.tensors.dtypes import Array
from rshub.tensors.stored import StoredTensor
from rshub.tensors.tiles import Scratch, Tile
from rshub.types import TensorName


@dataclass(frozen=True, kw_only=True)
class Summed:
    """The sum of deltas of one expert."""

    deltas: tuple[Delta, ...]

    @property
    def label(self) -> str:
        """What to call the expert in an error."""
        return self.deltas[0].label

    @property
    def first_name(self) -> TensorName:
        """The first delta's first name."""
        return self.deltas[0].first_name

    def open(self, stored: StoredTensor | None, layout: Layout, work: np.dtype[Any]) -> Part:
        """Open all of them."""
        return SummedPart(parts=tuple(delta.open(stored, layout, work) for delta in self.deltas))


@dataclass(frozen=True, kw_only=True)
class SummedPart:
    """The sum of parts."""

    parts: Sequence[Part]

    @property
    def label(self) -> str:
        """All labels, because any of them may be unsound."""
        return ", or ".join(part.label for part in self.parts)

    def delta(self, tile: Tile, stored: Array, scratch: Scratch) -> Array:
        """Add the parts up."""
        total = scratch.take("summed", tile.count, stored.dtype)
        total[:] = 0
        for part in self.parts:
            total += part.delta(tile, stored, scratch)
        return total
