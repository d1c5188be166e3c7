"""Hypothesis 1: the margin of every soup over the line between its experts."""

import pytest

from rshub.fronts.connectivity import interior_shares, margins
from rshub.fronts.front import front, lines
from rshub.preferences.scores import Point


def soup(coefficients, kind="soup", **rewards):
    return {"kind": kind, "coefficients": coefficients, "rewards": rewards}


def test_margins_in_raw_units_with_the_point_and_its_coefficients(typed):
    scores = typed(
        {"a": "max"},
        soup({"x": 1}, a=2.0, kind="expert"),
        soup({"y": 1.0, "x": 0}, a=4.0),
        soup({"x": 0.75, "y": 0.25}, a=2.75),
        soup({"x": 0.5, "y": 0.5}, a=2.5),
    )
    found, why = margins(scores, "a")
    assert [(margin.point, margin.value) for margin in found] == [(2, 0.25), (3, -0.5)]
    assert found[1].coefficients == {"x": 0.5, "y": 0.5}
    assert why == ""


def test_a_min_reward_is_better_below_the_line(typed):
    scores = typed({"a": "min"}, soup({"x": 1}, a=2.0), soup({"y": 1}, a=4.0), soup({"x": 0.5, "y": 0.5}, a=2.5))
    assert margins(scores, "a")[0][0].value == 0.5


def test_on_the_line_is_not_below_it(typed):
    tenths = [n / 10 for n in range(1, 10)]
    scores = typed(
        {"a": "max"},
        soup({"x": 1}, a=0.1),
        soup({"y": 1}, a=0.7),
        *(soup({"x": share, "y": 1 - share}, a=share * 0.1 + (1 - share) * 0.7) for share in tenths),
    )
    assert [margin.value for margin in margins(scores, "a")[0]] == [0.0] * 9


def test_three_experts_and_repeated_seeds_are_averaged(typed):
    scores = typed(
        {"a": "max"},
        soup({"x": 1}, a={"mean": 1.0, "stderr": 0.3}),
        soup({"x": 1}, a={"mean": 2.0, "stderr": 0.4}),
        soup({"y": 1}, a={"mean": 3.0, "stderr": 0.0}),
        soup({"z": 1}, a={"mean": 6.0, "stderr": 0.2}),
        soup({"x": 0.5, "y": 0.25, "z": 0.25}, a={"mean": 3.25, "stderr": 0.1}),
    )
    (found,), _ = margins(scores, "a")
    assert found.value == pytest.approx(3.25 - (0.75 + 0.75 + 1.5))
    assert found.stderr == pytest.approx((0.1**2 + (0.5 * 0.25) ** 2 + (0.25 * 0.2) ** 2) ** 0.5)


@pytest.mark.parametrize(
    ("coefficients", "kind", "interior"),
    [
        ({"x": 0.5, "y": 0.5}, "soup", True),
        ({"x": 0.5, "y": 0.5, "z": 0.0}, "expert", True),
        ({"x": 0.3333333333, "y": 0.6666666667}, "soup", True),
        ({"x": 1.0}, "soup", False),
        ({"x": 1.5, "y": -0.5}, "soup", False),
        ({"x": 0.5, "y": 0.4}, "soup", False),
        ({"x": 0.5, "y": 0.3, "init": 0.2}, "soup", False),
        ({"x": 0.5, "y": 0.5}, "morl", False),
        ({}, "soup", False),
        (None, "soup", False),
    ],
)
def test_which_points_lie_between_experts(coefficients, kind, interior):
    assert (interior_shares(Point(kind=kind, rewards={}, coefficients=coefficients)) is not None) == interior


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([], "no soup lies strictly between"),
        ([soup({"x": 1}, a=1)], "no soup lies strictly between"),
        ([soup({"x": 1}, a=1), soup({"x": 0.5, "y": 0.5}, a=1)], "an expert in every soup lacks a"),
        (
            [soup({"x": 1}, b=1), soup({"y": 1}, a=1), soup({"x": 0.5, "y": 0.5}, a=1)],
            "an expert in every soup lacks a",
        ),
        ([soup({"x": 1}, a=1), soup({"y": 1}, a=1), soup({"x": 0.5, "y": 0.5}, b=1)], "no soup between experts has a"),
    ],
)
def test_why_there_is_no_margin(typed, points, why):
    found, reason = margins(typed({"a": "max", "b": "max"}, *points), "a")
    assert found == []
    assert reason.startswith(why)


THIRDS = [
    *(soup({name: 1}, kind="expert", a=1.0) for name in "xyz"),
    soup({"x": 0.5, "y": 0.5}, a=1.2),
    soup({"x": 0.333, "y": 0.333, "z": 0.334}, a=1.1),
]


def test_soups_whose_coefficients_do_not_sum_to_one_are_left_out_aloud(typed):
    """A soup of rounded thirds may lie far below the line: whoever requires connectivity is told."""
    thirds = soup({"x": 0.33, "y": 0.33, "z": 0.33}, a=-5.0)
    said = "left out of connectivity, 1 soup, whose coefficients do not sum to 1: point 5"
    found = front(scores=typed({"a": "max"}, *THIRDS, thirds), require=["connectivity"], checks=True)
    assert found["notes"] == [said]
    assert found["connectivity"]["a"]["share_holding"] == 1.0
    assert f"note: {said}" in lines(found)
    two = front(scores=typed({"a": "max"}, *THIRDS, thirds, soup({"x": 0.99}, a=0)))
    assert two["notes"] == ["left out of connectivity, 2 soups, whose coefficients do not sum to 1: points 5, 6"]


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "init", "rewards": {"a": 0.0}},
        soup({"x": 0.5, "y": 0.3, "init": 0.2}, a=0.0),
        soup({"x": 1.5, "y": -0.5}, a=0.0),
        soup({"x": 0.3}, kind="morl", a=0.0),
        soup({}, a=0.0),
    ],
)
def test_other_points_are_not_said_to_be_off(typed, other):
    assert front(scores=typed({"a": "max"}, *THIRDS, other))["notes"] == []
