"""Whether an expert, the start or a model of mixed rewards is better than the soup, worse, or a tie."""

import numpy as np
import pytest

from rshub.evaluation.selection.rivals import Chosen, compare
from rshub.evaluation.selection.select import select
from rshub.preferences.scores import Point, RewardScore, Scores
from rshub.preferences.wish import Wish

WISH = Wish(factors={"a": 1.0, "b": 2.0})


def point(kind, a, b, coefficients=None, stderr=None, samples=(None, None), **more):
    rewards = {
        name: RewardScore(mean=value, stderr=stderr, samples=rows)
        for name, value, rows in (("a", a, samples[0]), ("b", b, samples[1]))
        if value is not None
    }
    return Point(kind=kind, coefficients=coefficients, rewards=rewards, **more)


SOUP = point("soup", 1.0, 1.0, {"a": 0.5, "b": 0.5}, stderr=0.1)


def against(*others, soup=SOUP, directions=("max", "max")):
    scores = Scores(rewards=dict(zip("ab", directions, strict=True)), points=(soup, *others))
    value = WISH.of_point(soup, scores.rewards)
    return compare(scores, Chosen(point=soup, value=value, stderr=None), WISH)


def test_all_kinds_are_compared_the_best_first():
    found = against(
        point("expert", 0.0, 0.0, {"a": 1.0}, stderr=0.1),
        point("init", 1.1, 1.0, stderr=0.1),
        point("morl", 2.0, 2.0, mixture={"a": 0.5, "b": 0.5}, stderr=0.1),
        point("soup", 9.0, 9.0, {"a": 0.2, "b": 0.8}),  # another soup is no rival
        point("ensemble", 9.0, 9.0, {"a": 0.2, "b": 0.8}),
        point("morl", 9.0, None),  # not measured on all that is wanted
    )
    assert [(rival.kind, rival.name, rival.verdict) for rival in found] == [
        ("morl", "a=0.5, b=0.5", "better"),
        ("init", "init", "tie"),
        ("expert", "a", "worse"),
    ]
    assert found[0].difference == pytest.approx(3.0)
    assert found[0].stderr == pytest.approx(np.sqrt(2 * (0.1**2 + 4 * 0.1**2)))


def test_min_rewards_count_the_other_way():
    (rival,) = against(point("init", 1.0, 0.0), directions=("max", "min"))
    assert rival.difference == pytest.approx(2.0)


def test_without_errors_a_difference_is_taken_at_its_word_and_equality_is_a_tie():
    soup = point("soup", 0.1 + 0.2, 1.0, {"a": 0.5, "b": 0.5})
    better, tie = against(point("init", 0.31, 1.0), point("morl", 0.3, 1.0), soup=soup)
    assert (better.verdict, better.stderr) == ("better", None)
    assert (tie.verdict, tie.difference) == ("tie", 0.0)


def test_on_the_same_prompts_the_difference_is_taken_prompt_by_prompt():
    """Prompts differ much, models little: only the pairs show it."""
    generator = np.random.default_rng(0)
    a, b = generator.normal(scale=5, size=(2, 30))
    shift = 0.1 + generator.normal(scale=0.01, size=30)

    def measured(kind, rows, coefficients=None):
        means = [float(row.mean()) for row in rows]
        return point(kind, *means, coefficients, stderr=1.0, samples=tuple(tuple(row.tolist()) for row in rows))

    soup = measured("soup", (a, b), {"a": 0.5, "b": 0.5})
    (paired,) = against(measured("init", (a + shift, b)), soup=soup)
    assert paired.verdict == "better"
    assert paired.difference == pytest.approx(shift.mean())
    assert paired.stderr == pytest.approx(shift.std(ddof=1) / np.sqrt(30))
    (alone,) = against(point("init", float((a + shift).mean()), float(b.mean()), stderr=1.0), soup=soup)
    assert alone.verdict == "tie"


def test_a_choice_that_was_not_measured_is_compared_by_its_prediction():
    scores = Scores(rewards={"a": "max", "b": "max"}, points=(point("init", 1.0, 1.0, stderr=0.0),))
    (rival,) = compare(scores, Chosen(point=None, value=2.9, stderr=0.2), WISH)
    assert (rival.verdict, rival.stderr) == ("tie", pytest.approx(0.2))


def test_the_answer_says_that_the_start_is_better(written):
    points = [
        {"kind": "expert", "coefficients": {"a": 1}, "rewards": {"a": 1.0, "b": 0.0}},
        {"kind": "expert", "coefficients": {"b": 1}, "rewards": {"a": 0.0, "b": 1.0}},
        {"kind": "init", "rewards": {"a": 0.9, "b": 0.9}},
        {"kind": "soup", "coefficients": {"a": 0.5, "b": 0.5}, "rewards": {"a": 0.6, "b": 0.6}},
    ]
    found = select("a=0.5, b=0.5", scores=written(points, {"a": "max", "b": "max"}))
    assert [rival.kind for rival in found.better] == ["init"]
    assert any("the start alone is better than the chosen soup" in line for line in found.lines())
    assert not found.ties
