"""Unigram metrics against values worked out by hand and a plain counting oracle."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rshub.rewards.metrics import METRICS, words
from rshub.rewards.samples import TextSample


def score(name, completion, *references):
    return METRICS[name].score(TextSample(prompt="", completion=completion, references=references))


def test_the_published_example_by_hand():
    """Target: the quick brown fox jumps over the lazy dog; prediction: the quick brown dog jumps on the log.

    Shared: the (2), quick, brown, dog, jumps = 6 of 8 written and 9 wanted.
    """
    target, prediction = "The quick brown fox jumps over the lazy dog", "The quick brown dog jumps on the log."
    assert score("rouge1.precision", prediction, target) == pytest.approx(6 / 8)
    assert score("rouge1.recall", prediction, target) == pytest.approx(6 / 9)
    assert score("rouge1.fmeasure", prediction, target) == pytest.approx(2 * (6 / 8) * (6 / 9) / (6 / 8 + 6 / 9))


def test_repeats_are_clipped_and_several_references_are_averaged():
    assert score("rouge1.precision", "the the the the", "the cat the") == pytest.approx(2 / 4)
    assert score("rouge1.recall", "the cat", "the cat", "a dog", "the dog") == pytest.approx((1 + 0 + 0.5) / 3)


def test_words_are_lower_cased_runs_of_letters_and_digits():
    assert words("The CAT's 2nd_hat, 3.5!") == ["the", "cat", "s", "2nd", "hat", "3", "5"]
    assert words("Déjà vu — 東京") == ["déjà", "vu", "東京"]


def test_empty_texts_score_zero_and_no_reference_is_no_score():
    for name in ("rouge1.recall", "rouge1.precision", "rouge1.fmeasure"):
        assert score(name, "", "a b") == 0
        assert score(name, "a b", "") == 0
        assert score(name, "...", "...") == 0
        assert score(name, "a b") != score(name, "a b")  # nan
    assert score("length", "one two, three.") == 3
    assert score("length", "") == 0


TEXT = st.text("ab c.,A1_\n", max_size=24)


@given(TEXT, st.lists(TEXT, min_size=1, max_size=3))
def test_against_multiset_intersection(completion, references):
    def count(text):
        return Counter(re.sub(r"[^a-z0-9]+", " ", text.lower()).split())

    recalls, precisions, harmonic = [], [], []
    for reference in references:
        written, wanted = count(completion), count(reference)
        shared = (written & wanted).total()
        precision, recall = shared / max(1, written.total()), shared / max(1, wanted.total())
        precisions.append(precision)
        recalls.append(recall)
        harmonic.append(2 * precision * recall / (precision + recall) if shared else 0.0)
    assert score("rouge1.recall", completion, *references) == pytest.approx(sum(recalls) / len(recalls))
    assert score("rouge1.precision", completion, *references) == pytest.approx(sum(precisions) / len(precisions))
    assert score("rouge1.fmeasure", completion, *references) == pytest.approx(sum(harmonic) / len(harmonic))
