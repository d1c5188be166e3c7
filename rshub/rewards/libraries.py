"""Metrics by well-kept libraries, each imported when it is first asked for; none of them fetches anything.

ROUGE by ``rouge-score`` (its ``score_multi``: the reference with the best F-measure), BLEU and chrF by ``sacrebleu``,
METEOR by ``nltk``, VADER by ``vaderSentiment`` with the lexicon in its package.

METEOR matches words exactly, then by stem, then by synonyms of WordNet. Those are data that ``nltk`` does not carry, so
``meteor`` is the first two stages, the same on every machine; ``meteor.wordnet`` has all three, and is refused where
the data are not installed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from rshub.errors import MissingExtra, NotFound
from rshub.rewards.samples import Context, TextSample
from rshub.rewards.words import words

EXTRA = "metrics"

Make = Callable[[Context], Callable[[TextSample], float]]


class _Words:
    """Our words, as ``rouge-score`` asks for them: letters of every script count."""

    def tokenize(self, text: str) -> list[str]:
        """Split a text into words."""
        return words(text)


class _NoSynonyms:
    """A WordNet without words."""

    def synsets(self, _word: str) -> list[Any]:
        """Know no synonyms."""
        return []


def rouge(kind: str, measure: Literal["recall", "precision", "fmeasure"]) -> Make:
    """ROUGE by n-grams (``rouge2``) or by the longest common subsequence (``rougeL``).

    Source: Lin, ROUGE: A Package for Automatic Evaluation of Summaries, 2004.
    """

    def make(_context: Context) -> Callable[[TextSample], float]:
        scorer = _rouge(kind)
        return lambda sample: float(
            getattr(scorer.score_multi(list(sample.references), sample.completion)[kind], measure)
        )

    return make


def bleu(order: int) -> Make:
    """BLEU of one text against all of its references, up to n-grams of an order, 0 to 1.

    Source: Papineni et al., BLEU, 2002; exponential smoothing and the effective order of ``sacrebleu``.
    """

    def make(_context: Context) -> Callable[[TextSample], float]:
        scorer = _bleu(order)
        return lambda sample: float(scorer.sentence_score(sample.completion, list(sample.references)).score) / 100

    return make


def chrf(_context: Context) -> Callable[[TextSample], float]:
    """Give the F-score of character n-grams, 0 to 1.

    Source: Popovic, chrF: character n-gram F-score for automatic MT evaluation, 2015.
    """
    scorer = _chrf()
    return lambda sample: float(scorer.sentence_score(sample.completion, list(sample.references)).score) / 100


def meteor(*, synonyms: bool) -> Make:
    """METEOR against the best reference, with or without the stage of synonyms.

    Source: Lavie and Agarwal, Meteor, 2007, with alpha 0.9, beta 3 and gamma 0.5.
    """

    def make(_context: Context) -> Callable[[TextSample], float]:
        score, wordnet = _meteor(synonyms=synonyms)

        def one(sample: TextSample) -> float:
            written = words(sample.completion)
            return float(score([words(reference) for reference in sample.references], written, wordnet=wordnet))

        return one

    return make


def vader(_context: Context) -> Callable[[TextSample], float]:
    """Give the compound sentiment of English text, -1 to 1, by a lexicon and a few rules.

    Source: Hutto and Gilbert, VADER, 2014.
    """
    analyzer = _vader()
    return lambda sample: float(analyzer.polarity_scores(sample.completion)["compound"])


@contextmanager
def _needed_for(what: str) -> Iterator[None]:
    try:
        yield
    except ImportError as fault:
        raise MissingExtra(EXTRA, needed_for=what) from fault


@functools.cache
def _rouge(kind: str) -> Any:
    with _needed_for("metric:rouge2 and metric:rouge_l"):
        from rouge_score.rouge_scorer import RougeScorer
    return RougeScorer([kind], tokenizer=_Words())


@functools.cache
def _bleu(order: int) -> Any:
    with _needed_for(f"metric:bleu{order}"):
        from sacrebleu.metrics import BLEU
    return BLEU(max_ngram_order=order, effective_order=True)


@functools.cache
def _chrf() -> Any:
    with _needed_for("metric:chrf"):
        from sacrebleu.metrics import CHRF
    return CHRF()


@functools.cache
def _meteor(*, synonyms: bool) -> tuple[Any, Any]:
    with _needed_for("metric:meteor"):
        from nltk.corpus import wordnet
        from nltk.translate.meteor_score import meteor_score
    if not synonyms:
        return meteor_score, _NoSynonyms()
    try:
        wordnet.ensure_loaded()
    except LookupError as fault:
        raise NotFound(
            "metric:meteor.wordnet: the WordNet data of nltk are not on this machine",
            where="metric:meteor.wordnet",
            remedy="python -m nltk.downloader wordnet, or use metric:meteor, which does without synonyms",
        ) from fault
    return meteor_score, wordnet


@functools.cache
def _vader() -> Any:
    with _needed_for("lexicon:vader"):
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    return SentimentIntensityAnalyzer()
