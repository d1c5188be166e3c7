"""Which elements of a tensor are measured, and for how many each of them stands.

Rows that an expert replaces are few among many, so that a run of elements at some place would miss them and call their
change nothing: they are measured by themselves, and a run stands for the elements beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rshub.deltas.replaced import ReplacedRowsPart
from rshub.tensors.changes import Part
from rshub.tensors.tiles import Grid

ROW_ELEMENTS = 1 << 21
"""Of replaced rows with more elements than this, every second, third and so on is measured."""


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """Runs of elements that are measured, and the number of elements that they stand for."""

    runs: Sequence[range]
    total: int

    @property
    def whole(self) -> bool:
        """Whether they stand for themselves only."""
        return sum(map(len, self.runs)) == self.total

    @property
    def each(self) -> float:
        """For how many elements each one stands."""
        return self.total / max(1, sum(map(len, self.runs)))


def strata(parts: Sequence[Part], grid: Grid, asked: range) -> list[Stratum]:
    """Say what to measure of a tensor that parts change, of which a run of elements is asked for.

    What no part changes is left out; what is asked for whole is measured whole.
    """
    rows = sorted({row for part in parts if isinstance(part, ReplacedRowsPart) for row in part.rows})
    if not rows or len(asked) == grid.size:
        return [Stratum(runs=[asked], total=grid.size)]
    inside = len(rows) * grid.columns
    step = max(1, -(-inside // ROW_ELEMENTS))
    found = [Stratum(runs=list(_runs(rows[::step], grid.columns)), total=inside)]
    if not all(isinstance(part, ReplacedRowsPart) for part in parts):
        found.append(Stratum(runs=list(_beside(rows, grid.columns, asked)), total=grid.size - inside))
    return found


def _runs(rows: Sequence[int], columns: int) -> Iterator[range]:
    """Give the elements of sorted rows; rows that follow one another are one run."""
    first = rows[0]
    for row, after in pairwise([*rows, -1]):
        if after != row + 1:
            yield range(first * columns, (row + 1) * columns)
            first = after


def _beside(rows: Sequence[int], columns: int, asked: range) -> Iterator[range]:
    """Give what is asked for without the elements of sorted rows."""
    start = asked.start
    for row in rows:
        low, high = row * columns, (row + 1) * columns
        if start < min(low, asked.stop):
            yield range(start, min(low, asked.stop))
        start = max(start, high)
    if start < asked.stop:
        yield range(start, asked.stop)
