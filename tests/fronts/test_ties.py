"""Ties: equal points, and points that only luck puts first."""

from rshub.fronts.ties import ties


def point(a, b, kind="soup", stderr=None):
    a = a if stderr is None else {"mean": a, "stderr": stderr}
    return {"kind": kind, "rewards": {"a": a, "b": b}}


def test_equal_points_and_equal_bests(typed):
    found = ties(typed({"a": "max", "b": "min"}, point(1, 2), point(1, 2, "expert"), point(1, 3), point(1, 2, "morl")))
    assert found == {
        "equal": [[0, 1]],
        "best": {"a": {"point": 0, "ties": [1, 2]}, "b": {"point": 0, "ties": [1]}},
    }


def test_bests_within_two_standard_errors_tie(typed):
    found = ties(
        typed({"a": "max", "b": "max"}, point(1.0, 1, stderr=0.1), point(0.8, 2, stderr=0.1), point(0.5, 3, stderr=0.1))
    )
    assert found["best"]["a"] == {"point": 0, "ties": [1]}
    assert found["best"]["b"] == {"point": 2, "ties": []}  # without errors only equals tie
    assert found["equal"] == []


def test_nothing_measured_no_tie(typed):
    assert ties(typed({"a": "max"}, {"kind": "soup", "rewards": {}})) == {"equal": [], "best": {}}
