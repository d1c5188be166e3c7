"""Mixtures within one tensor: products, whole tensors that are blended, and what is read for them."""

import itertools
import os

import ml_dtypes
import numpy as np
import pytest

from rshub.errors import IntegrityError
from rshub.tensors.changes import Blend, Linear, LowRankPart, WholePart, is_short, spread
from rshub.tensors.factors import Factors
from rshub.tensors.kernels import TensorRewrite
from rshub.tensors.stored import StoredTensor
from rshub.tensors.tensor_file import TensorFile
from rshub.tensors.tiles import TILE_ELEMENTS, Scratch
from tests.tiny_models import dump

SHAPE = (190, 1500)


def random(seed, shape=SHAPE):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.fixture
def whole(tmp_path):
    """Store a tensor and open it as a part."""

    def make(values, label="expert"):
        path = tmp_path / f"{label}.safetensors"
        dump(path, {"t": values})
        return WholePart(label=label, saved=StoredTensor(path, "t", TensorFile.open(path).tensors["t"]))

    return make


@pytest.fixture
def rendered(tmp_path):
    """Render a change of a stored bf16 tensor, cut anywhere."""

    def render(start, change, cuts=()):
        path = tmp_path / "base"
        path.write_bytes(start.tobytes())
        rewrite = TensorRewrite(
            name="t", rows=SHAPE[0], columns=SHAPE[1], source_dtype="BF16", target_dtype="BF16", source_start=0,
            work=np.dtype(np.float32), change=lambda: change,
        )  # fmt: skip
        out = np.zeros(SHAPE[0] * SHAPE[1], ml_dtypes.bfloat16)
        handle = os.open(path, os.O_RDONLY)
        for low, high in itertools.pairwise([0, *cuts, out.size]):
            rewrite.render(low, out[low:high], handle, Scratch())
        os.close(handle)
        return out.reshape(SHAPE)

    return render


def bf16(seed, shape=SHAPE):
    return random(seed, shape).astype(ml_dtypes.bfloat16)


def low_rank(seed, rank=3):
    left, right = random(seed, (SHAPE[0], rank)), random(seed + 1, (rank, SHAPE[1]))
    return Factors(left=left.astype(np.float32), right=right.astype(np.float32))


@pytest.mark.parametrize("coefficients", [(0.5, 0.5), (0.3, 0.7), (0.25, -0.5), (1.0, 0.1)])
@pytest.mark.parametrize("beside", [False, True])
def test_whole_tensors_and_factors_add_up(whole, rendered, coefficients, beside):
    start, ends = bf16(0), [bf16(1), bf16(2)]
    parts = [(c, whole(end, f"e{n}")) for n, (c, end) in enumerate(zip(coefficients, ends, strict=True))]
    want = start.astype(float) + sum(
        c * (end.astype(float) - start.astype(float)) for c, end in zip(coefficients, ends, strict=True)
    )
    if beside:
        factors = low_rank(5)
        parts.append((0.5, LowRankPart(label="a", factors=factors, scale=0.1)))
        want += 0.05 * factors.left.astype(float) @ factors.right.astype(float)
    change = Linear.of(parts)
    assert isinstance(change, Blend)
    got = rendered(start, change)
    assert np.count_nonzero(got != want.astype(got.dtype)) <= 2e-4 * want.size
    assert rendered(start, change, cuts=(1, 701, TILE_ELEMENTS - 3, TILE_ELEMENTS + 5)).tobytes() == got.tobytes()


def test_theta_0_is_not_read_where_it_does_not_matter(whole, rendered):
    ends = [bf16(1), bf16(2)]
    change = Linear.of([(0.5, whole(end, f"e{n}")) for n, end in enumerate(ends)])
    assert not change.needs_stored
    got = rendered(np.zeros(0, ml_dtypes.bfloat16), change)  # a base of no bytes: reading it would fail
    np.testing.assert_array_equal(got, ((ends[0].astype(float) + ends[1].astype(float)) / 2).astype(got.dtype))


@pytest.mark.parametrize("coefficients", [(0.5,), (0.5, 0.25)])
def test_theta_0_is_read_where_it_matters(whole, rendered, coefficients):
    change = Linear.of([(c, whole(bf16(n), f"e{n}")) for n, c in enumerate(coefficients)])
    assert change.needs_stored
    with pytest.raises(IntegrityError, match="cut short"):
        rendered(np.zeros(0, ml_dtypes.bfloat16), change)


def test_nan_in_a_whole_tensor_is_named(whole, rendered):
    sick = bf16(1)
    sick[17, 3] = np.nan
    change = Linear.of([(0.5, whole(bf16(2), "well")), (0.5, whole(sick, "sick"))])
    with pytest.raises(IntegrityError, match="sick"):
        rendered(bf16(0), change)


def test_the_rows_of_a_product_lie_apart():
    factors = low_rank(0)
    apart = spread(factors)
    np.testing.assert_array_equal(apart.right, factors.right)
    assert apart.right.strides[0] == factors.right.strides[0] + 64


@pytest.mark.parametrize(("coefficient", "short"), [(0.5, True), (1.0, True), (-0.75, True), (0.0, True), (0.3, False)])
def test_short_coefficients(coefficient, short):
    assert is_short(coefficient) is short
    if short:
        value = np.float32(ml_dtypes.bfloat16(1.9921875))
        assert float(np.float32(coefficient) * value) == coefficient * float(value)
