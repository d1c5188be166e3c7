"""Lemma 4: soups beside ensembles with the same coefficients."""

import pytest

from rshub.fronts.ensembles import ensemble_gaps


def point(kind, share, a, **score):
    return {"kind": kind, "coefficients": {"x": share, "y": 1 - share}, "rewards": {"a": {"mean": a} | score}}


def test_the_largest_gap_is_reported(typed):
    found = ensemble_gaps(
        typed(
            {"a": "max", "b": "max"},
            point("soup", 0.5, 1.0, stderr=0.03),
            point("ensemble", 0.5, 1.1, stderr=0.04),
            point("soup", 0.25, 2.0),
            point("ensemble", 0.25 + 1e-12, 1.95),
            point("soup", 0.75, 9.0),
        )
    )
    assert found["rewards"]["a"] == {
        "gap": pytest.approx(0.1),
        "stderr": pytest.approx(0.05),
        "clear": True,
        "at": {"x": 0.5, "y": 0.5},
        "pairs": 2,
    }
    assert found["rewards"]["b"]["reason"].startswith("no pair")


def test_why_there_is_no_gap(typed):
    assert ensemble_gaps(typed({"a": "max"}, point("soup", 0.5, 1.0)))["reason"].startswith("no ensemble")
    scores = typed({"a": "max"}, point("soup", 0.5, 1.0), point("ensemble", 0.4, 1.0))
    assert ensemble_gaps(scores)["reason"].startswith("no soup has")
    scores = typed({"a": "max"}, {"kind": "soup", "rewards": {"a": 1}}, {"kind": "ensemble", "rewards": {"a": 1}})
    assert ensemble_gaps(scores)["reason"].startswith("no soup has")


def test_an_ensemble_is_no_soup(typed):
    from rshub.fronts.figures import describe

    result = describe(
        typed({"a": "max"}, point("soup", 0.5, 1.0), point("soup", 0.2, 2.0), point("ensemble", 0.5, 9.0))
    )
    assert result["front"] == [1]
    assert result["box"]["ideal"] == {"a": 2.0}
