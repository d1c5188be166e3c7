"""The best change of a rank against the singular value decomposition."""

import numpy as np
import pytest

from rshub.tensors import dense_rank
from rshub.tensors.dense_rank import nearest_of_rank


@pytest.mark.parametrize("shape", [(9, 31), (31, 9), (12, 12), (1, 7)])
@pytest.mark.parametrize("rank", [1, 4, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_the_truncated_decomposition(monkeypatch, shape, rank, dtype):
    monkeypatch.setattr(dense_rank, "STRIP", 5)
    dense = np.random.default_rng(3).standard_normal(shape).astype(dtype)
    factors, lost, whole = nearest_of_rank(dense, rank)
    u, s, vt = np.linalg.svd(dense.astype(float), full_matrices=False)
    np.testing.assert_allclose(
        factors.left.astype(float) @ factors.right, (u[:, :rank] * s[:rank]) @ vt[:rank], atol=2e-6
    )
    assert factors.rank == min(rank, *shape)
    assert lost == pytest.approx(np.sum(s[rank:] ** 2), rel=1e-9, abs=1e-12)
    assert whole == pytest.approx(np.sum(s**2), rel=1e-12)


def test_what_has_a_lower_rank_loses_nothing():
    rng = np.random.default_rng(4)
    dense = rng.standard_normal((40, 3)) @ rng.standard_normal((3, 60))
    factors, lost, whole = nearest_of_rank(dense, 5)
    np.testing.assert_allclose(factors.left.astype(float) @ factors.right, dense, atol=1e-5)
    assert lost <= 1e-12 * whole


def test_nothing_stays_nothing():
    factors, lost, whole = nearest_of_rank(np.zeros((4, 6), np.float32), 2)
    assert not factors.left.any()
    assert not factors.right.any()
    assert (lost, whole) == (0.0, 0.0)
