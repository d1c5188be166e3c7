"""Sums over points with their errors: paired where the prompts are the same, independent or unknown otherwise."""

import numpy as np
import pytest

from rshub.fronts.differences import clear, combine


def score(mean, stderr=None, samples=None):
    return {
        key: value for key, value in {"mean": mean, "stderr": stderr, "samples": samples}.items() if value is not None
    }


def two(typed, first, second, direction="max"):
    return typed({"r": direction}, *({"kind": "soup", "rewards": {"r": value}} for value in (first, second)))


def test_errors_of_points_measured_apart_add_up_as_squares(typed):
    scores = two(typed, score(3.0, 0.3), score(1.0, 0.2))
    assert combine(scores, "r", {0: 1.0, 1: -2.0}) == (1.0, pytest.approx(0.5))


def test_an_unknown_error_makes_the_sum_uncertain(typed):
    assert combine(two(typed, score(3.0, 0.3), 1.0), "r", {0: 1.0, 1: -1.0}) == (2.0, None)


def test_points_on_the_same_prompts_are_compared_prompt_by_prompt(typed):
    first, second = [1.0, 5.0, 3.0, 8.0], [0.5, 4.0, 2.75, 7.0]
    scores = two(typed, score(4.25, 1.5, first), score(3.5625, 1.4, second))
    value, stderr = combine(scores, "r", {0: 1.0, 1: -1.0})
    gaps = np.subtract(first, second)
    assert value == pytest.approx(gaps.mean())
    assert stderr == pytest.approx(gaps.std(ddof=1) / 2.0)
    assert stderr < 0.5  # far less than independent errors would give


def test_prompts_that_one_point_lacks_are_left_out_of_the_error(typed):
    scores = two(typed, score(2.0, samples=[1.0, 2.0, 3.0, None]), score(1.0, samples=[0.0, 0.5, 2.0, 1.5]))
    assert combine(scores, "r", {0: 1.0, 1: -1.0})[1] == pytest.approx(np.std([1.0, 1.5, 1.0], ddof=1) / np.sqrt(3))


def test_different_numbers_of_prompts_are_different_prompts(typed):
    scores = two(typed, score(2.0, 0.3, [1.0, 3.0]), score(1.0, 0.4, [0.0, 1.0, 2.0]))
    assert combine(scores, "r", {0: 1.0, 1: -1.0}) == (1.0, pytest.approx(0.5))


def test_larger_is_better_for_min_rewards_too_and_rounding_is_no_difference(typed):
    assert combine(two(typed, 3.0, 1.0, "min"), "r", {0: 1.0, 1: -1.0})[0] == -2.0
    scores = typed({"r": "max"}, *({"kind": "soup", "rewards": {"r": value}} for value in (0.3, 0.1, 0.2)))
    assert combine(scores, "r", {0: 1.0, 1: -1.0, 2: -1.0})[0] == 0.0


def test_what_is_clear():
    assert clear(1.0, None)
    assert not clear(0.0, None)
    assert clear(-2.0, 1.0)
    assert not clear(1.9, 1.0)
    assert clear(1e-9, 0.0)
