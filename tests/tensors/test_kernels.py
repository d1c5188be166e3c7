"""One tensor: tiles on a grid of its own, one rounding, samples that add up."""

import itertools
import os

import ml_dtypes
import numpy as np
import pytest

from rshub.tensors.blas import one_thread
from rshub.tensors.changes import Linear
from rshub.tensors.dtypes import FLOATS, working
from rshub.tensors.factors import Factors
from rshub.tensors.kernels import TensorRewrite
from rshub.tensors.tiles import TILE_ELEMENTS, TILE_ROWS, Scratch
from tests.tiny_models import DTYPES


@pytest.fixture
def tensor(tmp_path):
    """Write one stored tensor behind some bytes, and give a function that renders ranges of its elements."""
    handles = []

    def make(values, target, change=None, **options):
        path = tmp_path / "tensor"
        path.write_bytes(b"1234567" + values.tobytes())
        handles.append(os.open(path, os.O_RDONLY))
        code = next(code for code, kind in DTYPES.items() if values.dtype == kind)
        rewrite = TensorRewrite(
            name="t", rows=values.shape[0], columns=values.shape[1], source_dtype=code, target_dtype=target,
            source_start=7, work=working(code, target), change=change, **options,
        )  # fmt: skip

        def render(*edges):
            out = np.zeros(values.size, FLOATS[target])

            for low, high in itertools.pairwise(edges):
                rewrite.render(low, out[low:high], handles[-1], Scratch())
            return out.reshape(values.shape)

        return rewrite, render

    yield make
    for handle in handles:
        os.close(handle)


def factors(rows, columns, rank=3):
    rng = np.random.default_rng(1)
    return Factors(
        left=rng.standard_normal((rows, rank)).astype(np.float32),
        right=rng.standard_normal((rank, columns)).astype(np.float32),
    )


@pytest.mark.parametrize(
    "shape", [(1, 1), (5, 7), (TILE_ROWS * 2 + 3, 40), (3, TILE_ELEMENTS + 5), (2, 2 * TILE_ELEMENTS)]
)
@pytest.mark.parametrize(("stored", "target"), [("BF16", "BF16"), ("F32", "F32"), ("F32", "BF16"), ("F16", "F32")])
def test_the_bits_do_not_depend_on_where_a_range_is_cut(tensor, shape, stored, target):
    rng = np.random.default_rng(0)
    values = rng.standard_normal(shape).astype(DTYPES[stored])
    change = factors(*shape)
    _, render = tensor(values, target, lambda: Linear(stacked=change))
    size = values.size
    whole = render(0, size)
    cuts = sorted({0, size, *rng.integers(0, size + 1, 6).tolist()})
    assert render(*cuts).tobytes() == whole.tobytes()
    want = values.astype(float) + change.left.astype(float) @ change.right.astype(float)
    differing = np.count_nonzero(whole != want.astype(whole.dtype))
    assert differing <= 1e-3 * size + 1


@pytest.mark.parametrize("stored", ["BF16", "F16", "F32", "F64"])
@pytest.mark.parametrize("target", ["BF16", "F16", "F32"])
def test_a_cast_alone_is_the_cast_of_the_library(tensor, stored, target):
    values = np.random.default_rng(0).standard_normal((30, 20)).astype(DTYPES[stored])
    _, render = tensor(values, target)
    want = values.astype(np.float64).astype(DTYPES[target])
    assert render(0, 600).tobytes() == want.tobytes()


def test_infinities_that_were_there_survive_a_cast(tensor):
    values = np.array([[np.inf, -np.inf, np.nan, 1.5]], np.float32)
    _, render = tensor(values, "F16")
    np.testing.assert_array_equal(render(0, 4), values.astype(np.float16))


def test_samples_cover_their_range_once_however_it_is_cut(tensor):
    values = np.random.default_rng(0).standard_normal((50, 30)).astype(ml_dtypes.bfloat16)
    change = factors(50, 30)
    for edges in ((0, 1500), (0, 3, 777, 778, 1500)):
        rewrite, render = tensor(values, "BF16", lambda: Linear(stacked=change), sampled=range(100, 1100))
        out = render(*edges)
        d = (change.left @ change.right).reshape(-1)[100:1100].astype(float)
        got = (out.astype(float) - values.astype(float)).reshape(-1)[100:1100]
        assert sum(sample.elements for sample in rewrite.samples) == 1000
        assert sum(sample.moved for sample in rewrite.samples) == np.count_nonzero(got)
        assert sum(sample.wanted for sample in rewrite.samples) == pytest.approx(d @ d)
        assert sum(sample.kept for sample in rewrite.samples) == pytest.approx(got @ d)
        assert sum(sample.error for sample in rewrite.samples) == pytest.approx((got - d) @ (got - d))


def test_factors_are_made_once_and_dropped_after_the_last_window(tensor):
    made = []

    def change():
        made.append(1)
        return Linear(stacked=factors(4, 4))

    rewrite, render = tensor(np.zeros((4, 4), np.float32), "F32", change, windows=2)
    render(0, 8, 16)
    assert len(made) == 1
    rewrite.release()
    assert rewrite._ready is not None
    rewrite.release()
    assert rewrite._ready is None


def test_the_number_of_threads_below_is_restored():
    from rshub.tensors import blas

    calls = blas._calls()
    if calls is None:
        pytest.skip("numpy does not carry OpenBLAS here")
    get, _ = calls
    before = get()
    with one_thread():
        assert get() == 1
        with one_thread():
            assert get() == 1
        assert get() == 1
    assert get() == before
