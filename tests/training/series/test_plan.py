"""One recipe stands for an expert for each reward and seed, and for mixtures that lie evenly between the rewards."""

from math import comb

import pytest

from rshub.errors import InvalidInput
from rshub.training.series.plan import plan_runs, spread


def shown(runs):
    return [(run.name, run.kind, dict(run.mixture), run.seed) for run in runs]


def test_experts_share_a_seed_and_further_seeds_are_the_next_ones():
    assert shown(plan_runs(["a", "b"], seed=4, seeds=2)) == [
        ("a", "expert", {"a": 1.0}, 4),
        ("b", "expert", {"b": 1.0}, 4),
        ("a-seed5", "expert", {"a": 1.0}, 5),
        ("b-seed5", "expert", {"b": 1.0}, 5),
    ]
    assert shown(plan_runs(["a", "b"], seed=0, experts=["b"])) == [("b", "expert", {"b": 1.0}, 0)]


def test_mixtures_come_after_the_experts_with_the_recipes_seed():
    runs = plan_runs(["a", "b"], seed=4, seeds=2, experts=(), morl=3, mixtures=[{"b": 0.125, "a": 0.875}])
    assert shown(runs) == [
        ("morl-a-0.75-b-0.25", "morl", {"a": 0.75, "b": 0.25}, 4),
        ("morl-a-0.5-b-0.5", "morl", {"a": 0.5, "b": 0.5}, 4),
        ("morl-a-0.25-b-0.75", "morl", {"a": 0.25, "b": 0.75}, 4),
        ("morl-b-0.125-a-0.875", "morl", {"b": 0.125, "a": 0.875}, 4),
    ]


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_two_rewards_are_mixed_in_even_steps(count):
    found = [mixture["b"] for mixture in spread(["a", "b"], count)]
    assert found == pytest.approx([step / (count + 1) for step in range(1, count + 1)], abs=1e-15)


@pytest.mark.parametrize(("size", "count"), [(3, 1), (3, 3), (3, 5), (3, 6), (4, 1), (4, 5), (4, 10), (5, 7)])
def test_more_rewards_are_mixed_inside_the_simplex_and_apart(size, count):
    names = "abcde"[:size]
    mixtures = spread(names, count)
    points = [tuple(mixture[name] for name in names) for mixture in mixtures]
    assert len(set(points)) == len(points) == count
    q = next(q for q in range(size, 99) if comb(q - 1, size - 1) >= count)
    for point in points:
        assert sum(point) == pytest.approx(1, abs=1e-12)
        assert min(point) > 0
        assert [share * q for share in point] == pytest.approx([round(share * q) for share in point], abs=1e-9)
    assert mixtures == spread(names, count)
    middle = [abs(share - 1 / size) for point in points for share in point]
    assert min(middle) <= 1 / q  # one lies as near to the middle as such points can
    if count == comb(q - 1, size - 1):  # all there are: every reward is treated alike
        means = [sum(point[place] for point in points) / count for place in range(size)]
        assert means == pytest.approx([1 / size] * size, abs=1e-12)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"experts": ["c"]}, "trains for no reward 'c'"),
        ({"mixtures": [{"a": 0.5, "z": 0.5}]}, "trains for no reward 'z'"),
        ({"experts": ()}, "nothing to train"),
        ({"seeds": 0}, "0 seeds"),
        ({"morl": -1}, "-1 mixtures"),
        ({"seeds": 600}, "more than 1000 runs"),
        ({"morl": 1, "mixtures": [{"a": 0.5, "b": 0.5}]}, "'morl-a-0.5-b-0.5' is asked for twice"),
    ],
)
def test_what_cannot_be_planned_is_refused(settings, why):
    with pytest.raises(InvalidInput, match=why):
        plan_runs(["a", "b"], seed=0, **settings)


def test_one_reward_has_no_mixtures():
    with pytest.raises(InvalidInput, match="one reward has no mixtures"):
        plan_runs(["a"], seed=0, morl=2)
