"""When an expert counts: figures worked out by hand."""

import math

import pytest

from rshub.preferences.scores import Point, RewardScore
from scripts.twins.check import Checked, Gain, gain, lines


def point(samples):
    known = [sample for sample in samples if sample is not None]
    score = RewardScore(mean=sum(known) / len(known), samples=tuple(samples))
    return Point(kind="soup", coefficients={}, rewards={"fit": score})


def test_the_error_of_a_gain_is_that_of_the_differences_prompt_by_prompt():
    found = gain(point([0.0, 10.0, 20.0]), point([1.0, 12.0, 23.0]), expert="fit", reward="fit")
    # differences 1, 2, 3: mean 2, standard deviation 1, over the root of 3
    assert found.error == pytest.approx(1 / math.sqrt(3))
    assert found.errors == pytest.approx(2 * math.sqrt(3))


def test_a_prompt_that_was_not_scored_on_either_side_does_not_count():
    found = gain(point([0.0, 10.0, 20.0, 5.0]), point([1.0, 12.0, 23.0, None]), expert="fit", reward="fit")
    assert found.error == pytest.approx(1 / math.sqrt(3))


@pytest.mark.parametrize(
    ("after", "error", "errors"),
    [(1.0, 0.0, math.inf), (-1.0, 0.0, -math.inf), (0.0, 0.0, 0.0), (1.0, math.inf, 0.0), (-3.0, 1.5, -2.0)],
)
def test_gains_without_an_error_and_losses(after, error, errors):
    assert Gain(expert="fit", reward="fit", before=0.0, after=after, error=error).errors == errors


def test_an_expert_counts_by_its_own_reward_alone_and_by_more_than_three_errors():
    gains = tuple(
        Gain(expert=expert, reward=reward, before=0.0, after=after, error=1.0)
        for expert, reward, after in (("a", "a", 3.1), ("a", "b", -9.0), ("b", "b", 3.0), ("b", "a", 9.0))
    )
    measured = Point(kind="soup", coefficients={}, rewards={name: RewardScore(mean=0.0) for name in "ab"})
    checked = Checked(gains=gains, seconds={"a": 1.0, "b": 2.0}, points={"base": measured})
    assert [(found.expert, found.reward) for found in checked.failed] == [("b", "b")]
    shown = lines(checked)
    assert [line.split()[-1] for line in shown[:4]] == ["counts", "errors", "COUNT", "errors"]
