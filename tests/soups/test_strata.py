"""What is measured of a tensor, against a drawing of it."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rshub.deltas.replaced import ReplacedRowsPart
from rshub.soups.strata import strata
from rshub.tensors.tiles import Grid


def rows_part(rows):
    return ReplacedRowsPart(label="rows", saved=None, rows=tuple(rows), order=tuple(range(len(rows))))


@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 5)), rows=st.lists(st.integers(0, 11), unique=True),
    place=st.tuples(st.integers(0, 60), st.integers(0, 60)), beside=st.booleans(),
)  # fmt: skip
def test_rows_and_what_lies_beside_them_are_measured_once(shape, rows, place, beside):
    grid = Grid(rows=shape[0], columns=shape[1])
    asked = range(min(*place, grid.size), min(max(place), grid.size))
    rows = sorted(row for row in rows if row < grid.rows)
    parts = [rows_part(rows), *([SimpleNamespace(label="other")] if beside else [])]
    found = strata(parts, grid, asked)
    drawn = np.zeros(shape, int)
    drawn[rows] = 1
    run = np.zeros(grid.size, int)
    run[asked.start : asked.stop] = 1
    all_of_it = not rows or len(asked) == grid.size
    want = np.where(all_of_it, run, np.maximum(drawn.ravel(), run * beside))
    seen = np.zeros(grid.size, int)
    for stratum in found:
        for piece in stratum.runs:
            seen[piece.start : piece.stop] += 1
        assert stratum.each * max(1, sum(map(len, stratum.runs))) == pytest.approx(stratum.total)
    assert (seen == want).all()
    if beside or not rows:
        assert sum(stratum.total for stratum in found) == grid.size
