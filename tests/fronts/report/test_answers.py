"""What a committee is told: each answer with measurements made for it."""

import pytest

from rshub.fronts.front import front
from rshub.fronts.report.answers import AVERAGED, NO, UNCHECKED, UNCLEAR, YES, answers
from rshub.fronts.report.gaps import in_short


def told(scores):
    result = front(scores=scores, checks=True)
    found = answers(result["checks"])
    return {one.known_as: one for one in found}, in_short(scores, result, found)


def line(middle, *, error=None, **more):
    def score(value):
        return value if error is None else {"mean": value, "stderr": error}

    ends = [("expert", {"a": 1}, 1, 0), ("expert", {"b": 1}, 0, 1), ("soup", {"a": 0.5, "b": 0.5}, middle, middle)]
    points = [{"kind": k, "coefficients": c, "rewards": {"a": score(a), "b": score(b)}} for k, c, a, b in ends]
    return [*points, *({"kind": kind, "rewards": dict(zip("ab", at, strict=True))} for kind, at in more.items())]


@pytest.mark.parametrize(
    ("middle", "error", "answer", "words"),
    [
        (0.75, None, YES, "the smallest gain over taking turns is 0.25 (at a 0.5, b 0.5)"),
        (0.75, 0.01, YES, "In the one mixture measured no a was lost"),
        (0.49, 0.1, UNCLEAR, "which chance alone may explain"),
        (0.25, None, NO, "The one mixture lies 0.25 below the line (at a 0.5, b 0.5)"),
    ],
)
def test_the_line_between_experts(typed, middle, error, answer, words):
    found, _ = told(typed({"a": "max", "b": "max"}, *line(middle, error=error)))
    one = found["hypothesis 1, linear connectivity of a"]
    assert one.answer == answer
    assert words in one.words


@pytest.mark.parametrize(
    ("morl", "answer"), [((0.7, 0.7), YES), ((0.75, 0.75), YES), ((0.8, 0.8), NO), ((0.99, 0.2), NO)]
)
def test_models_trained_for_a_mixture(typed, morl, answer):
    found, short = told(typed({"a": "max", "b": "max"}, *line(0.75, morl=morl)))
    one = found["hypothesis 2, coverage; such models are called MORL"]
    assert one.answer == answer
    assert ("are beaten by one of them" in one.words) == (morl == (0.8, 0.8))
    assert any("matched by no mixture" in sentence for sentence in short) == (answer == NO)


def test_without_such_a_model_nothing_is_claimed(typed):
    found, short = told(typed({"a": "max", "b": "max"}, *line(0.75)))
    assert found["hypothesis 2, coverage; such models are called MORL"].answer == UNCHECKED
    assert found["gain of the expert for a over the start"].answer == UNCHECKED
    assert found["antagonism"].answer == UNCHECKED
    assert short[-1] == "4 of 6 questions below could not be checked with what was measured."
    assert "None of them is best for everybody" in short[1]
    assert short[2].startswith("Mixing cost nothing")


@pytest.mark.parametrize(("start", "answer"), [((0.5, 0.1), YES), ((1.0, 0.1), UNCLEAR), ((1.5, 0.1), NO)])
def test_an_expert_that_learned_nothing(typed, start, answer):
    found, _ = told(typed({"a": "max", "b": "max"}, *line(0.75, init=start)))
    assert found["gain of the expert for a over the start"].answer == answer
    assert found["antagonism"].answer == (YES if start[0] > 0.75 else UNCLEAR)  # equal parts below the start


def test_a_soup_that_beats_the_expert_is_named(typed):
    found, _ = told(typed({"a": "max", "b": "max"}, *line(1.25, init=(0.5, 0.5))))
    assert "The mixture a 0.5, b 0.5 is better still, by 0.25" in found["gain of the expert for a over the start"].words


def test_the_ensemble_is_compared_where_it_was_measured(typed):
    ensemble = {"kind": "ensemble", "coefficients": {"a": 0.5, "b": 0.5}, "rewards": {"a": 0.9, "b": 0.7}}
    found = answers(front(scores=typed({"a": "max", "b": "max"}, *line(0.75), ensemble), checks=True)["checks"])
    said = [one for one in found if one.code == AVERAGED]
    assert [one.answer for one in said] == [NO, YES]
    assert "running all of them is 0.15 better" in said[0].words


@pytest.mark.parametrize(("ahead", "answer"), [(0.3, NO), (0.1, UNCLEAR), (-0.1, YES), (-0.3, YES)])
def test_a_gap_to_the_ensemble_within_the_error_is_not_clear(typed, ahead, answer):
    rewards = {name: {"mean": 0.75 + ahead, "stderr": 0.1} for name in "ab"}  # the difference errs by 0.14
    ensemble = {"kind": "ensemble", "coefficients": {"a": 0.5, "b": 0.5}, "rewards": rewards}
    scores = typed({"a": "max", "b": "max"}, *line(0.75, error=0.1), ensemble)
    said = [one for one in answers(front(scores=scores, checks=True)["checks"]) if one.code == AVERAGED]
    assert [one.answer for one in said] == [answer, answer]


def test_a_price_of_mixing_is_in_the_first_sentences(typed):
    _, short = told(typed({"a": "max", "b": "max"}, *line(0.25)))
    assert any(sentence.startswith("Mixing has a price") for sentence in short)
    assert short[1].startswith("None of them is best for everybody")


def test_several_mixtures_are_counted_with_their_confidence(typed):
    middles = [("soup", {"a": x, "b": 1 - x}, x - 0.2 if x < 0.5 else x + 0.2, 1 - x) for x in (0.25, 0.5, 0.75)]
    points = [
        {"kind": k, "coefficients": c, "rewards": {"a": {"mean": a, "stderr": 0.01}, "b": b}} for k, c, a, b in middles
    ]
    found, _ = told(typed({"a": "max", "b": "max"}, *line(0.7, error=0.01), *points))
    words = found["hypothesis 1, linear connectivity of a"].words
    assert words.startswith("25% of 4 mixtures lose; the worst lies 0.2 below the line (at a 0.25, b 0.75).")
    assert words.endswith("With 95% confidence, 75% to 75% of the mixtures do not lose.")
