"""Stored evaluations as tables: which points count, where they lie, and how far they may err."""

import json

import numpy as np
import pytest

from rshub.preferences.evidence import gather, shares_of
from rshub.preferences.scores import Point, Scores


def scores(*points, rewards=("a", "b")):
    document = {"rewards": {name: {"direction": "max"} for name in rewards}, "points": list(points)}
    return Scores.parse(json.dumps(document).encode())


def soup(share, a=None, b=None, kind="soup"):
    """A point with this share of a, the rest of b."""
    coefficients = {name: value for name, value in (("a", share), ("b", 1 - share)) if value}
    measured = {name: value for name, value in (("a", a), ("b", b)) if value is not None}
    return {"kind": kind, "coefficients": coefficients, "rewards": measured}


@pytest.mark.parametrize(
    ("coefficients", "kind", "corners", "expected"),
    [
        ({"a": 0.3, "b": 0.7}, "soup", "ab", [0.3, 0.7]),
        ({"a": 1}, "expert", "ab", [1, 0]),
        ({"b": 1, "a": 0}, "soup", "ab", [0, 1]),
        ({"a": 0.3, "c": 0.7}, "soup", "ab", None),  # of somebody else
        ({"a": 1.3, "b": -0.3}, "soup", "ab", None),  # extrapolated
        ({"a": 0.5, "b": 0.3}, "soup", "ab", None),  # a share of the start
        ({"a": 0.5, "b": 0.3}, "soup", ("a", "b", "init"), [0.5, 0.3, 0.2]),
        ({"a": 0.5, "b": 0.3, "init": 0.2}, "soup", ("a", "b", "init"), [0.5, 0.3, 0.2]),
        ({"a": 0.5, "b": 0.3, "init": 0.5}, "soup", ("a", "b", "init"), None),  # sums to more
        ({"init": 1}, "init", ("a", "init"), [0, 1]),
        ({}, "init", ("a", "init"), [0, 1]),
        ({}, "init", "a", None),
        ({"a": 0.5, "b": 0.5}, "morl", "ab", None),
        ({"a": 0.5, "b": 0.5}, "ensemble", "ab", None),
        ({}, "soup", "ab", None),
    ],
)
def test_what_a_point_is_made_of(coefficients, kind, corners, expected):
    found = shares_of(Point(kind=kind, coefficients=coefficients, rewards={}), tuple(corners))
    assert found is None if expected is None else found == pytest.approx(expected)


def test_rewards_keep_the_rows_in_which_they_were_measured():
    found = gather(scores(soup(1, 1, 5), soup(0.5, 3), soup(0.5, 2, 4, kind="morl"), soup(0, None, 6)), "ab")
    assert found.points == (0, 1, 3)
    assert found.columns["a"].rows == (0, 1)
    assert found.columns["b"].values.tolist() == [5, 6]
    assert found.complete(["a"]) == [0, 1]
    assert found.complete(["a", "b"]) == [0]
    assert found.complete(["a", "nowhere"]) == []
    assert found.values(2) == {"b": 6.0}
    assert found.columns["b"].vertices == {0: 5.0, 1: 6.0}
    assert found.row_at(np.array([0.5, 0.5])) == 1
    assert found.row_at(np.array([0.5, 0.5]), ["b"]) is None


def test_min_rewards_are_turned():
    document = {"rewards": {"a": {"direction": "min"}}, "points": [soup(1, 3)]}
    assert gather(Scores.parse(json.dumps(document).encode()), "a").columns["a"].values.tolist() == [-3.0]


def test_errors_as_they_are_stated():
    def point(mean, **more):
        return soup(1, {"mean": mean, **more})

    assert gather(scores(point(1), point(2)), "a").columns["a"].errors is None
    some = gather(scores(point(1, stderr=0.1), point(2), point(3, stderr=0.3)), "a").columns["a"].errors
    assert some.tolist() == [0.1, 0.3, 0.3]
    rows = [[1.0, 2.0, 3.0], [2.0, 1.0, 3.5]]
    paired = gather(scores(*(point(float(np.mean(row)), samples=row) for row in rows)), "a").columns["a"].errors
    centred = np.array(rows) - np.mean(rows, axis=1, keepdims=True)
    assert paired == pytest.approx(centred @ centred.T / 2 / 3)
    mixed = gather(scores(point(2.0, samples=rows[0], stderr=0.5), point(1.0, stderr=0.2)), "a").columns["a"].errors
    assert mixed.tolist() == [0.5, 0.2]


def test_soups_whose_coefficients_do_not_sum_to_one_are_told():
    off = {"kind": "soup", "coefficients": {"a": 0.33, "b": 0.66}, "rewards": {"a": 9, "b": 9}}
    others = {"kind": "soup", "coefficients": {"a": 0.3, "c": 0.3}, "rewards": {"a": 9, "b": 9}}
    data = scores(soup(1, 1, 5), off, soup(0.5, 3), others, soup(0.3, 3, kind="morl"))
    found = gather(data, "ab")
    assert found.points == (0, 2)
    assert found.off_one == (1,)
    assert found.notes == ["left out of the selection, 1 soup, whose coefficients do not sum to 1: point 1"]
    with_start = gather(data, ("a", "b", "init"))  # there, what is missing is a share of the start
    assert with_start.points == (0, 1, 2)
    assert with_start.notes == []
