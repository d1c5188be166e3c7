"""A product that is added in one pass has the bits of a product that is formed and then added."""

import numpy as np
import pytest

from rshub.tensors import blas
from rshub.tensors.blas import MOST_PRODUCTS, add_in_one_pass, one_thread
from rshub.tensors.changes import add_product
from rshub.tensors.factors import Factors
from rshub.tensors.tiles import Grid, Scratch

SHAPES = [(1, 700), (100, 1), (2, 2), (3, 1000), (64, 2048), (23, 5632), (127, 33), (46, 5), (128, 512)]


def random(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("rank", [1, 7, 16, 32, 48, MOST_PRODUCTS, MOST_PRODUCTS + 1, 300])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_bits_are_those_of_two_passes(shape, rank):
    rows, columns = shape
    factors, start = Factors(left=random(1, rows, rank), right=random(2, rank, columns)), random(3, *shape)
    (tile,) = Grid(rows=rows, columns=columns).tiles(0, rows * columns)
    values, flat = Scratch().matrix("values", rows, columns, np.dtype(np.float32))
    values[:] = start
    with one_thread():
        add_product(factors, tile, values, Scratch())
        assert values.tobytes() == (start + factors.left @ factors.right).tobytes()
    assert flat @ flat == pytest.approx(np.sum(values.astype(float) ** 2), rel=1e-4)


@pytest.mark.parametrize("kind", ["float64", "transposed", "vector", "none"])
def test_what_the_library_cannot_add_is_left_alone(kind, monkeypatch):
    left, right, into = random(1, 8, 8), random(2, 8, 8), random(3, 8, 8)
    if kind == "float64":
        left, right, into = (values.astype(np.float64) for values in (left, right, into))
    elif kind == "transposed":
        left = left.T
    elif kind == "vector":
        left, into = left[:1], into[:1]
    else:
        monkeypatch.setattr(blas, "_multiply", lambda: None)
    before = into.copy()
    assert not add_in_one_pass(left, right, into)
    assert into.tobytes() == before.tobytes()


def test_zeros_lie_between_the_rows_of_a_matrix_whatever_was_there():
    scratch = Scratch()
    for rows, columns in ((4, 30), (7, 11), (4, 30)):
        matrix, whole = scratch.matrix("m", rows, columns, np.dtype(np.float32))
        matrix[:] = np.nan
        assert np.count_nonzero(np.isnan(whole)) == rows * columns
        assert np.count_nonzero(np.nan_to_num(whole)) == 0
