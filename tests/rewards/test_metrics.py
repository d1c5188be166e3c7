"""Counted metrics against values worked out by hand, a plain counting oracle, and the examples of their libraries."""

import math
import re
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rshub.errors import InvalidInput, MissingExtra, NotFound
from rshub.rewards import libraries
from rshub.rewards.cider import fit
from rshub.rewards.grammar import read_term
from rshub.rewards.metrics import METRICS, metric_term
from rshub.rewards.samples import TextSample
from rshub.rewards.spec import reward_from_spec
from rshub.rewards.words import words


def score(name, completion, *references):
    return metric_term(read_term(f"metric:{name}")).score(
        [TextSample(prompt="", completion=completion, references=references)], {}
    )[0]


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


def test_bigrams_and_common_subsequences_by_hand():
    """Wanted: police killed the gunman; written: the gunman police killed.

    Bigrams: police-killed, killed-the, the-gunman against the-gunman, gunman-police, police-killed: 2 of 3 shared. The
    longest common subsequence is "police killed" or "the gunman": 2 of 4.
    """
    wanted, written = "police killed the gunman", "The gunman police killed."
    assert score("rouge2.recall", written, wanted) == pytest.approx(2 / 3)
    assert score("rouge_l", written, wanted) == pytest.approx(2 / 4)
    assert score("rouge_l.precision", "police killed", wanted) == 1
    assert score("rouge_l.recall", "police killed", wanted) == pytest.approx(2 / 4)


def test_the_best_reference_counts_where_the_definition_says_so():
    best, other = "the cat sat down", "a dog"
    for name in ("rouge2", "rouge_l", "meteor"):
        assert score(name, "the cat sat", best, other) == pytest.approx(score(name, "the cat sat", best))
        assert score(name, "the cat sat", other, best) == pytest.approx(score(name, "the cat sat", best))


def test_bleu_by_hand():
    """Three of four words and one of three pairs; as long as the reference, so nothing is taken off for brevity."""
    assert score("bleu1", "the cat sat here", "the cat stood here") == pytest.approx(3 / 4)
    assert score("bleu2", "the cat sat here", "the cat stood here") == pytest.approx(math.sqrt(3 / 4 * 1 / 3))
    assert score("bleu1", "the cat", "the cat sat down") == pytest.approx(math.exp(1 - 4 / 2))
    assert score("bleu4", "the cat sat on the mat", "a dog", "the cat sat on the mat") == pytest.approx(1)
    assert score("bleu1", "the dog", "the cat", "a dog") == pytest.approx(1)  # all references together
    assert score("chrf", "the cat", "the cat") == pytest.approx(1)
    assert score("chrf", "zzz", "the cat") == 0


def test_meteor_by_hand():
    """Three of three words in one run: F = 1, penalty 0.5 * (1/3)^3; stems meet where words do not."""
    one_run = 1 - 0.5 * (1 / 3) ** 3
    assert score("meteor", "the cats sleep", "the cat sleeping") == pytest.approx(one_run)
    assert score("meteor", "one two", "three four") == 0
    assert score("meteor", "", "three four") == 0


def test_meteor_with_synonyms_is_refused_without_their_data(monkeypatch, tmp_path):
    import nltk.data

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    libraries._meteor.cache_clear()
    with pytest.raises(NotFound, match="WordNet data of nltk are not on this machine"):
        reward_from_spec("metric:meteor.wordnet").make_ready()


CAPTIONS = [
    (
        "a dog runs on the grass",
        ("a brown dog runs on the wet grass", "the dog is running over a field"),
    ),
    ("people on the beach", ("two people ride horses along the beach",)),
    (
        "a cat sleeps on the old red sofa",
        ("a cat sleeps on the old red sofa", "the cat is asleep", "a small cat on a sofa"),
    ),
    ("the the the the man", ("the man plays a guitar on the street",)),
]
CIDER = [2.5511231975593844, 1.8904179785980022, 3.945636445672436, 1.3752413074021141]


def test_cider_agrees_with_the_code_that_its_authors_released():
    """The expected scores are those of pycocoevalcap 1.2 on these captions."""
    samples = [TextSample(prompt="", completion=text, references=references) for text, references in CAPTIONS]
    context = {"corpus": [references for _, references in CAPTIONS]}
    cider = reward_from_spec("metric:cider")
    assert cider(samples, context) == pytest.approx(CIDER, rel=1e-9)
    assert cider(samples[1:2], context) == pytest.approx(CIDER[1:2], rel=1e-9)  # whatever else is in the batch
    assert math.isnan(cider([TextSample(prompt="", completion="a dog")], context)[0])


def test_cider_says_what_it_needs():
    sample = TextSample(prompt="", completion="a dog", references=("a dog",))
    with pytest.raises(InvalidInput, match="references of the whole set are needed"):
        reward_from_spec("metric:cider")([sample], {})
    with pytest.raises(InvalidInput, match="1 prompts with references are too few"):
        fit([("a dog",), ()])
    reward_from_spec("metric:cider").make_ready()  # there is nothing to fit yet


def test_vader_knows_good_from_bad():
    vader = reward_from_spec("lexicon:vader")
    texts = ("The food was great, I love it!", "Awful. The worst food ever.", "")
    good, bad, nothing = vader([TextSample(prompt="", completion=text) for text in texts], {})
    assert good > 0.5
    assert bad < -0.5
    assert nothing == 0


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_keeps_to_its_range_and_needs_what_it_says(name):
    reward = reward_from_spec(name)
    low, high = reward.range
    references = ("the cat sat on the mat", "a dog")
    texts = ("", "the cat sat on the mat", "zzz !", "a a a a a", "the dog sat", "\u6771\u4eac")
    samples = [TextSample(prompt="", completion=text, references=references) for text in texts]
    if name != "metric:meteor.wordnet":
        scores = reward(samples, {"corpus": (references, ("the sea",))})
        assert ((low - 1e-9 <= scores) & (scores <= high + 1e-9)).all()
        bare = reward([TextSample(prompt="", completion="a")], {"corpus": (references, ("the sea",))})
        assert math.isnan(bare[0]) == reward.needs_references


@pytest.mark.parametrize(
    ("spec", "library"),
    [
        ("metric:rouge_l", "rouge_score.rouge_scorer"),
        ("metric:bleu4", "sacrebleu.metrics"),
        ("metric:chrf", "sacrebleu.metrics"),
        ("metric:meteor", "nltk.translate.meteor_score"),
        ("lexicon:vader", "vaderSentiment.vaderSentiment"),
    ],
)
def test_a_library_that_is_not_there_is_named_with_its_extra(spec, library, monkeypatch):
    for cached in (libraries._rouge, libraries._bleu, libraries._chrf, libraries._meteor, libraries._vader):
        cached.cache_clear()
    monkeypatch.setitem(sys.modules, library, None)
    reward = reward_from_spec(spec)
    assert reward.digest  # known without the library
    with pytest.raises(MissingExtra) as caught:
        reward.make_ready()
    assert caught.value.extra == "metrics"
