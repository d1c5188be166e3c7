"""The payoff matrix, from measured points and from what experts publish."""

import pytest

from rshub.errors import InvalidInput
from rshub.preferences.payoff import Payoff


def test_payoff_from_one_hot_points(three):
    payoff = Payoff.from_scores(three)
    assert payoff.cell("a", "b") == 2.0
    assert payoff.cell("c", "c") == 3.0  # length -3, to be minimised
    with pytest.raises(InvalidInput, match="no z of the expert for a: it was not measured"):
        payoff.cell("a", "z")


def test_payoff_averages_seeds_and_takes_experts_by_their_reward(typed):
    scores = typed(
        {"a": "max"},
        {"kind": "expert", "coefficients": {"org/x": 1}, "rewards": {"a": 1}},
        {"kind": "soup", "coefficients": {"org/x": 1, "org/y": 0}, "rewards": {"a": 2}},
    )
    assert Payoff.from_scores(scores, serves={"org/x": "a"}).cell("a", "a") == 1.5


def test_two_experts_of_one_reward_have_no_single_payoff(typed):
    scores = typed(
        {"a": "max"},
        {"kind": "expert", "coefficients": {"o/x": 1}, "rewards": {"a": 1}},
        {"kind": "expert", "coefficients": {"o/y": 1}, "rewards": {"a": 2}},
    )
    with pytest.raises(InvalidInput, match="both serve a"):
        Payoff.from_scores(scores, serves={"o/x": "a", "o/y": "a"})


def test_published_scores_compare_only_on_equal_prompts():
    def row(value, prompts="p1", reward="a", **more):
        return {"reward": reward, "value": value, "split": "test", "prompts_digest": prompts} | more

    payoff = Payoff.from_published(
        {
            "a": [row(5.0, "p2"), row(3.0, n=10), row(4.0, n=100), row(1.0, reward="b")],
            "b": [row(2.0), row(7.0, reward="b"), row(1.0, reward="unknown")],
            "c": [row(9.0, "p3")],
        },
        directions={"a": "max", "b": "min"},
    )
    assert payoff.cells == {("a", "a"): 4.0, ("b", "a"): 2.0, ("a", "b"): -1.0, ("b", "b"): -7.0}
    with pytest.raises(InvalidInput, match="other prompts"):
        payoff.cell("c", "a")
