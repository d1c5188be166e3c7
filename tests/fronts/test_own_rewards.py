"""Experts on their own rewards, against soups and against the start."""

import pytest

from rshub.fronts.own_rewards import own_rewards


def points(stderr=None, *, start=0.0):
    def score(value):
        return value if stderr is None else {"mean": value, "stderr": stderr}

    rows = [("expert", 1.0, 1.0), ("expert", 0.0, 0.2), ("soup", 0.9, 1.1), ("soup", 0.5, 0.8)]
    measured = [
        {"kind": kind, "coefficients": {"a": share, "b": 1 - share}, "rewards": {"a": score(a)}}
        for kind, share, a in rows
    ]
    return [*measured, {"kind": "init", "rewards": {"a": score(start)}}]


def test_a_soup_that_beats_the_expert_on_its_own_reward(typed):
    found = own_rewards(typed({"a": "max", "z": "max"}, *points()))
    assert set(found) == {"a"}
    assert found["a"]["over_expert"] == {
        "gain": pytest.approx(0.1),
        "stderr": None,
        "clear": True,
        "point": 2,
        "coefficients": {"a": 0.9, "b": pytest.approx(0.1)},
    }
    assert found["a"]["over_start"] == {"gain": 1.0, "stderr": None, "clear": True}


def test_within_the_errors_it_is_not_clear(typed):
    found = own_rewards(typed({"a": "max"}, *points(0.2, start=0.9)))["a"]
    assert not found["over_expert"]["clear"]
    assert not found["over_start"]["clear"]
    assert found["over_start"]["stderr"] == pytest.approx(0.2 * 2**0.5)


def test_lower_is_better_for_min_rewards(typed):
    found = own_rewards(typed({"a": "min"}, *points()))["a"]
    assert found["over_expert"]["point"] == 3
    assert found["over_expert"]["gain"] == pytest.approx(0.2)
    assert found["over_start"]["gain"] == -1.0


def test_nothing_to_compare_with(typed):
    assert own_rewards(typed({"a": "max"}, points()[0]))["a"] == {"over_start": None, "over_expert": None}


def test_the_published_fronts(news, captioning):
    found = own_rewards(news[0])
    best = max(news[1]["soups"], key=lambda point: point["rewards"]["R2"])
    assert found["R2"]["over_expert"]["coefficients"] == best["lambda"]
    assert found["R1"]["over_expert"]["gain"] < 0.0
    assert all(row["over_start"]["clear"] for row in found.values())
    assert own_rewards(captioning[0])["rouge_l"]["over_expert"]["gain"] == pytest.approx(0.6096 - 0.61)
