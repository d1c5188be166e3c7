"""Effects are what numpy says they are, and each rule gives each of its three answers where it should."""

import numpy as np
import pytest

from rshub.preferences.scores import Point, RewardScore, Scores
from scripts.reproduction.judging import (
    FAILS,
    HOLDS,
    OPEN,
    Effect,
    alike,
    better,
    difference,
    never_below,
    no_worse,
    some_better,
    volumes,
)

UP = {"a": "max", "b": "max"}


def point(kind="soup", **samples):
    return Point(
        kind=kind,
        rewards={name: RewardScore(mean=float(np.mean(row)), samples=tuple(row)) for name, row in samples.items()},
    )


def effect(low, high):
    return Effect(name="x", value=(low + high) / 2, low=low, high=high)


def test_a_difference_is_paired_and_widens_with_the_number_of_claims_judged_together():
    rng = np.random.default_rng(0)
    common = rng.normal(size=400)
    first, second = common + rng.normal(size=400) * 0.1 + 0.05, common + rng.normal(size=400) * 0.1
    scores = Scores(rewards={"a": "max"}, points=(point(a=first.tolist()), point(a=second.tolist())))
    found = difference(scores, "a", {0: 1.0, 1: -1.0}, name="gap", unit=2.0)
    apart = first - second
    error = apart.std(ddof=1) / 20
    assert found.value == pytest.approx(apart.mean() / 2)
    assert found.low == pytest.approx((apart.mean() - 1.959964 * error) / 2, rel=1e-5)
    assert found.high == pytest.approx((apart.mean() + 1.959964 * error) / 2, rel=1e-5)
    ten = difference(scores, "a", {0: 1.0, 1: -1.0}, name="gap", unit=2.0, among=10)
    assert (ten.high - ten.low) / (found.high - found.low) == pytest.approx(2.807034 / 1.959964, rel=1e-5)


def test_a_reward_to_be_minimised_is_turned_round():
    scores = Scores(rewards={"a": "min"}, points=(point(a=[1.0, 2.0, 4.0]), point(a=[2.0, 3.0, 4.0])))
    assert difference(scores, "a", {0: 1.0, 1: -1.0}, name="gap").value == pytest.approx(2 / 3)


def test_volumes_are_those_of_the_staircases_in_the_common_box():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=50) * 1e-3
    noise -= noise.mean()

    def at(a, b):
        return point(a=(a + noise).tolist(), b=(b + noise).tolist())

    ends = [at(0.0, 1.0), at(1.0, 0.0)]
    found = volumes(UP, [*ends, at(0.8, 0.6)], [*ends, at(0.5, 0.5)], name="gap")
    assert found.first == pytest.approx(0.48)
    assert found.second == pytest.approx(0.25)
    assert found.gap.value == pytest.approx(0.23)
    assert found.gap.low < 0.23 < found.gap.high
    assert found.gap.high - found.gap.low < 0.01


def test_volumes_of_the_same_points_do_not_differ():
    points = [point(a=[0.0, 0.2], b=[1.0, 0.8]), point(a=[1.0, 0.7], b=[0.0, 0.1])]
    gap = volumes(UP, points, points, name="gap").gap
    assert (gap.value, gap.low, gap.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("rule", "effects", "verdict"),
    [
        (better, [(0.1, 0.2), (0.01, 0.3)], HOLDS),
        (better, [(0.1, 0.2), (-0.01, 0.3)], OPEN),
        (better, [(0.1, 0.2), (-0.3, -0.01)], FAILS),
        (no_worse, [(-0.04, 0.2)], HOLDS),
        (no_worse, [(-0.06, 0.2)], OPEN),
        (no_worse, [(-0.06, -0.01)], OPEN),
        (no_worse, [(-0.2, -0.06)], FAILS),
        (never_below, [(-0.04, 0.2), (0.0, 0.1)], HOLDS),
        (never_below, [(-0.06, 0.2)], OPEN),
        (never_below, [(-0.04, -0.01), (0.1, 0.2)], FAILS),
        (alike, [(-0.04, 0.04)], HOLDS),
        (alike, [(-0.04, 0.06)], OPEN),
        (alike, [(-0.04, 0.04), (0.06, 0.1)], FAILS),
        (some_better, [(-0.2, 0.1), (0.01, 0.1)], HOLDS),
        (some_better, [(-0.2, 0.1), (-0.1, -0.05)], OPEN),
        (some_better, [(-0.2, -0.1), (-0.1, 0.0)], FAILS),
    ],
)
def test_rules_give_all_three_answers(rule, effects, verdict):
    assert rule([effect(low, high) for low, high in effects]) == verdict
