"""The payoff matrix, from measured points and from what experts publish."""

import pytest

from rshub.errors import InvalidInput
from rshub.preferences.payoff import Claim, Payoff


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


def claims(*rows):
    return [
        Claim(expert=expert, reward=reward, value=value, protocol=(protocol,), tier=tier)
        for expert, reward, value, protocol, tier in rows
    ]


def test_numbers_compare_only_where_they_were_measured_alike():
    payoff = Payoff.from_claims(
        claims(
            ("a", "a", 5.0, "p2", 0),
            ("a", "a", 4.0, "p1", 0),
            ("a", "a", 3.0, "p1", 0),
            ("a", "b", 1.0, "p1", 0),
            ("b", "a", 2.0, "p1", 0),
            ("b", "b", 7.0, "p1", 0),
            ("b", "unknown", 1.0, "p1", 0),
            ("c", "a", 9.0, "p3", 0),
        ),
        experts={"a", "b", "c"},
        directions={"a": "max", "b": "min"},
    )
    assert payoff.cells == {("a", "a"): 4.0, ("b", "a"): 2.0, ("a", "b"): -1.0, ("b", "b"): -7.0}
    assert payoff.protocols == {"a": ("p1",), "b": ("p1",)}
    with pytest.raises(InvalidInput, match="other prompts"):
        payoff.cell("c", "a")


def test_whose_numbers_a_column_takes_goes_by_trust_before_count_and_never_by_name():
    owners = [("a", "a", 1.0, "f", 0), ("b", "a", 0.5, "f", 0)]
    stranger = [("a", "a", 9.0, "0", 2), ("b", "a", 9.5, "0", 2), ("more", "a", 9.0, "0", 2)]
    for order in (owners + stranger, stranger + owners):
        payoff = Payoff.from_claims(claims(*order), experts={"a", "b"}, directions={"a": "max"})
        assert (payoff.cell("a", "a"), payoff.cell("b", "a")) == (1.0, 0.5)
    # half a column is no column: where the owners did not measure every expert, somebody who did counts
    payoff = Payoff.from_claims(claims(*owners[:1], *stranger), experts={"a", "b"}, directions={"a": "max"})
    assert payoff.cell("b", "a") == 9.5
    # what a stranger adds to the owners' own protocol makes it no more than a stranger's
    joined = [*owners[:1], ("b", "a", 7.0, "f", 2), ("a", "a", 3.0, "e", 1), ("b", "a", 2.0, "e", 1)]
    payoff = Payoff.from_claims(claims(*joined), experts={"a", "b"}, directions={"a": "max"})
    assert payoff.cell("b", "a") == 2.0
