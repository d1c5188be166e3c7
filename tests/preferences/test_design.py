"""Where to look next: even grids, candidates on the simplex, climbs and gains, each against a brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rshub.preferences.belief import believe
from rshub.preferences.design import candidates, climb, fill_evenly, gains, wished
from rshub.preferences.simplex import maximise


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 9])
def test_candidates_are_mixtures_with_the_corners_and_the_middle_among_them(count):
    found = candidates(count, np.random.default_rng(0))
    assert (found >= 0).all()
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-9)
    for wanted in (*np.eye(count), np.full(count, 1 / count)):
        assert np.abs(found - wanted).max(axis=1).min() < 1e-5


@given(count=st.integers(0, 20))
def test_between_two_experts_the_points_are_the_even_grid(count):
    assert fill_evenly([0.0, 1.0], count) == pytest.approx([step / (count + 1) for step in range(1, count + 1)])


@given(total=st.integers(1, 12), data=st.data())
def test_a_grid_that_was_ended_is_finished_as_it_was_begun(total, data):
    whole = fill_evenly([0.0, 1.0], total)
    done = whole[: data.draw(st.integers(0, total))]
    assert fill_evenly([0.0, 1.0, *done], total - len(done)) == pytest.approx(whole[len(done) :])


@given(known=st.lists(st.integers(1, 19), max_size=4, unique=True), count=st.integers(1, 3))
def test_new_points_leave_no_larger_gap_than_any_others_could(known, count):
    have = [0.0, 1.0, *(share / 20 for share in known)]

    def gap(new):
        return max(np.diff(sorted([*have, *new])))

    found = fill_evenly(have, count)
    assert len(found) == count
    others = itertools.combinations(np.linspace(0, 1, 41), count)
    assert gap(found) <= min(gap(other) for other in others) + 1e-9


def test_ends_that_were_not_measured_come_first():
    assert fill_evenly([], 3) == pytest.approx([0.0, 0.5, 1.0])
    assert fill_evenly([1.0], 2, low=0.25) == pytest.approx([0.25, 0.625])
    assert fill_evenly([0.1], 1, low=0.1, high=0.1) == []


@given(seed=st.integers(0, 10_000), count=st.integers(2, 5))
def test_climbing_a_hill_ends_at_its_top(seed, count):
    generator = np.random.default_rng(seed)
    linear = generator.normal(size=count)
    places = generator.normal(size=(count, count))  # squared distances make the quadratic concave
    first, second = np.triu_indices(count, 1)
    pairs = ((places[first] - places[second]) ** 2).sum(axis=1)

    def height(at):
        return at @ linear + (at[:, first] * at[:, second]) @ pairs

    top = height(maximise(linear, pairs)[None])[0]
    found = climb(height, np.full(count, 1 / count), lambda _: True)
    assert height(found[None])[0] == pytest.approx(top, abs=0.02 * max(1.0, pairs.max()))


def test_a_climb_stays_where_it_may():
    found = climb(lambda at: at[:, 0], np.array([0.2, 0.8]), lambda at: at[0] <= 0.61)
    assert found.tolist() == [0.61, 0.39]


@given(most=st.tuples(*[st.integers(300_000, 900_000)] * 3), way=st.tuples(*[st.integers(-5, 5)] * 3))
def test_a_climb_reaches_the_bounds(most, way):
    """A plane is highest where experts are taken up to their bounds, the best one first."""
    bounds, slope = np.array(most) / 1e6, np.array(way) * 1e-5
    start = np.array(bounds / bounds.sum()).round(4)
    start[2] = 1.0 - start[0] - start[1]
    top, left = 0.0, 1.0
    if bounds.sum() < 1.01:
        return
    for at in np.argsort(-slope, kind="stable"):
        top, left = top + slope[at] * min(bounds[at], left), left - min(bounds[at], left)
    found = climb(lambda at: at @ slope, start, lambda at: bool((at <= bounds + 1e-9).all()))
    assert float(found @ slope) == pytest.approx(top, abs=1e-5 * 3e-6)


def test_the_gain_of_an_evaluation_is_what_drawn_outcomes_say():
    """Draw outcomes, learn each by conditioning with the same prior, and see how much the best prediction rises."""
    share = np.array([0.0, 0.35, 1.0])
    shares = np.stack([1 - share, share], axis=1)
    belief = believe(shares, np.array([0.0, 0.8, 0.6]), np.full(3, 0.05))
    line = np.linspace(0, 1, 21)
    at = np.stack([1 - line, line], axis=1)
    found = gains({"r": belief}, {"r": 2.0}, at, np.random.default_rng(3))
    generator = np.random.default_rng(4)
    mean, table = belief.mean(at), belief.covariance(at, at)
    for place in (3, 12, 16):
        deviation = np.sqrt(table[place, place] + belief.noise)
        outcomes = generator.normal(scale=deviation, size=20_000)
        after = mean[:, None] + table[:, [place]] / deviation**2 * outcomes
        gain = 2.0 * (after.max(axis=0).mean() - mean.max())
        assert found[place] == pytest.approx(gain, abs=0.35 * gain + 0.002)
    assert found.min() > -1e-9
    assert found[0] < 0.2 * found.max()  # an expert that was measured teaches little


def test_the_wish_is_the_sum_of_factors_and_rewards():
    shares = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    first, second = believe(shares, np.array([1.0, 0.0, 0.8])), believe(shares, np.array([0.0, 5.0, 3.0]))
    at = np.array([[0.3, 0.7]])
    assert wished({"a": first, "b": second}, {"a": 2.0, "b": -1.0}, at) == pytest.approx(
        2.0 * first.mean(at) - second.mean(at)
    )
