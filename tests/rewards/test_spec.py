"""A reward string means one thing, has one identity, and scores what it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rshub.errors import InvalidInput
from rshub.rewards.metrics import METRICS
from rshub.rewards.samples import TextSample
from rshub.rewards.spec import reward_from_spec

SAMPLES = [
    TextSample(prompt="p", completion="the cat sat", references=("the cat sat on the mat",)),
    TextSample(prompt="p", completion="a dog", references=("the cat sat on the mat", "a dog barked")),
    TextSample(prompt="p", completion="no references"),
]
NAMES = [f"metric:{name}" for name in METRICS]
NUMBERS = st.floats(-100, 100, allow_nan=False).map(lambda number: round(number, 3))


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("metric:length", "metric:length"),
        (" - metric:length ", "-metric:length"),
        ("1*metric:length", "metric:length"),
        (
            "0.50*metric:rouge1.recall+.5*metric:length".replace("+.5", "+0.5"),
            "0.5*metric:length + 0.5*metric:rouge1.recall",
        ),
        ("metric:length - 2e-1*metric:rouge1.recall", "metric:length - 0.2*metric:rouge1.recall"),
        ("metric:length + metric:length", "2*metric:length"),
        ("metric:rouge1.recall + metric:length - metric:length", "metric:rouge1.recall"),
        ("metric:length + -1*metric:rouge1.recall".replace("+ -", "- "), "metric:length - metric:rouge1.recall"),
    ],
)
def test_a_spec_has_one_canonical_form(written, canonical):
    assert reward_from_spec(written).spec == canonical
    assert reward_from_spec(canonical).spec == canonical
    assert reward_from_spec(written).digest == reward_from_spec(canonical).digest


@given(st.dictionaries(st.sampled_from(NAMES), NUMBERS.filter(bool), min_size=1))
def test_canonical_form_round_trips_and_scores_are_the_weighted_sum(terms):
    text = " ".join(f"{'-' if value < 0 else '+'} {abs(value)!r}*{name}" for name, value in terms.items())
    reward = reward_from_spec(text)
    again = reward_from_spec(reward.spec)
    assert (again.spec, again.digest, dict(again.terms)) == (reward.spec, reward.digest, terms)
    expected = sum(value * reward_from_spec(name)(SAMPLES) for name, value in terms.items())
    np.testing.assert_allclose(reward(SAMPLES, {}), expected, rtol=1e-12, atol=1e-12)


def test_different_rewards_have_different_digests():
    specs = [*NAMES, *(f"-{name}" for name in NAMES), "0.5*metric:length", "metric:length + metric:rouge1.recall"]
    assert len({reward_from_spec(spec).digest for spec in specs}) == len(specs)


def test_scores_are_float64_one_for_each_sample_and_nan_where_not_scored():
    scores = reward_from_spec("-metric:rouge1.recall")(SAMPLES, {})
    assert scores.dtype == np.float64
    assert scores.shape == (3,)
    assert scores[:2] == pytest.approx([-3 / 6, -(0 / 6 + 2 / 3) / 2])
    assert np.isnan(scores[2])
    assert np.isnan(reward_from_spec("metric:length + metric:rouge1.recall")(SAMPLES, {})[2])
    assert reward_from_spec("metric:length")([], {}).shape == (0,)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("metric:rouge1.recal", "did you mean 'metric:rouge1.recall'"),
        ("rouge1.recall", "did you mean 'metric:rouge1.recall'"),
        ("metrics:length", "did you mean 'metric:length'"),
        ("hf:org/model", "this version knows no 'hf:' rewards"),
        ("python:os.system", "this version knows no 'python:' rewards"),
        ("", "is expected at character 1"),
        ("metric:length metric:length", "is expected at character 15"),
        ("metric:length +", "is expected at character 15"),
        ("2*", "is expected at character 1"),
        ("0*metric:length", "all of its terms are zero"),
        ("1e999*metric:length", "beyond 1e+100"),
        ("1e308*metric:length + 1e308*metric:length", "beyond 1e+100"),
        ("9e99*metric:length + 9e99*metric:length", "beyond 1e+100"),
        ("metric:length " * 300, "more than the 2000"),
    ],
)
def test_a_bad_spec_is_refused_with_the_reason(spec, why):
    with pytest.raises(InvalidInput) as caught:
        reward_from_spec(spec)
    assert why in caught.value.message
