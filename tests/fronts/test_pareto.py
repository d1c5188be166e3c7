"""Dominance, hypervolume and area, against moocore and against areas that a person can work out."""

import time

import moocore
import numpy as np
import pytest

from rshub.errors import InvalidInput
from rshub.fronts.pareto import MAX_FRONT, area_over_polyline, dominates, hypervolume, non_dominated


def test_dominance_has_no_slack_and_equal_points_do_not_dominate():
    a = np.array([1.0, 2.0])
    assert dominates(np.nextafter(a, 9), a)
    assert dominates(np.array([1.0, 2.0 + 1e-15]), a)
    assert not dominates(a, a)
    assert not dominates(np.array([2.0, 1.0]), a)


def test_equal_points_are_all_on_the_front():
    points = np.array([[1, 3], [1, 3], [2, 2], [1, 2], [2, 2], [3, 1], [3, 0]], dtype=float)
    assert non_dominated(points).tolist() == [True, True, True, False, True, True, False]


@pytest.mark.parametrize("rewards", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("count", [1, 2, 7, 40])
@pytest.mark.parametrize("grid", [None, 4])
def test_against_moocore(rewards, count, grid):
    points = np.random.default_rng(rewards * 100 + count).normal(size=(count, rewards))
    if grid:
        points = np.round(points * grid) / grid
    reference = np.full(rewards, -1.0)
    expected = moocore.hypervolume(points, ref=reference, maximise=True)
    assert hypervolume(points, reference) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    mask = moocore.is_nondominated(points, maximise=True, keep_weakly=True)
    np.testing.assert_array_equal(non_dominated(points), mask)


def rounded_up(generator, count, rewards, bend):
    """Points on which no one dominates another: bent outwards for 2, straight for 1, bent inwards for 0.5."""
    points = generator.exponential(size=(count, rewards))
    return points / (points**bend).sum(axis=1, keepdims=True) ** (1.0 / bend)


@pytest.mark.parametrize("bend", [2.0, 1.0, 0.5])
def test_six_rewards_and_two_hundred_points_take_seconds(bend):
    points = rounded_up(np.random.default_rng(1), 200, 6, bend)
    start = time.process_time()
    found = hypervolume(points, np.zeros(6))
    assert time.process_time() - start < 30.0
    assert found == pytest.approx(moocore.hypervolume(points, ref=np.zeros(6), maximise=True), rel=1e-10)


@pytest.mark.parametrize(("rewards", "count"), [(7, 25), (8, 20), (10, 12), (12, 10)])
def test_more_rewards_than_anybody_should_ask_for(rewards, count):
    points = rounded_up(np.random.default_rng(rewards), count, rewards, 1.0)
    expected = moocore.hypervolume(points, ref=np.zeros(rewards), maximise=True)
    assert hypervolume(points, np.zeros(rewards)) == pytest.approx(expected, rel=1e-10)


def test_more_points_than_are_compared_at_once():
    points = rounded_up(np.random.default_rng(2), 350, 4, 2.0)
    expected = moocore.hypervolume(points, ref=np.zeros(4), maximise=True)
    assert hypervolume(points, np.zeros(4)) == pytest.approx(expected, rel=1e-10)


def test_one_reward_is_the_distance_of_the_best():
    assert hypervolume(np.array([[3.0], [5.0], [1.0]]), np.array([2.0])) == 3.0


def test_points_at_or_below_the_reference_add_nothing():
    assert hypervolume(np.array([[0.0, 5.0], [-1.0, 9.0]]), np.zeros(2)) == 0.0
    assert hypervolume(np.empty((0, 4)), np.zeros(4)) == 0.0


def test_the_area_over_a_polyline():
    # from (0, 0.8) level to (0.25, 0.8), straight to (0.75, 0.4), then down to the axis
    points = np.array([[0.25, 0.8], [0.75, 0.4], [0.3, 0.3], [0.25, 0.8]])
    assert area_over_polyline(points) == pytest.approx(1 - (0.25 * 0.8 + 0.5 * 0.6), abs=1e-15)
    assert area_over_polyline(np.array([[1.0, 1.0]])) == 0.0
    assert area_over_polyline(np.array([[0.0, 1.0], [1.0, 0.0]])) == 0.5


def test_no_point_no_front():
    assert non_dominated(np.empty((0, 3))).shape == (0,)


def test_what_is_refused():
    with pytest.raises(InvalidInput, match="nan"):
        non_dominated(np.array([[1.0, np.nan]]))
    with pytest.raises(InvalidInput, match="nan"):
        hypervolume(np.array([[1.0, np.nan]]), np.zeros(2))
    with pytest.raises(InvalidInput, match="13 rewards"):
        hypervolume(np.ones((1, 13)), np.zeros(13))
    many = np.abs(np.random.default_rng(0).normal(size=(MAX_FRONT[6] + 50, 6)))
    many /= np.linalg.norm(many, axis=1, keepdims=True)
    with pytest.raises(InvalidInput, match="non-dominated points in 6 rewards"):
        hypervolume(many, np.zeros(6))
