"""Low-rank algebra against dense algebra."""

import numpy as np
import pytest

from rshub.errors import Incompatible
from rshub.tensors.factors import Factors, inner_products, stack, truncated, weighted


def some(seed, rows=7, columns=9, rank=3):
    rng = np.random.default_rng(seed)
    return Factors(
        left=rng.standard_normal((rows, rank)).astype(np.float32),
        right=rng.standard_normal((rank, columns)).astype(np.float32),
    )


def dense(one):
    return one.left.astype(float) @ one.right.astype(float)


def test_stacking_is_a_weighted_sum():
    parts = [(0.5, some(1)), (-2.0, some(2, rank=1)), (1.5, some(3, rank=5))]
    stacked = stack(parts)
    assert stacked.rank == 9
    np.testing.assert_allclose(dense(stacked), sum(weight * dense(part) for weight, part in parts), atol=1e-5)


def test_inner_products_are_those_of_the_dense_changes():
    parts = [some(1), some(2, rank=1), some(3, rank=5)]
    want = [[np.sum(dense(one) * dense(two)) for two in parts] for one in parts]
    np.testing.assert_allclose(inner_products(parts), want, rtol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 4, 6, 7, 20])
@pytest.mark.parametrize("full", [6, 12])
def test_truncation_is_the_best_approximation(rank, full):
    change = some(5, rank=full)
    cut, lost, whole = truncated(change, rank)
    u, s, vt = np.linalg.svd(dense(change), full_matrices=False)
    kept = min(rank, full)
    np.testing.assert_allclose(dense(cut), (u[:, :kept] * s[:kept]) @ vt[:kept], atol=2e-5)
    assert cut.rank <= kept
    assert lost == pytest.approx(np.sum(s[kept:] ** 2), rel=1e-6, abs=1e-9)
    assert whole == pytest.approx(np.sum(s**2), rel=1e-6)


def test_a_zero_change_is_truncated_to_a_zero_change():
    nothing = Factors(left=np.zeros((4, 3), np.float32), right=np.ones((3, 5), np.float32))
    cut, lost, whole = truncated(nothing, 1)
    assert not dense(cut).any()
    assert (lost, whole) == (0.0, 0.0)


def test_a_weight_that_overflows_is_refused():
    with pytest.raises(Incompatible, match="overflows"):
        weighted(1e30, np.array([1e20], np.float32))
    assert weighted(1e30, np.array([1e20])).dtype == np.float64
