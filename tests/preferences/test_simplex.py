"""The maximum of a quadratic on the simplex, against a fine grid and against optima that a person can work out."""

import itertools

import numpy as np
import pytest

from rshub.errors import InvalidInput
from rshub.preferences.simplex import lattice, maximise, pairs_of


def value(point, linear, pairs):
    first, second = pairs_of(len(linear))
    return point @ linear + (point[..., first] * point[..., second]) @ pairs


def grid(count, steps):
    rows = [row for row in itertools.product(range(steps + 1), repeat=count - 1) if sum(row) <= steps]
    first = np.array(rows) / steps
    return np.hstack([first, 1 - first.sum(axis=1, keepdims=True)])


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("seed", range(15))
def test_against_a_grid(count, seed):
    generator = np.random.default_rng(seed * 10 + count)
    linear, pairs = generator.normal(size=count), generator.normal(size=count * (count - 1) // 2) * 3
    found = maximise(linear, pairs)
    assert (found >= 0.0).all()
    assert found.sum() == pytest.approx(1.0, abs=1e-12)
    points = grid(count, {2: 4000, 3: 200, 4: 60}[count])
    assert value(found, linear, pairs) >= value(points, linear, pairs).max() - 1e-9
    nearest = points[np.abs(points - found).sum(axis=1).argmin()]
    assert value(nearest, linear, pairs) == pytest.approx(value(found, linear, pairs), abs=0.05)


def test_by_hand():
    np.testing.assert_array_equal(maximise(np.zeros(2), np.ones(1)), [0.5, 0.5])
    np.testing.assert_array_equal(maximise(np.array([1.0, 0.0]), np.array([2.0])), [0.75, 0.25])
    np.testing.assert_array_equal(maximise(np.array([1.0, 0.0]), np.array([-2.0])), [1.0, 0.0])
    np.testing.assert_array_equal(maximise(np.array([0.0, 1.0, 0.5]), np.zeros(3)), [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(maximise(np.array([3.0]), np.zeros(0)), [1.0])


def test_six_experts_in_equal_parts():
    found = maximise(np.zeros(6), np.ones(15))
    np.testing.assert_allclose(found, 1 / 6, atol=3e-6)
    assert found.sum() == pytest.approx(1.0, abs=1e-15)


def test_equals_take_the_fewest_experts():
    np.testing.assert_array_equal(maximise(np.ones(3), np.zeros(3)), [1.0, 0.0, 0.0])


def test_too_many_faces_are_refused():
    with pytest.raises(InvalidInput, match="13 experts"):
        maximise(np.zeros(13), np.zeros(78))


@pytest.mark.parametrize(("count", "steps"), [(1, 3), (2, 5), (3, 4), (4, 3), (5, 1)])
def test_a_lattice_deals_all_steps_in_every_way_once(count, steps):
    found = lattice(count, steps)
    expected = [deal for deal in itertools.product(range(steps + 1), repeat=count) if sum(deal) == steps]
    assert [tuple(row) for row in found.tolist()] == expected
