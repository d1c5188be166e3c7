"""Epsilon and IGD+, against moocore and against numbers that a person can work out."""

import moocore
import numpy as np
import pytest

from rshub.fronts.distances import epsilon, igd_plus, shortfalls


@pytest.mark.parametrize("rewards", [1, 2, 3, 6])
@pytest.mark.parametrize("count", [1, 5, 30])
def test_against_moocore(rewards, count):
    generator = np.random.default_rng(rewards * 10 + count)
    points, reference = generator.normal(size=(count, rewards)), generator.normal(size=(17, rewards))
    assert epsilon(points, reference) == pytest.approx(
        moocore.epsilon_additive(points, reference, maximise=True), abs=1e-12
    )
    assert igd_plus(points, reference) == pytest.approx(moocore.igd_plus(points, reference, maximise=True), abs=1e-12)


def test_by_hand():
    points = np.array([[0.0, 1.0], [1.0, 0.0]])
    reference = np.array([[0.5, 0.9], [1.0, 0.4], [-1.0, -1.0]])
    np.testing.assert_allclose(shortfalls(points, reference), [0.5, 0.4, -1.0], atol=1e-15)
    assert epsilon(points, reference) == pytest.approx(0.5)
    # (0.5, 0.9): 0.5 from the first; (1, 0.4): 0.4 from the second; the last is covered
    assert igd_plus(points, reference) == pytest.approx(0.9 / 3)


def test_a_set_that_covers_the_reference_has_no_distance():
    points = np.array([[2.0, 2.0], [0.0, 3.0]])
    assert igd_plus(points, np.array([[1.0, 2.0], [0.0, 3.0]])) == 0.0
    assert epsilon(points, points) == 0.0
    assert epsilon(points, points - 0.25) == -0.25
