"""What is kept of the scores of one model: their mean, its error, and the values of the prompts."""

import numpy as np
import pytest

from rshub.evaluation.points import score_of


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
