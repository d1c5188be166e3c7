"""The kinds of deltas that are no factors, tile by tile against dense float64 algebra."""

import numpy as np
import pytest

from rshub.deltas.added import Added
from rshub.deltas.decomposed import Decomposed
from rshub.deltas.delta import LowRank, check_finite, open_tensor
from rshub.deltas.replaced import Replaced, ReplacedRows, same_bytes
from rshub.deltas.summed import Summed
from rshub.errors import Incompatible, IntegrityError
from rshub.tensors import tiles
from rshub.tensors.tensor_file import TensorFile
from rshub.tensors.tiles import Scratch
from tests.tiny_models import dump

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
RANGES = [(0, None), (0, 1), (5, 29), (17, 18), (30, None)]


@pytest.fixture
def write(tmp_path):
    def write(name, **tensors):
        path = tmp_path / f"{name}.safetensors"
        dump(path, tensors)
        return TensorFile.open(path)

    return write


@pytest.fixture(params=[8, 1 << 17], ids=["small tiles", "large tiles"])
def grid(request, monkeypatch):
    """Cut tensors small enough that tiles are parts of rows, and as they are."""
    monkeypatch.setattr(tiles, "TILE_ELEMENTS", request.param)


def asked(delta, stored, first=0, last=None, layout="plain", work=DOUBLE):
    """Ask a delta for a range of elements."""
    part, scratch = delta.open(stored, layout, work), Scratch()
    return np.concatenate(
        [part.delta(tile, values, scratch).copy() for tile, values in stored.walk(work, scratch, first, last)]
    )


@pytest.mark.parametrize(("first", "last"), RANGES)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_a_saved_tensor_is_the_difference_to_the_stored_one(write, grid, first, last, dtype):
    rng = np.random.default_rng(0)
    stored, saved = rng.standard_normal((5, 13)), rng.standard_normal((5, 13)).astype(dtype)
    base = open_tensor(write("base", w=stored), "w")
    delta = Replaced(label="x", file=write("expert", w=saved), name="w")
    want = (saved.astype(np.float64) - stored).reshape(-1)[first:last]
    np.testing.assert_array_equal(asked(delta, base, first, last), want)


@pytest.mark.parametrize(("first", "last"), RANGES)
@pytest.mark.parametrize("rows", [(4, 0), (2,), (0, 1, 2, 3, 4), (3, 1)])
def test_saved_rows_change_these_rows_alone(write, grid, first, last, rows):
    rng = np.random.default_rng(1)
    stored, saved = rng.standard_normal((5, 13)), rng.standard_normal((len(rows), 13)).astype(np.float32)
    base = open_tensor(write("base", w=stored), "w")
    delta = ReplacedRows(label="x", file=write("expert", r=saved), name="r", rows=rows)
    want = np.zeros((5, 13))
    for row, values in zip(rows, saved, strict=True):
        want[row] = values - stored[row]
    np.testing.assert_array_equal(asked(delta, base, first, last), want.reshape(-1)[first:last])


def test_a_bias_is_added_and_several_changes_are_summed(write):
    rng = np.random.default_rng(2)
    stored, saved, more = (rng.standard_normal(9) for _ in range(3))
    base, file = open_tensor(write("base", b=stored), "b"), write("expert", saved=saved, more=more)
    added = Added(label="x", file=file, name="more", scale=-1.5)
    np.testing.assert_allclose(asked(added, base), -1.5 * more, rtol=1e-15)
    both = Summed(deltas=(Replaced(label="x", file=file, name="saved"), added))
    np.testing.assert_allclose(asked(both, base), saved - stored - 1.5 * more, rtol=0, atol=1e-15)
    assert (both.label, both.first_name) == ("x", "saved")
    assert "the tensor saved" in both.open(base, "plain", DOUBLE).label


def low_rank(file, kind="linear", scale=0.7):
    rank = file.tensors["a"].shape[0]
    return LowRank(module="m", kind=kind, rank=rank, scale=scale, file=file, a_name="a", b_name="b", label="x")


def factors(rng, outputs, inputs, rank=3):
    return {"a": rng.standard_normal((rank, inputs)), "b": rng.standard_normal((outputs, rank))}


@pytest.mark.parametrize(("first", "last"), RANGES)
@pytest.mark.parametrize("layout", ["plain", "transposed"])
@pytest.mark.parametrize("saved_under", [False, True])
def test_lengths_are_those_of_whole_units(write, grid, first, last, layout, saved_under):
    """A unit is a row of what is stored outputs by inputs, and a column of what is stored the other way."""
    rng = np.random.default_rng(3)
    parts = factors(rng, 5, 13)
    weight, other, lengths = rng.standard_normal((5, 13)), rng.standard_normal((5, 13)), rng.uniform(0.5, 2, 5)
    turn = np.transpose if layout == "transposed" else np.asarray
    base = open_tensor(write("base", w=turn(weight).copy()), "w")
    file = write("expert", m=lengths, under=turn(other).copy(), **parts)
    changed = (other if saved_under else weight) + 0.7 * parts["b"] @ parts["a"]
    want = lengths[:, None] * changed / np.linalg.norm(changed, axis=1, keepdims=True) - weight
    delta = Decomposed(low_rank=low_rank(file), magnitude="m", under="under" if saved_under else None)
    got = asked(delta, base, first, last, layout)
    np.testing.assert_allclose(got, turn(want).reshape(-1)[first:last], rtol=0, atol=1e-14)
    single = asked(delta, base, first, last, layout, SINGLE)
    np.testing.assert_allclose(single, turn(want).reshape(-1)[first:last], rtol=0, atol=2e-6)


def test_one_unit_alone(write):
    rng = np.random.default_rng(4)
    parts, weight = factors(rng, 1, 6), rng.standard_normal((6, 1))
    base, file = open_tensor(write("base", w=weight), "w"), write("expert", m=np.array([2.0]), **parts)
    changed = weight + 0.7 * (parts["b"] @ parts["a"]).T
    want = 2 * changed / np.linalg.norm(changed) - weight
    got = asked(Decomposed(low_rank=low_rank(file), magnitude="m"), base, layout="transposed")
    np.testing.assert_allclose(got, want.reshape(-1), rtol=0, atol=1e-15)


def test_lengths_that_hardly_change_lose_nothing(write):
    """In float32 the delta is as exact as itself, not as the weight."""
    rng = np.random.default_rng(5)
    parts, weight = factors(rng, 4, 8), rng.standard_normal((4, 8)).astype(np.float32)
    scale = 1e-6
    changed = weight + scale * parts["b"].astype(np.float32).astype(float) @ parts["a"].astype(np.float32)
    lengths = np.linalg.norm(weight.astype(np.float64), axis=1) * (1 + 1e-6)
    file = write("expert", m=lengths, **{key: value.astype(np.float32) for key, value in parts.items()})
    want = lengths[:, None] * changed / np.linalg.norm(changed, axis=1, keepdims=True) - weight
    base = open_tensor(write("base", w=weight), "w")
    got = asked(Decomposed(low_rank=low_rank(file, scale=scale), magnitude="m"), base, work=SINGLE)
    assert np.linalg.norm(got - want.reshape(-1)) < 0.05 * np.linalg.norm(want)


def test_lengths_that_cannot_be_brought_about_are_refused_by_name(write):
    zeros = {"a": np.zeros((1, 3)), "b": np.zeros((2, 1)), "m": np.ones(2)}
    delta = Decomposed(low_rank=low_rank(write("expert", **zeros)), magnitude="m")
    with pytest.raises(IntegrityError, match=r"the tensor m scales w where its length is zero"):
        delta.open(open_tensor(write("zero", w=np.zeros((2, 3))), "w"), "plain", DOUBLE)
    with pytest.raises(IntegrityError, match=r"the tensor w of .*holds NaN"):
        delta.open(open_tensor(write("sick", w=np.full((2, 3), np.nan)), "w"), "plain", DOUBLE)
    with pytest.raises(Incompatible, match="needs the weights of the base"):
        delta.open(None, "plain", DOUBLE)
    sick = Decomposed(low_rank=low_rank(write("bad", **zeros | {"m": np.array([1, np.inf])})), magnitude="m")
    with pytest.raises(IntegrityError, match="the tensor m holds NaN"):
        sick.open(open_tensor(write("base", w=np.ones((2, 3))), "w"), "plain", DOUBLE)


def test_every_number_of_a_saved_tensor_is_looked_at(write):
    values = np.ones((300, 1000), np.float32)
    check_finite(write("good", w=values), "w", "x")
    values[299, 999] = np.inf
    with pytest.raises(IntegrityError, match="x: the tensor w holds NaN"):
        check_finite(write("bad", w=values), "w", "x")


def test_saved_tensors_are_the_same_by_bytes(write):
    values = np.arange(12, dtype=np.float32)
    one = write("one", a=values, b=values.copy(), c=values.reshape(3, 4), d=values + 1, e=values.astype(np.float64))
    assert same_bytes(one, "a", write("two", z=values), "z")
    assert [same_bytes(one, "a", one, other) for other in "abcde"] == [True, True, False, False, False]
