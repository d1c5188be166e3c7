"""Lemma 1: what soups lack for linear preferences."""

import numpy as np
import pytest

from rshub.fronts.regret import even_preferences, regrets


@pytest.mark.parametrize(("rewards", "count"), [(1, 1), (2, 101), (3, 231), (4, 286), (5, 495), (6, 462), (8, 37)])
def test_preferences_are_spread_over_the_simplex_with_its_corners(rewards, count):
    found = even_preferences(rewards)
    assert found.shape == (count, rewards)
    assert len(np.unique(found, axis=0)) == count
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert (found >= 0.0).all()
    assert {tuple(row) for row in np.eye(rewards)} <= {tuple(row) for row in found}


def test_regret_by_hand():
    soups, others = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.7, 0.7], [0.0, 0.5]])
    preferences = np.array([[1.0, 0.0], [0.5, 0.5], [0.2, 0.8]])
    # best sums: 1 and .7; .5 and .7; .8 and .7
    np.testing.assert_allclose(regrets(soups, others, preferences), [0.0, 0.2, 0.0], atol=1e-15)
