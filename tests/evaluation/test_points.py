"""What is kept of the scores of one model: their mean, its error, and the values of the prompts."""

import numpy as np
import pytest

from rshub.errors import InvalidInput
from rshub.evaluation.points import line, score_of


def test_the_values_of_prompts_are_kept_in_their_order():
    nan = np.nan
    score = score_of("r", np.array([[1.0, nan, 4.0, nan], [3.0, nan, nan, 2.0]]))
    assert score.samples == (2.0, None, 4.0, 2.0)
    assert score_of("r", np.array([[5.0]])).samples == (5.0,)


def test_uneven_seeds_still_agree_with_the_mean_that_is_written():
    scores = np.array([[0.0, 1.0], [np.nan, 1.0], [np.nan, 1.0]])
    score = score_of("r", scores)
    assert score.mean == pytest.approx(0.75)
    assert score.samples == (0.0, 1.0)


def test_scores_that_are_missing_are_left_out_of_mean_error_and_count():
    nan = np.nan
    score = score_of("r", np.array([[1.0, nan, 4.0, nan], [3.0, nan, nan, 2.0]]))
    assert score.mean == pytest.approx((1 + 3 + 4 + 2) / 4)
    assert score.n == 4
    assert score.stderr == pytest.approx(np.std([2.0, 4.0, 2.0], ddof=1) / np.sqrt(3))
    assert score_of("r", np.array([[5.0]])).stderr is None
    with pytest.raises(InvalidInput, match="no sample could be scored"):
        score_of("r", np.array([[nan, nan]]))


def test_a_line_has_both_ends_and_sums_to_one():
    points = line("a", "b", 8)
    assert len(points) == 9
    assert points[0] == {"a": 1.0, "b": 0.0}
    assert points[-1] == {"a": 0.0, "b": 1.0}
    assert all(sum(point.values()) == 1 for point in points)
