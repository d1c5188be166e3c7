"""The arithmetic on one tensor: read a tile, add its change, round once.

A change of a tensor that holds NaN or an infinity, and a result that the output dtype cannot hold, are refused by the
tensor's name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rshub.errors import Incompatible, IntegrityError
from rshub.tensors.changes import Blend, Change, Linear
from rshub.tensors.dtypes import FLOATS, Array, largest
from rshub.tensors.stored import read_exactly
from rshub.tensors.tiles import Grid, Scratch, Tile
from rshub.types import TensorName


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

    ``work`` is the dtype of all sums. ``change`` makes the change ready when the first window needs it; ``windows``
    counts the windows that will, and it is dropped after the last. ``sampled`` is a range of elements whose sums are
    taken.
    """

    name: TensorName
    rows: int
    columns: int
    source_dtype: str
    target_dtype: str
    source_start: int
    work: np.dtype[Any]
    change: Callable[[], Change] | None = None
    sampled: range = range(0)
    windows: int = 0
    samples: list[Sample] = field(default_factory=list)
    _ready: Change | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def grid(self) -> Grid:
        """The tiles that it is worked in."""
        return Grid(rows=self.rows, columns=self.columns)

    def render(self, first: int, into: Array, source: int, scratch: Scratch) -> None:
        """Compute output elements, tile by tile.

        Args:
            first: The number of the first element, counted in stored order.
            into: Where they go, in the output dtype; what is stored is read into it where that is of one dtype.
            source: The file descriptor of the base's shard.
            scratch: This thread's buffers.
        """
        change = self._opened()
        with np.errstate(over="ignore", invalid="ignore"):
            for tile in self.grid.tiles(first, first + len(into)):
                self._tile(tile, into[tile.low - first : tile.high - first], change, source, scratch)

    def release(self) -> None:
        """Say that one window is done; the change goes with the last."""
        with self._lock:
            self.windows -= 1
            if self.windows <= 0:
                self._ready = None

    def _tile(self, tile: Tile, into: Array, change: Change | None, source: int, scratch: Scratch) -> None:
        seen = slice(max(tile.low, self.sampled.start) - tile.low, max(0, min(tile.high, self.sampled.stop) - tile.low))
        sampled = seen.start < seen.stop
        part = tile.rows_of(tile.low + seen.start, tile.low + seen.stop) if sampled else None
        matrix = isinstance(change, Linear) and change.factors is not None and tile.whole
        if matrix:
            values, flat = scratch.matrix("matrix", tile.rows, tile.columns, self.work)
        else:
            values = flat = scratch.take("values", tile.count, self.work)
        before = wanted = raw = None
        if not isinstance(change, Blend) or change.needs_stored:
            stored = FLOATS[self.source_dtype]
            raw = into if into.dtype == stored else scratch.take("stored", tile.count, stored)
            self._read(source, tile.low, raw)
            np.copyto(values, raw.reshape(values.shape))
        if isinstance(change, Linear):
            if part is not None:
                before = self._values(source, part, self.work) if raw is None else raw[seen].astype(self.work)
                wanted = change.wanted(part, before, scratch).astype(np.float64)
            change.mix(tile, values, scratch)
        elif change is not None:
            whole = change.wanted(tile, values, scratch)
            if part is not None:
                before, wanted = values[seen].copy(), whole[seen].astype(np.float64)
            values += whole
        if not self._holds(flat):
            self._refuse(values.reshape(-1), tile, change, source, scratch)
        np.copyto(into.reshape(values.shape), values, casting="unsafe")
        if before is not None and wanted is not None:
            self._measure(tile.low + seen.start, before.astype(np.float64), wanted, into[seen])

    def _values(self, source: int, tile: Tile, work: np.dtype[Any]) -> Array:
        """Read what is stored of a tile once more."""
        raw = np.empty(tile.count, FLOATS[self.source_dtype])
        self._read(source, tile.low, raw)
        return raw.astype(work)

    def _read(self, source: int, low: int, into: Array) -> None:
        read_exactly(source, into, self.source_start + low * into.itemsize, f"the base's tensor {self.name}")

    def _opened(self) -> Change | None:
        if self.change is None:
            return None
        with self._lock:
            if self._ready is None:
                self._ready = self.change()
            return self._ready

    def _holds(self, values: Array) -> bool:
        """Say whether all values are finite, and none is too large for the output dtype."""
        limit = largest(self.target_dtype)
        return bool(values @ values <= limit or np.abs(values).max(initial=0) <= limit)  # no square is above their sum

    def _refuse(self, values: Array, tile: Tile, change: Change | None, source: int, scratch: Scratch) -> None:
        """Refuse what is not finite in a changed tensor, and finite values that the output dtype cannot hold."""
        limit = largest(self.target_dtype)
        before = self._values(source, tile, values.dtype)
        healthy = np.isfinite(before)
        if change is not None:
            if not healthy.all():
                raise IntegrityError(
                    f"the base's tensor {self.name} holds NaN or an infinity",
                    where=self.name,
                    remedy="compose on a healthy base",
                )
            change.refuse_unsound(tile, before, scratch)
        if not (np.abs(values[healthy]) <= limit).all():
            wider = "write a wider dtype (--dtype bfloat16 or float32), or " if self.target_dtype == "F16" else ""
            raise Incompatible(
                f"the tensor {self.name} overflows {self.target_dtype}",
                where=self.name,
                remedy=f"{wider}use smaller coefficients",
            )

    def _measure(self, at: int, before: Array, wanted: Array, rounded: Array) -> None:
        got = rounded.astype(np.float64) - before
        self.samples.append(
            Sample(
                at=at,
                elements=len(got),
                moved=int(np.count_nonzero(got)),
                wanted=float(wanted @ wanted),
                error=float((got - wanted) @ (got - wanted)),
                kept=float(got @ wanted),
            )
        )
