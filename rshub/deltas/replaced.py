"""Whole tensors, or rows of one, that an expert saved beside or instead of factors: absolute values, read as deltas.

What is saved takes the place of what is stored, so the delta is saved - stored, formed tile by tile from the ranges of
the expert's file. Both have one shape; whoever places such a delta has checked that.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import numpy as np

from rshub.deltas.delta import Layout, open_tensor
from rshub.tensors.changes import Part, WholePart
from rshub.tensors.dtypes import FLOATS, Array
from rshub.tensors.stored import StoredTensor
from rshub.tensors.tensor_file import TensorFile, same_stored
from rshub.tensors.tiles import Scratch, Tile
from rshub.types import TensorName


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """A tensor of the same shape as the stored one, which takes its place."""

    label: str
    file: TensorFile
    name: TensorName

    @property
    def first_name(self) -> TensorName:
        """The tensor's name in the expert's file."""
        return self.name

    def open(self, stored: StoredTensor | None, layout: Layout, work: np.dtype[Any]) -> Part:  # noqa: ARG002 - absolute
        """Open the expert's file."""
        return WholePart(label=f"{self.label}: the tensor {self.name}", saved=open_tensor(self.file, self.name))


@dataclass(frozen=True, kw_only=True)
class ReplacedRows:
    """Rows that take the place of some rows of the stored tensor: the n-th saved one that of row ``rows[n]``."""

    label: str
    file: TensorFile
    name: TensorName
    rows: tuple[int, ...]

    @property
    def first_name(self) -> TensorName:
        """The tensor's name in the expert's file."""
        return self.name

    def open(self, stored: StoredTensor | None, layout: Layout, work: np.dtype[Any]) -> Part:  # noqa: ARG002 - absolute
        """Open the expert's file."""
        order = sorted(range(len(self.rows)), key=self.rows.__getitem__)
        return ReplacedRowsPart(
            label=f"{self.label}: the tensor {self.name}",
            saved=open_tensor(self.file, self.name),
            rows=tuple(self.rows[number] for number in order),
            order=tuple(order),
        )


@dataclass(frozen=True, kw_only=True)
class ReplacedRowsPart:
    """The difference in some rows; ``rows`` are sorted, and row ``rows[n]`` is saved as the ``order[n]``-th."""

    label: str
    saved: StoredTensor
    rows: tuple[int, ...]
    order: tuple[int, ...]

    def delta(self, tile: Tile, stored: Array, scratch: Scratch) -> Array:
        """Give zeros but in the rows that are saved."""
        delta = scratch.take("replacing rows", tile.count, stored.dtype)
        delta[:] = 0
        columns = self.saved.grid.columns
        for number in range(bisect_left(self.rows, tile.row), bisect_left(self.rows, tile.row + tile.rows)):
            start = self.rows[number] * columns
            low, high = max(start, tile.low), min(start + columns, tile.high)
            if low < high:
                raw = scratch.take("replacing rows as stored", high - low, FLOATS[self.saved.dtype])
                self.saved.read(self.order[number] * columns + low - start, raw)
                at = slice(low - tile.low, high - tile.low)
                np.subtract(raw.astype(stored.dtype), stored[at], out=delta[at])
        return delta


def same_bytes(file: TensorFile, name: TensorName, other_file: TensorFile, other_name: TensorName) -> bool:
    """Compare two saved tensors piece by piece."""
    return same_stored(file.path, file.tensors[name], other_file.path, other_file.tensors[other_name])
