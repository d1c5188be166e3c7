"""The arithmetic on one tensor: read a tile, add its change, round once.

What has 16 bits is worked on in float32, everything wider in float64. A change of a tensor that holds NaN or an
infinity, and a result that the output dtype cannot hold, are refused by the tensor's name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from rshub.errors import Incompatible, IntegrityError
from rshub.tensors.changes import Change
from rshub.tensors.dtypes import FLOATS, Array, largest, working
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

    ``change`` makes the change ready when the first window needs it; ``windows`` counts the windows that will, and it
    is dropped after the last. ``sampled`` is a range of elements whose sums are taken.
    """

    name: TensorName
    rows: int
    columns: int
    source_dtype: str
    target_dtype: str
    source_start: int
    change: Callable[[], Change] | None = None
    sampled: range = range(0)
    windows: int = 0
    samples: list[Sample] = field(default_factory=list)
    _ready: Change | None = None
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
        """Say that one window is done; the change goes with the last."""
        with self._lock:
            self.windows -= 1
            if self.windows <= 0:
                self._ready = None

    def _render(self, first: int, last: int, source: int, scratch: Scratch, put: Callable[[int, Array], None]) -> None:
        work = working(self.source_dtype, self.target_dtype)
        stored = FLOATS[self.source_dtype]
        change = self._opened()
        for tile in Grid(rows=self.rows, columns=self.columns).tiles(first, last):
            raw = scratch.take("stored", tile.count, stored)
            place = self.source_start + tile.low * stored.itemsize
            read_exactly(source, raw, place, f"the base's tensor {self.name}")
            values = scratch.take("values", tile.count, work)
            np.copyto(values, raw)
            wanted = None
            if change is not None:
                wanted = change.wanted(tile, values, scratch)
                values += wanted
            self._check(values, raw, tile, change, scratch)
            rounded = scratch.take("rounded", tile.count, FLOATS[self.target_dtype])
            np.copyto(rounded, values, casting="unsafe")
            if wanted is not None:
                self._measure(tile.low, raw, wanted, rounded)
            put(tile.low, rounded)

    def _opened(self) -> Change | None:
        if self.change is None:
            return None
        with self._lock:
            if self._ready is None:
                self._ready = self.change()
            return self._ready

    def _check(self, values: Array, raw: Array, tile: Tile, change: Change | None, scratch: Scratch) -> None:
        """Refuse what is not finite in a changed tensor, and finite values that the output dtype cannot hold."""
        limit = largest(self.target_dtype)
        if values.size == 0 or (values.max() <= limit and values.min() >= -limit):
            return
        before = raw.astype(values.dtype)
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
