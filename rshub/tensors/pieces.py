"""What an output file is made of: literal bytes, ranges of a source file, and tensors that are rewritten.

Pieces follow one another without a hole. Nothing here reads or writes.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rshub.formats.header import span_bytes
from rshub.tensors.dtypes import FLOATS
from rshub.tensors.kernels import TensorRewrite

PAGE = 4096
"""Bytes: what begins and ends with a page can be written past the page cache."""


@dataclass(frozen=True, kw_only=True)
class Literal:
    """Bytes that are known: a header."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        """One past the last byte in the output."""
        return self.start + len(self.data)


@dataclass(frozen=True, kw_only=True)
class Verbatim:
    """A byte range that is copied from the source file, beginning at ``source_start``."""

    start: int
    end: int
    source_start: int


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """A tensor that is changed or cast; it begins at ``start`` in the output."""

    start: int
    tensor: TensorRewrite

    @property
    def end(self) -> int:
        """One past the last byte in the output."""
        return self.start + span_bytes(self.tensor.target_dtype, (self.tensor.rows, self.tensor.columns))

    def edge(self, at: int) -> int:
        """Give the place, at a byte or before it, where a tile begins."""
        size = FLOATS[self.tensor.target_dtype].itemsize
        return self.start + self.tensor.grid.tile_start((at - self.start) // size) * size


Piece = Literal | Verbatim | Rewritten


@dataclass(frozen=True, kw_only=True)
class FilePlan:
    """An output file: its pieces in order, without a hole, and the file that they come from."""

    name: str
    source: Path
    pieces: Sequence[Piece]

    @property
    def size(self) -> int:
        """The size of the output (bytes)."""
        return self.pieces[-1].end if self.pieces else 0

    def windows(self, most: int) -> list[range]:
        """Cut the output into windows of at most so many bytes: between tiles where it can be, else between pages.

        A tile that is cut is made for both windows.
        """
        ends = [piece.end for piece in self.pieces]
        found: list[range] = []
        low = 0
        while low < self.size or not found:
            high = low + most
            if high < self.size:
                piece = self.pieces[bisect.bisect_right(ends, high)]
                edge = piece.edge(high) if isinstance(piece, Rewritten) else high - high % PAGE
                high = edge if edge > low else high
            found.append(range(low, min(high, self.size)))
            low = high
        return found
