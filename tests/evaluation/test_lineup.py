"""What coefficients mean, without a model: by content, anchored to a start, or as voices of an ensemble."""

import pytest

from rshub.errors import InvalidInput
from rshub.evaluation.lineup import Lineup
from rshub.experts.measurements import content_of
from rshub.soups.lock import Pin

A, B, START = (Pin(path=f"/{name}", files={"f": name * 64}) for name in "abc")
AS, BS, STARTS = (content_of(pin.files) for pin in (A, B, START))


def test_labels_and_order_do_not_matter_and_zeros_do_not_count():
    first = Lineup(experts={"x": A, "y": B}).voice({"x": 0.25, "y": 0.75})
    assert first == Lineup(experts={"q": B, "p": A}).voice({"q": 0.75, "p": 0.25}) == {AS: 0.25, BS: 0.75}
    assert Lineup(experts={"x": A, "y": B}).voice({"x": 1, "y": 0.0}) == {AS: 1.0}


def test_the_same_files_under_two_labels_are_one_expert():
    twice = Lineup(experts={"x": A, "again": Pin(repo_id="o/r", revision="1" * 40, files=A.files)})
    assert twice.voice({"x": 0.25, "again": 0.75}) == {AS: 1.0}
    assert twice.ensemble({"x": 0.25, "again": 0.75}) == ((1.0, {AS: 1.0}),)


def test_a_start_counts_with_what_is_left_and_one_below_counts_once():
    continued = Lineup(experts={"x": A, "y": B}, init=START)
    assert continued.voice({"x": 0.25, "y": 0.25}) == {AS: 0.25, BS: 0.25, STARTS: 0.5}
    assert continued.voice({"x": 0.25, "init": 0.75}) == {AS: 0.25, STARTS: 0.75}
    assert continued.voice({"x": 0.5, "y": 0.5}) == {AS: 0.5, BS: 0.5}
    assert continued.voice({}) == {STARTS: 1.0}
    stacked = Lineup(experts={"x": A, "y": B}, init=START, init_kind="stacked")
    assert stacked.voice({"x": 0.5, "y": 0.5}) == {AS: 0.5, BS: 0.5, STARTS: 1.0}
    assert Lineup(experts={"x": A}).voice({"init": 1.0}) == {}


def test_voices_are_experts_alone_each_with_its_share():
    voices = Lineup(experts={"x": A, "y": B}, init=START, init_kind="stacked").ensemble(
        {"x": 0.5, "y": 0.25, "init": 0.25}
    )
    assert voices == ((0.5, {AS: 1.0, STARTS: 1.0}), (0.25, {BS: 1.0, STARTS: 1.0}), (0.25, {STARTS: 1.0}))


@pytest.mark.parametrize(
    ("coefficients", "why"),
    [
        ({"x": 1.5, "y": -0.5}, "y is negative"),
        ({"x": 0.5}, "do not sum to 1"),
        ({"x": float("nan"), "y": 1.0}, "is nan"),
        ({"z": 1.0}, "no expert 'z' is open here"),
    ],
)
def test_what_is_no_average_of_probabilities_is_refused(coefficients, why):
    with pytest.raises(InvalidInput, match=why):
        Lineup(experts={"x": A, "y": B}).ensemble(coefficients)


def test_what_extrapolates_is_refused_unless_it_is_asked_for():
    lineup = Lineup(experts={"x": A, "y": B})
    for fine in ({}, {"x": 1.0}, {"x": 0.0}, {"x": 0.4, "init": 0.6}):
        lineup.refuse_outside(fine)
    for outside in ({"x": 1.5, "y": -0.5}, {"x": 0.5}, {"x": 1.0, "y": 0.1}):
        with pytest.raises(InvalidInput, match="extrapolates"):
            lineup.refuse_outside(outside)
