"""CIDEr-D: agreement with references by the n-grams that are rare among all prompts, 0 to 10.

How rare an n-gram is must not depend on the batch: the statistics are fitted once on the references of every prompt of
the set, ``context["corpus"]``, and without it nothing is scored. An n-gram counts as seen once per prompt.

Source: Vedantam, Zitnick and Parikh, CIDEr: Consensus-based Image Description Evaluation, 2015 (CIDEr-D: clipping, a
Gaussian penalty on the length with sigma 6, n = 1 to 4), as in the code that the authors released.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rshub.errors import InvalidInput
from rshub.rewards.samples import Context, TextSample
from rshub.rewards.words import words

ORDERS = (1, 2, 3, 4)
SIGMA = 6.0

Grams = Mapping[tuple[str, ...], float]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """How many prompts each n-gram occurs with, and how many prompts there are."""

    prompts: int
    seen: Mapping[tuple[str, ...], int]

    def vector(self, text: str) -> tuple[dict[int, Grams], int]:
        """Give the n-grams of a text by their length, weighted by how rare they are, and the text's length."""
        written = words(text)
        total = math.log(self.prompts)
        vector: dict[int, Grams] = {}
        for order in ORDERS:
            counts = Counter(_grams(written, order))
            vector[order] = {
                gram: count * (total - math.log(max(1, self.seen.get(gram, 0)))) for gram, count in counts.items()
            }
        return vector, max(len(written) - 1, 0)

    def score(self, sample: TextSample) -> float:
        """Score one text: the mean over references and lengths of the clipped cosines, times 10."""
        written, length = self.vector(sample.completion)
        total = 0.0
        for reference in sample.references:
            wanted, wanted_length = self.vector(reference)
            penalty = math.exp(-((length - wanted_length) ** 2) / (2 * SIGMA**2))
            total += penalty * math.fsum(_cosine(written[order], wanted[order]) for order in ORDERS) / len(ORDERS)
        return 10 * total / len(sample.references)


def fit(corpus: Sequence[Sequence[str]]) -> Corpus:
    """Count how many prompts each n-gram occurs with.

    Raises:
        InvalidInput: Fewer than two prompts have references: nothing would be rarer than anything else.
    """
    referenced = [references for references in corpus if references]
    if len(referenced) < 2:
        raise InvalidInput(
            f"metric:cider: {len(referenced)} prompts with references are too few to say which words are rare",
            where="metric:cider",
            remedy="give at least two prompts with references",
        )
    seen: Counter[tuple[str, ...]] = Counter()
    for references in referenced:
        texts = [words(reference) for reference in references]
        seen.update({gram for text in texts for order in ORDERS for gram in _grams(text, order)})
    return Corpus(prompts=len(referenced), seen=seen)


_fitted: list[tuple[Sequence[Sequence[str]], Corpus]] = []
"""The latest corpus, as it was handed in, with its statistics."""


def cider(context: Context) -> Callable[[TextSample], float]:
    """Give the score of a text among the prompts of a context.

    Raises:
        InvalidInput: The context has no corpus.
    """
    corpus = context.get("corpus")
    if not corpus:
        raise InvalidInput(
            "metric:cider: the references of the whole set are needed to say which words are rare",
            where="metric:cider",
            remedy='hand them over as context["corpus"], one sequence of texts for each prompt',
        )
    if not _fitted or _fitted[0][0] is not corpus:
        _fitted[:] = [(corpus, fit(corpus))]
    return _fitted[0][1].score


def _grams(text: Sequence[str], order: int) -> list[tuple[str, ...]]:
    return [tuple(text[start : start + order]) for start in range(len(text) - order + 1)]


def _cosine(written: Grams, wanted: Grams) -> float:
    """Give the cosine of two vectors of n-grams, what was written clipped at what is wanted."""
    norms = math.sqrt(math.fsum(value**2 for value in written.values())) * math.sqrt(
        math.fsum(value**2 for value in wanted.values())
    )
    shared = math.fsum(min(value, wanted[gram]) * wanted[gram] for gram, value in written.items() if gram in wanted)
    return shared / norms if norms else 0.0
