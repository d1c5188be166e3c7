"""Blends keep prompts apart, and what is chosen on one half of the prompts is judged on the other."""

import pytest

from rshub.preferences.scores import Point, RewardScore
from scripts.reproduction.blend import WANTED, blended, folds


def point(**samples):
    rewards = {}
    for name, row in samples.items():
        known = [value for value in row if value is not None]
        rewards[name] = RewardScore(mean=sum(known) / len(known), samples=tuple(row))
    return Point(kind="soup", rewards=rewards)


def test_what_is_wanted_is_summed_prompt_by_prompt_with_min_rewards_turned_round():
    scores = blended([point(a=[1.0, 2.0, None], b=[4.0, 0.0, 1.0])], {"a": 0.25, "b": 0.75}, {"a": "max", "b": "min"})
    (only,) = scores.points
    assert only.rewards[WANTED].samples == (0.25 - 3.0, 0.5, None)
    assert only.rewards[WANTED].mean == pytest.approx(-1.125)


def test_a_choice_never_sees_the_prompts_on_which_it_is_judged():
    lucky_on_even, lucky_on_odd = point(a=[9.0, 0.0, 9.0, 0.0]), point(a=[0.0, 8.0, 0.0, 8.0])
    steady = point(a=[5.0, 5.0, 5.0, 5.0])
    best, (for_even, for_odd) = folds([steady, lucky_on_even, lucky_on_odd], "a", "max")
    assert (for_even, for_odd) == (2, 1)
    assert best.rewards["a"].samples == (0.0, 0.0, 0.0, 0.0)
    best, chosen = folds([steady, lucky_on_even, lucky_on_odd], "a", "min")
    assert chosen == (1, 2)
    assert best.rewards["a"].samples == (9.0, 8.0, 9.0, 8.0)
