"""One tensor in a file, opened: read by ranges of elements, whole only where its reader asks for that."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rshub.errors import IntegrityError
from rshub.formats.header import TensorSpan
from rshub.tensors.dtypes import FLOATS, Array
from rshub.tensors.tiles import Grid, Scratch, Tile
from rshub.types import TensorName


class StoredTensor:
    """A floating-point tensor on disk; the file stays open as long as this lives.

    Args:
        path: The safetensors file.
        name: The tensor's name, for errors.
        span: Where it lies in the file, its dtype and shape.
    """

    def __init__(self, path: Path, name: TensorName, span: TensorSpan) -> None:
        self.path = path
        self.name = name
        self.dtype = span.dtype
        rows = span.shape[0] if span.shape else 1
        columns = int(np.prod(span.shape[1:], dtype=np.int64))
        self.grid = Grid(rows=rows, columns=columns)
        self._start = span.start
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def read(self, first: int, into: Array) -> None:
        """Fill an array of the stored dtype with the elements from ``first`` on.

        Raises:
            IntegrityError: When the file has become shorter.
        """
        read_exactly(self._file, into, self._start + first * into.itemsize, f"the tensor {self.name} of {self.path}")

    def values(self, tile: Tile, work: np.dtype[Any], scratch: Scratch, role: str) -> Array:
        """Give the elements that a tile asks for, in a working dtype, in this thread's buffer of that role."""
        values = scratch.take(role, tile.count, work)
        self.load(tile, values, scratch, role)
        return values

    def load(self, tile: Tile, into: Array, scratch: Scratch, role: str) -> None:
        """Put the elements that a tile asks for into an array of a working dtype."""
        raw = scratch.take(f"{role} as stored", tile.count, FLOATS[self.dtype])
        self.read(tile.low, raw)
        np.copyto(into, raw)

    def walk(
        self, work: np.dtype[Any], scratch: Scratch, first: int = 0, last: int | None = None
    ) -> Iterator[tuple[Tile, Array]]:
        """Give tile after tile of a range of elements with its values, which are valid until the next."""
        for tile in self.grid.tiles(first, self.grid.size if last is None else last):
            yield tile, self.values(tile, work, scratch, "walked")


def read_exactly(file: int, into: Array, offset: int, what: str) -> None:
    """Fill an array from a file.

    Raises:
        IntegrityError: When the file ends before.
    """
    view = into.view(np.uint8).data
    at = 0
    while at < len(view):
        count = os.preadv(file, [view[at:]], offset + at)
        if count == 0:
            raise IntegrityError(f"{what} is cut short", where=what, remedy="fetch it again")
        at += count
