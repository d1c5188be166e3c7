"""The arithmetic on one tensor: read a tile, add a low-rank change, round once.

A tensor is cut into tiles on a grid of its own, and a tile's product is always formed whole, so the result has the same
bits however the file is cut into windows and however many threads work on it. What has 16 bits is worked on in float32,
everything wider in float64. A change of a tensor that holds NaN or an infinity, and a result that the output dtype
cannot hold, are refused by the tensor's name.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from rshub.errors import Incompatible, IntegrityError
from rshub.tensors.delta import Factors
from rshub.tensors.dtypes import FLOATS, Array, largest, working
from rshub.types import TensorName

TILE_ELEMENTS = 1 << 17
TILE_ROWS = 128


class Scratch:
    """Buffers of one thread, reused from tile to tile."""

    def __init__(self) -> None:
        self._buffers: dict[str, bytearray] = {}

    def take(self, role: str, count: int, dtype: np.dtype[np.generic]) -> Array:
        """Give an uninitialised array that is valid until the same role is taken again."""
        size = count * dtype.itemsize
        if len(self._buffers.get(role, b"")) < size:
            self._buffers[role] = bytearray(size)
        return np.frombuffer(self._buffers[role], dtype=dtype, count=count)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Sums over some elements of a changed tensor, for the figures of honesty.

    With D the wanted change and rnd the rounding to the output dtype: ``wanted`` = |D|^2, ``error`` =
    |rnd(theta + D) - theta - D|^2, ``kept`` = <rnd(theta + D) - theta, D>, ``moved`` = elements that changed.
    """

    at: int
    elements: int
    moved: int
    wanted: float
    error: float
    kept: float


@dataclass(kw_only=True)
class TensorRewrite:
    """A tensor that is changed, cast, or both, on its way from the base to the output.

    ``change`` makes the factors when the first window needs them; ``windows`` counts the windows that will, and the
    factors are dropped after the last. ``sampled`` is a range of elements whose sums are taken.
    """

    name: TensorName
    rows: int
    columns: int
    source_dtype: str
    target_dtype: str
    source_start: int
    change: Callable[[], Factors] | None = None
    sampled: range = range(0)
    windows: int = 0
    samples: list[Sample] = field(default_factory=list)
    _factors: Factors | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def render(self, first: int, last: int, source: int, scratch: Scratch, put: Callable[[int, Array], None]) -> None:
        """Compute the output elements [first, last) and hand them over tile by tile.

        Args:
            first: The first element, counted in stored order.
            last: One past the last element.
            source: The file descriptor of the base's shard.
            scratch: This thread's buffers.
            put: Takes the number of the first element and an array in the output dtype.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            self._render(first, last, source, scratch, put)

    def release(self) -> None:
        """Say that one window is done; the factors go with the last."""
        with self._lock:
            self.windows -= 1
            if self.windows <= 0:
                self._factors = None

    def _render(self, first: int, last: int, source: int, scratch: Scratch, put: Callable[[int, Array], None]) -> None:
        work = working(self.source_dtype, self.target_dtype)
        stored = FLOATS[self.source_dtype]
        factors = self._operands(work)
        for start, stop, row, rows, column, columns in self._tiles(first, last):
            low, high = max(first, start), min(last, stop)
            count = high - low
            raw = scratch.take("stored", count, stored)
            self._read(source, raw, low * stored.itemsize)
            values = scratch.take("values", count, work)
            np.copyto(values, raw)
            wanted = None
            if factors is not None:
                product = scratch.take("product", stop - start, work).reshape(rows, columns)
                np.matmul(factors.left[row : row + rows], factors.right[:, column : column + columns], out=product)
                wanted = product.reshape(-1)[low - start : high - start]
                values += wanted
            self._check(values, raw)
            rounded = scratch.take("rounded", count, FLOATS[self.target_dtype])
            np.copyto(rounded, values, casting="unsafe")
            if wanted is not None:
                self._measure(low, raw, wanted, rounded)
            put(low, rounded)

    def _operands(self, work: np.dtype[np.generic]) -> Factors | None:
        if self.change is None:
            return None
        with self._lock:
            if self._factors is None:
                made = self.change()
                self._factors = Factors(
                    left=np.ascontiguousarray(made.left, dtype=work), right=np.ascontiguousarray(made.right, dtype=work)
                )
            return self._factors

    def _tiles(self, first: int, last: int) -> Iterator[tuple[int, int, int, int, int, int]]:
        """Give the tiles that touch [first, last): elements start and stop, then row, rows, column, columns."""
        if self.columns > TILE_ELEMENTS:
            row, at = divmod(first, self.columns)
            column = at - at % TILE_ELEMENTS
            start = row * self.columns + column
            while start < last:
                columns = min(TILE_ELEMENTS, self.columns - column)
                yield start, start + columns, row, 1, column, columns
                start += columns
                row, column = divmod(start, self.columns)
            return
        height = max(1, min(TILE_ROWS, TILE_ELEMENTS // max(1, self.columns)))
        step = height * self.columns
        row = first // step * height
        while row * self.columns < last:
            rows = min(height, self.rows - row)
            yield row * self.columns, (row + rows) * self.columns, row, rows, 0, self.columns
            row += rows

    def _read(self, source: int, into: Array, offset: int) -> None:
        view = into.view(np.uint8).data
        at = 0
        while at < len(view):
            count = os.preadv(source, [view[at:]], self.source_start + offset + at)
            if count == 0:
                raise IntegrityError(
                    f"the base's tensor {self.name} is cut short", where=self.name, remedy="fetch the base again"
                )
            at += count

    def _check(self, values: Array, raw: Array) -> None:
        """Refuse what is not finite in a changed tensor, and finite values that the output dtype cannot hold."""
        limit = largest(self.target_dtype)
        if values.size == 0 or (values.max() <= limit and values.min() >= -limit):
            return
        healthy = np.isfinite(raw.astype(np.float64))
        if self.change is not None and not healthy.all():
            raise IntegrityError(
                f"the base's tensor {self.name} holds NaN or an infinity",
                where=self.name,
                remedy="compose on a healthy base",
            )
        if not (np.abs(values[healthy]) <= limit).all():
            raise Incompatible(
                f"the tensor {self.name} overflows {self.target_dtype}",
                where=self.name,
                remedy="write a wider dtype (--dtype bfloat16 or float32), or use smaller coefficients",
            )

    def _measure(self, low: int, raw: Array, wanted: Array, rounded: Array) -> None:
        start, stop = max(low, self.sampled.start), min(low + len(raw), self.sampled.stop)
        if start >= stop:
            return
        cut = slice(start - low, stop - low)
        before = raw[cut].astype(np.float64)
        change = wanted[cut].astype(np.float64)
        got = rounded[cut].astype(np.float64) - before
        self.samples.append(
            Sample(
                at=start,
                elements=stop - start,
                moved=int(np.count_nonzero(got)),
                wanted=float(change @ change),
                error=float((got - change) @ (got - change)),
                kept=float(got @ change),
            )
        )
