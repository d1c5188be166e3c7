"""The antagonism test: each sign by itself, each with and without errors, and what cannot be looked at."""

import pytest

from rshub.fronts.antagonism import ADVICE, antagonism
from rshub.fronts.curvature import bends


def table(typed, *rows, stderr=None):
    """Rows of kind, share of a (b has the rest; None for no coefficients), and both rewards."""

    def score(value):
        return value if stderr is None else {"mean": value, "stderr": stderr}

    points = []
    for kind, share, a, b in rows:
        point = {"kind": kind, "rewards": {"a": score(a), "b": score(b)}}
        points.append(point if share is None else point | {"coefficients": {"a": share, "b": 1 - share}})
    return typed({"a": "max", "b": "max"}, *points)


FRIENDS = (("init", None, 0.0, 0.0), ("expert", 1, 1.0, 0.2), ("expert", 0, 0.2, 1.0), ("soup", 0.5, 0.7, 0.7))


def look(scores):
    return antagonism(scores, bends(scores))


def test_rewards_that_help_one_another_show_no_sign(typed):
    assert look(table(typed, *FRIENDS)) == {"verdict": "none", "signs": [], "advice": None, "unseen": []}


def test_an_expert_below_the_start_is_a_mild_sign(typed):
    found = look(table(typed, FRIENDS[0], ("expert", 1, 1.0, -0.5), *FRIENDS[2:]))
    assert (found["verdict"], found["advice"]) == ("mild", ADVICE)
    (sign,) = found["signs"]
    assert (sign["code"], sign["experts"], sign["reward"]) == ("below-start", ["a"], "b")
    assert sign["value"] == pytest.approx(-0.5)


def test_a_sagging_reward_and_a_soup_below_the_start_are_strong_signs(typed):
    found = look(table(typed, *FRIENDS[:3], ("soup", 0.5, 0.7, -0.1)))
    assert found["verdict"] == "strong"
    assert [(sign["code"], sign["reward"]) for sign in found["signs"]] == [("soup-below-start", "b"), ("sag", "b")]
    assert found["signs"][1]["value"] == pytest.approx(4 * (-0.1 - 0.6))


def test_what_luck_may_have_made_is_no_sign(typed):
    rows = (FRIENDS[0], ("expert", 1, 1.0, -0.1), FRIENDS[2], ("soup", 0.5, 0.55, 0.44))
    assert look(table(typed, *rows))["verdict"] == "strong"
    assert look(table(typed, *rows, stderr=0.1))["verdict"] == "none"


def test_what_cannot_be_looked_at_is_named(typed):
    found = look(table(typed, *FRIENDS[1:3]))
    assert found["verdict"] == "none"
    assert len(found["unseen"]) == 2
    assert found["unseen"][0].startswith("the start was not measured")
    assert "equal parts" in look(table(typed, *FRIENDS[:3], ("soup", 0.4, 0.7, 0.7)))["unseen"][0]


def test_the_published_news_front_has_a_mild_sign(news):
    scores, raw = news
    found = look(scores)
    assert found["verdict"] == "mild"
    (sign,) = found["signs"]
    assert (sign["experts"], sign["reward"]) == (["R2"], "R1")
    assert sign["value"] == pytest.approx(raw["soups"][0]["rewards"]["R1"] - raw["init"]["R1"])
