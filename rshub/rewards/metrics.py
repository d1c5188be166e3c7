"""Rewards that are counted: unigram overlap with references, and length. No model, no download, no corpus statistics.

Words are runs of letters and digits, lower-cased; punctuation counts for nothing. On ASCII text these are the words
of the ``rouge-score`` package without its stemmer, and with one reference the scores are the same; other scripts keep
their letters here. With several references the score is the mean over them (that package takes the best one).

``rouge1.precision`` is the share of the words written that a reference holds, each counted at most as often as there:
for one reference it is BLEU-1 before the brevity penalty.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from rshub.rewards.samples import TextSample

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric: how a sample is scored and which way is better.

    Args:
        score: The score of one sample; nan where it cannot be scored (no references).
        version: Raised whenever the same sample would score differently than before; part of the reward's digest.
        direction: Whether more is better.
        about: What it measures, its unit and range, in one line.
    """

    score: Callable[[TextSample], float]
    version: int
    direction: Literal["max", "min"]
    about: str


def words(text: str) -> list[str]:
    """Split a text into words: runs of letters and digits, lower-cased."""
    return _WORD.findall(text.lower())


@functools.lru_cache(maxsize=8192)
def _counts(text: str) -> Mapping[str, int]:
    """Count the words of a text; references come back every step, so they are remembered."""
    return MappingProxyType(Counter(words(text)))


def _overlap(completion: str, reference: str) -> tuple[int, int, int]:
    """Give the clipped number of shared words, of words written and of words in the reference."""
    written, wanted = _counts(completion), _counts(reference)
    shared = sum(min(count, wanted[word]) for word, count in written.items() if word in wanted)
    return shared, sum(written.values()), sum(wanted.values())


def _recall(shared: int, _written: int, wanted: int) -> float:
    return shared / max(wanted, 1)


def _precision(shared: int, written: int, _wanted: int) -> float:
    return shared / max(written, 1)


def _fmeasure(shared: int, written: int, wanted: int) -> float:
    return 2 * shared / max(written + wanted, 1)


def _rouge1(measure: Callable[[int, int, int], float]) -> Callable[[TextSample], float]:
    """Take the mean of a measure over the references."""

    def score(sample: TextSample) -> float:
        if not sample.references:
            return float("nan")
        values = [measure(*_overlap(sample.completion, reference)) for reference in sample.references]
        return sum(values) / len(values)

    return score


def _length(sample: TextSample) -> float:
    return float(len(words(sample.completion)))


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "rouge1.recall": Metric(
            score=_rouge1(_recall),
            version=1,
            direction="max",
            about="share of the reference's words that the text holds, 0 to 1, mean over references",
        ),
        "rouge1.precision": Metric(
            score=_rouge1(_precision),
            version=1,
            direction="max",
            about="share of the text's words that the reference holds, 0 to 1, mean over references",
        ),
        "rouge1.fmeasure": Metric(
            score=_rouge1(_fmeasure),
            version=1,
            direction="max",
            about="harmonic mean of unigram recall and precision, 0 to 1, mean over references",
        ),
        "length": Metric(
            score=_length, version=1, direction="max", about="words in the text; -metric:length for brevity"
        ),
    }
)
