"""Laws of dominance, hypervolume and the figures of a front, on any numbers."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rshub.fronts.checks import check
from rshub.fronts.distances import epsilon, igd_plus
from rshub.fronts.figures import describe
from rshub.fronts.front import lines as all_lines
from rshub.fronts.pareto import area_over_polyline, dominates, hypervolume, non_dominated
from rshub.fronts.words import lines
from rshub.preferences.scores import Point, RewardScore, Scores

coordinates = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))
sets = st.tuples(st.integers(1, 12), st.integers(1, 4)).flatmap(
    lambda shape: arrays.arrays(np.float64, shape, elements=coordinates)
)
unit = st.integers(1, 10).flatmap(lambda n: arrays.arrays(np.float64, (n, 2), elements=st.floats(0, 1)))


@given(sets)
def test_the_front_is_what_nothing_dominates(points):
    expected = [not any(dominates(other, point) for other in points) for point in points]
    assert non_dominated(points).tolist() == expected


@given(sets)
def test_the_order_of_points_does_not_matter(points):
    reference = points.min(axis=0) - 1
    forward, back = hypervolume(points, reference), hypervolume(points[::-1], reference)
    assert np.isclose(forward, back, rtol=1e-9)
    assert non_dominated(points).tolist() == non_dominated(points[::-1])[::-1].tolist()


@given(sets)
def test_dominated_points_add_no_volume_and_others_never_take_any(points):
    reference = points.min(axis=0) - 1
    whole = hypervolume(points, reference)
    assert np.isclose(whole, hypervolume(points[non_dominated(points)], reference), rtol=1e-9)
    assert hypervolume(points[:-1], reference) <= whole * (1 + 1e-9)
    assert whole >= np.prod(points - reference, axis=1).max() * (1 - 1e-9)


@given(sets, st.data())
def test_the_order_of_rewards_does_not_matter(points, data):
    order = data.draw(st.permutations(range(points.shape[1])))
    reference = points.min(axis=0) - 1
    turned = hypervolume(points[:, order], reference[order])
    assert np.isclose(hypervolume(points, reference), turned, rtol=1e-9)


@given(unit)
def test_a_polyline_lies_over_its_staircase(points):
    over = area_over_polyline(points)
    assert -1e-12 <= over <= 1 - hypervolume(points, np.zeros(2)) + 1e-12


names = ("a", "b", "c")
measured = st.one_of(st.integers(-2, 2).map(float), st.floats(-1e100, 1e100))
rewards = st.dictionaries(
    st.sampled_from(names), st.builds(RewardScore, mean=measured, stderr=st.none() | st.floats(0, 1e3))
)
coefficients = st.none() | st.dictionaries(
    st.sampled_from(("a", "b", "init")), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, -0.5, 1.5]), max_size=3
)
kinds = st.sampled_from(("soup", "expert", "morl", "init", "ensemble"))
points = st.lists(
    st.builds(
        Point,
        kind=kinds,
        rewards=rewards,
        coefficients=coefficients,
    ),
    max_size=12,
)


@settings(max_examples=300)
@given(points, st.lists(st.sampled_from(("max", "min")), min_size=3, max_size=3))
def test_no_table_breaks_the_figures(table, directions):
    scores = Scores(rewards=dict(zip(names, directions, strict=True)), points=tuple(table))
    result = describe(scores)
    json.dumps(result, allow_nan=False)
    assert all(isinstance(line, str) and line for line in lines(result))
    missing = {"over_polyline": result["over_polyline"], "hypervolume": result["hypervolume"]}
    missing |= {f"morl.{key}": value for key, value in result["morl"].items()}
    missing |= {f"connectivity.{key}": value["worst_margin"] for key, value in result["connectivity"].items()}
    assert {key for key, value in missing.items() if value is None} == set(result["reasons"]) & set(missing)
    if result["hypervolume"] is not None:
        assert 0.0 <= result["hypervolume"] <= 1.0


@given(sets, st.data())
def test_a_better_set_is_never_farther_from_a_reference(points, data):
    reference = (
        points[data.draw(st.lists(st.integers(0, len(points) - 1), min_size=1))] + data.draw(st.integers(-8, 8)) / 8
    )
    few = points[: data.draw(st.integers(1, len(points)))]
    assert epsilon(points, reference) <= epsilon(few, reference)
    assert 0.0 <= igd_plus(points, reference) <= igd_plus(few, reference)
    if epsilon(points, reference) <= 0.0:
        assert igd_plus(points, reference) == 0.0


scored = st.dictionaries(
    st.sampled_from(names),
    st.builds(
        RewardScore,
        mean=st.integers(-2, 2).map(float),
        stderr=st.none() | st.floats(0, 1e3),
        samples=st.none() | st.lists(st.none() | st.floats(-9, 9), max_size=4).map(lambda row: (-3.0, *row, 3.0)),
    ),
)


@settings(max_examples=150)
@given(st.lists(st.builds(Point, kind=kinds, rewards=rewards | scored, coefficients=coefficients), max_size=8))
def test_no_table_breaks_the_checks(table):
    scores = Scores(rewards={"a": "max", "b": "min"}, points=tuple(cut(point) for point in table))
    result = describe(scores) | {"checks": check(scores)}
    json.dumps(result, allow_nan=False)
    assert all(isinstance(line, str) and line for line in all_lines(result))


def cut(point):
    kept = {name: score for name, score in point.rewards.items() if name != "c"}
    return Point(kind=point.kind, rewards=kept, coefficients=point.coefficients)


@given(points)
def test_a_min_reward_is_a_max_reward_with_the_other_sign(table):
    def turned(point):
        flipped = {n: RewardScore(mean=0.0 - s.mean, stderr=s.stderr) for n, s in point.rewards.items()}
        return Point(kind=point.kind, coefficients=point.coefficients, rewards=flipped)

    upright = describe(Scores(rewards=dict.fromkeys(names, "max"), points=tuple(table)))
    flipped = describe(Scores(rewards=dict.fromkeys(names, "min"), points=tuple(turned(point) for point in table)))
    assert {**upright, "rewards": None} == {**flipped, "rewards": None}
