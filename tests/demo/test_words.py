"""The story's figures in words, from points that are easy to reckon by hand."""

import json

import pytest

from rshub.demo.words import above_the_line, figures_in_words, side_by_side, table
from rshub.fronts.front import front
from rshub.preferences.scores import Scores

REWARDS = ("a", "b")


def scores(middle):
    def point(kind, a, b, **more):
        rewards = {"a": {"mean": a, "stderr": 0.03, "n": 9}, "b": {"mean": b, "stderr": 0.04, "n": 9}}
        return {"kind": kind, "rewards": rewards, **more}

    points = [
        point("expert", 0.0, 1.0, coefficients={"a": 0.0, "b": 1.0}),
        point("soup", *middle, coefficients={"a": 0.5, "b": 0.5}),
        point("expert", 1.0, 0.0, coefficients={"a": 1.0, "b": 0.0}),
        point("morl", 0.7, 0.7),
        point("init", 0.25, 0.5),
    ]
    directions = {"a": {"direction": "max"}, "b": {"direction": "max"}}
    document = {"schema": "rshub.scores/1", "rewards": directions, "points": points}
    return Scores.parse(json.dumps(document).encode())


def test_the_gain_of_a_soup_is_over_the_mixed_rewards_of_its_experts():
    measured = scores((0.6, 0.8))
    ends = {point.vertex: point for point in measured.points if point.vertex}
    gain, error = above_the_line(measured.points[1], ends, "a")
    assert gain == pytest.approx(0.6 - 0.5)
    assert error == pytest.approx((0.03**2 * (1 + 0.25 + 0.25)) ** 0.5)


def test_the_table_names_points_by_the_coefficient_of_the_first_reward():
    rows = table(scores((0.6, 0.8)), REWARDS)
    assert [row.split("  ")[0] for row in rows[1:]] == ["lambda 0", "lambda 0.5", "lambda 1", "MORL", "init"]
    assert "+0.100" in rows[2]
    assert "+0.300" in rows[2]


def test_volumes_are_compared_in_one_box():
    measured = scores((0.6, 0.8))
    said = "\n".join(figures_in_words(measured, front(scores=measured), REWARDS))
    # one soup at (.6, .8) of the unit box; three points on the diagonal cover .5 * .5
    assert "the soups 0.480" in said
    assert "straight line between the experts 0.250" in said
    assert "the MORL run alone 0.490" in said
    assert "the start alone 0.125" in said
    assert "the best soup by the mean of both rewards (lambda 0.5: 0.700) is 0.000" in said


def test_a_front_that_bends_the_wrong_way_is_said_to_fail():
    measured = scores((0.4, 0.3))
    said = "\n".join(figures_in_words(measured, front(scores=measured), REWARDS))
    assert said.count("FAILS") == 2


def test_texts_stand_side_by_side():
    shown = side_by_side({"one": "aaa bbb", "two": "c"}, width=4)
    assert shown == ["one    two", "---    ---", "aaa    c", "bbb"]
