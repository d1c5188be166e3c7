"""The grid on which a tensor is worked: tiles that never depend on how a file is cut or how many threads there are.

A tile's product is always formed whole, so the result has the same bits wherever the edges of a window fall.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rshub.tensors.dtypes import Array

TILE_ELEMENTS = 1 << 18
TILE_ROWS = 256

CACHE_LINE = 64
"""Rows of a product lie one cache line further apart than they are long (bytes): rows that begin whole pages apart
evict each other from the nearest cache, which costs a third of the time of a product."""


class Scratch:
    """Buffers of one thread, reused from tile to tile."""

    def __init__(self) -> None:
        self._buffers: dict[str, bytearray] = {}
        self._shapes: dict[str, tuple[int, int, np.dtype[Any]]] = {}

    def take(self, role: str, count: int, dtype: np.dtype[Any]) -> Array:
        """Give an uninitialised array that is valid until the same role is taken again."""
        size = count * dtype.itemsize
        if len(self._buffers.get(role, b"")) < size:
            self._buffers[role] = bytearray(size)
        return np.frombuffer(self._buffers[role], dtype=dtype, count=count)

    def matrix(self, role: str, rows: int, columns: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
        """Give an uninitialised matrix whose rows lie apart, and all that it lies in, flat, with zeros between rows.

        The role is one of matrices alone, and nothing but the matrix may be written.
        """
        apart = columns + CACHE_LINE // dtype.itemsize
        whole = self.take(role, rows * apart, dtype)
        lines = whole.reshape(rows, apart)
        if self._shapes.get(role) != (rows, columns, dtype):
            lines[:, columns:] = 0
            self._shapes[role] = rows, columns, dtype
        return lines[:, :columns], whole


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """A block of a tensor and the part of it that is asked for.

    The block holds ``rows`` rows from ``row`` and ``columns`` columns from ``column``, which are the elements
    [start, stop) in stored order; asked for are the elements [low, high) of them.
    """

    start: int
    stop: int
    row: int
    rows: int
    column: int
    columns: int
    low: int
    high: int

    @property
    def count(self) -> int:
        """How many elements are asked for."""
        return self.high - self.low

    @property
    def whole(self) -> bool:
        """Whether all of the block is asked for."""
        return self.low == self.start and self.high == self.stop

    def rows_of(self, low: int, high: int) -> Tile:
        """Give the rows that hold the elements [low, high), which are asked for."""
        if self.columns == 0:
            return replace(self, low=low, high=high)
        first, last = (low - self.start) // self.columns, -(-(high - self.start) // self.columns)
        start = self.start + first * self.columns
        return replace(
            self, start=start, stop=self.start + last * self.columns, row=self.row + first, rows=last - first, low=low,
            high=high,
        )  # fmt: skip

    def cut(self, whole: Array) -> Array:
        """Give the elements that are asked for, flat, of an array that holds the whole block."""
        return whole.reshape(-1)[self.low - self.start : self.high - self.start]

    def place(self) -> Array:
        """Give the row of each element that is asked for."""
        if self.columns == 0:
            return np.zeros(0, np.intp)
        return self.row + np.arange(self.low - self.start, self.high - self.start) // self.columns


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The shape of a stored tensor as a matrix: its first dimension by all others."""

    rows: int
    columns: int

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.rows * self.columns

    @property
    def height(self) -> int:
        """How many rows a tile has that is not cut by the tensor's end."""
        return max(1, min(TILE_ROWS, TILE_ELEMENTS // max(1, self.columns)))

    def tile_start(self, element: int) -> int:
        """Give the first element of the tile that holds an element."""
        if self.columns > TILE_ELEMENTS:
            row, column = divmod(element, self.columns)
            return row * self.columns + column - column % TILE_ELEMENTS
        return element - element % max(1, self.height * self.columns)

    def tiles(self, first: int, last: int) -> Iterator[Tile]:
        """Give the tiles that touch the elements [first, last), in order."""
        if self.columns > TILE_ELEMENTS:
            start = self.tile_start(first)
            row, column = divmod(start, self.columns)
            while start < last:
                columns = min(TILE_ELEMENTS, self.columns - column)
                yield self._block(row, 1, column, columns, range(first, last))
                start += columns
                row, column = divmod(start, self.columns)
            return
        row = self.tile_start(first) // max(1, self.columns)
        while row * self.columns < last:
            rows = min(self.height, self.rows - row)
            yield self._block(row, rows, 0, self.columns, range(first, last))
            row += rows

    def _block(self, row: int, rows: int, column: int, columns: int, asked: range) -> Tile:
        start = row * self.columns + column
        stop = start + rows * columns
        return Tile(
            start=start, stop=stop, row=row, rows=rows, column=column, columns=columns,
            low=max(asked.start, start), high=min(asked.stop, stop),
        )  # fmt: skip
