"""Files are cut into windows between tiles, so that none is made twice, and no window is too long."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rshub.tensors.kernels import TensorRewrite
from rshub.tensors.pieces import PAGE, FilePlan, Literal, Rewritten, Verbatim
from rshub.tensors.tiles import TILE_ELEMENTS, Grid

SHAPES = [(300, 2048), (7, 5), (40, 11_264), (3, TILE_ELEMENTS + 70)]


def plan():
    """Lay out a header, tensors that change, one that does not, and another that does."""
    pieces, at = [Literal(start=0, data=b"h" * 1234)], 1234
    for rows, columns in SHAPES:
        tensor = TensorRewrite(
            name="t", rows=rows, columns=columns, source_dtype="BF16", target_dtype="BF16", source_start=0,
            work=np.dtype(np.float32),
        )  # fmt: skip
        pieces.append(Rewritten(start=at, tensor=tensor))
        at = pieces[-1].end
        pieces.append(Verbatim(start=at, end=at + 100_001, source_start=0))
        at += 100_001
    return FilePlan(name="f", source=Path("none"), pieces=pieces)


@pytest.mark.parametrize("most", [1000, PAGE, 300_000, 1 << 20, 1 << 30])
def test_windows_are_whole_in_order_and_no_longer_than_asked(most):
    file = plan()
    found = file.windows(most)
    assert found[0].start == 0
    assert found[-1].stop == file.size
    assert all(one.stop == other.start for one, other in pairwise(found))
    assert all(0 < len(window) <= most for window in found)


def test_no_tile_is_cut_by_windows_that_hold_one():
    file = plan()
    starts = {
        piece.start + 2 * tile.start
        for piece in file.pieces
        if isinstance(piece, Rewritten)
        for tile in piece.tensor.grid.tiles(0, piece.tensor.grid.size)
    }
    found = file.windows(1 << 20)
    inside = {
        window.stop
        for window in found
        for piece in file.pieces
        if isinstance(piece, Rewritten) and piece.start < window.stop < piece.end
    }
    assert inside
    assert inside <= starts
    assert len(found) <= 2 * file.size / (1 << 20)


def test_an_empty_file_has_a_window():
    assert FilePlan(name="f", source=Path("none"), pieces=[]).windows(100) == [range(0)]


@pytest.mark.parametrize("shape", [*SHAPES, (1, 1), (500, 1), (2, 2 * TILE_ELEMENTS)])
def test_the_start_of_a_tile_is_that_of_the_tile_with_the_element(shape):
    grid = Grid(rows=shape[0], columns=shape[1])
    for tile in grid.tiles(0, grid.size):
        assert {grid.tile_start(at) for at in (tile.start, (tile.start + tile.stop) // 2, tile.stop - 1)} == {
            tile.start
        }


@pytest.mark.parametrize("shape", [*SHAPES, (1, 1), (500, 1)])
def test_the_rows_of_a_range_are_those_that_hold_its_ends_and_no_more(shape):
    grid = Grid(rows=shape[0], columns=shape[1])
    for tile in grid.tiles(0, grid.size):
        for low, high in ((tile.start, tile.stop), (tile.start, tile.start + 1), (tile.stop - 1, tile.stop)):
            part = tile.rows_of(low, high)
            assert (part.low, part.high) == (low, high)
            assert tile.start <= part.start <= low < high <= part.stop <= tile.stop
            assert part.stop - part.start == part.rows * part.columns < high - low + 2 * part.columns
            assert part.start == tile.start + (part.row - tile.row) * tile.columns
