"""Rewards that are counted: overlap with references, lengths, lexicons. No model, no download.

The unigram metrics and the length are worked out here; the others by well-kept libraries that work offline, imported
when they are first used. Words are runs of letters and digits, lower-cased; punctuation counts for nothing, except for
``bleu`` and ``chrf``, which have a tokenisation of their own.

For ``rouge1`` with several references the score is the mean over them; for all others it is what the metric's
definition says: the best reference for ``rouge2``, ``rouge_l`` and ``meteor``, all together for ``bleu``, ``chrf``
and ``cider``.

``rouge1.precision`` is the share of the words written that a reference holds, each counted at most as often as there:
for one reference it is BLEU-1 before the brevity penalty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rshub.formats.fields import nearest
from rshub.rewards.cider import cider
from rshub.rewards.grammar import TermText
from rshub.rewards.libraries import bleu, chrf, meteor, rouge, vader
from rshub.rewards.samples import Context, TextSample
from rshub.rewards.term import Direction, ModelSource, Range
from rshub.rewards.words import Overlap, overlap, words

SampleScore = Callable[[TextSample], float]
MEASURES: tuple[Literal["recall", "precision", "fmeasure"], ...] = ("recall", "precision", "fmeasure")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric: how a sample is scored and which way is better.

    Args:
        make: Gives the function that scores one sample, from the context: imports a library, fits statistics. It is
            asked for samples with references only where ``needs_references`` is set.
        version: Raised whenever the same sample would score differently than before; part of the reward's digest.
        direction: Whether more is better.
        range: The scores that are possible.
        about: What it measures and its unit, in one line.
        needs_references: Whether a sample without references is not scored.
        needs_corpus: Whether it has statistics that are fitted over the references of all prompts.
    """

    make: Callable[[Context], SampleScore]
    version: int
    direction: Direction = "max"
    range: Range = (0.0, 1.0)
    about: str
    needs_references: bool = True
    needs_corpus: bool = False


@dataclass(frozen=True, kw_only=True)
class MetricTerm:
    """A metric as a term of a reward; everything about it is known from its name."""

    name: str
    metric: Metric

    @property
    def version(self) -> int:
        """The metric's version."""
        return self.metric.version

    @property
    def pinned(self) -> bool:
        """Always: there is nothing to resolve."""
        return True

    @property
    def direction(self) -> Direction:
        """Whether more is better."""
        return self.metric.direction

    @property
    def range(self) -> Range:
        """The scores that are possible."""
        return self.metric.range

    @property
    def about(self) -> str:
        """What it measures."""
        return self.metric.about

    @property
    def needs_references(self) -> bool:
        """Whether samples without references are not scored."""
        return self.metric.needs_references

    def pin(self, source: ModelSource | None) -> MetricTerm:
        """Give itself."""
        del source
        return self

    def make_ready(self, context: Context) -> None:
        """Import the library that it needs; statistics are fitted when there is something to fit them on.

        Raises:
            MissingExtra: It is not installed.
            NotFound: The library's data are not on this machine.
        """
        if not self.metric.needs_corpus or context.get("corpus"):
            self.metric.make(context)

    def score(self, samples: Sequence[TextSample], context: Context) -> NDArray[np.float64]:
        """Score samples one by one."""
        if not samples:
            return np.zeros(0)
        score = self.metric.make(context)
        bare = self.metric.needs_references
        return np.array(
            [float("nan") if bare and not sample.references else score(sample) for sample in samples], dtype=np.float64
        )


def metric_term(text: TermText) -> MetricTerm:
    """Give the metric that a term names.

    Raises:
        InvalidInput: There is none of that name, with the nearest one; or it was given a revision or options.
    """
    name = f"{text.kind}:{text.place}"
    name = SHORT.get(name, name)
    if name not in METRICS:
        known = [other for other in METRICS if other.startswith(f"{text.kind}:")]
        guess = nearest(name, [*SHORT, *known])
        hint = f"; did you mean {guess!r}?" if guess else ""
        text.refuse(f"there is no reward {name!r}{hint}", f"known: {', '.join(known)}")
    if text.revision is not None or text.options:
        text.refuse(f"{name} has no revision and no options", f"write {name}")
    return MetricTerm(name=name, metric=METRICS[name])


def _each(score: SampleScore) -> Callable[[Context], SampleScore]:
    """Make a metric that needs no context and no library."""
    return lambda _context: score


def _mean(measure: Callable[[Overlap], float]) -> Callable[[Context], SampleScore]:
    """Take the mean of a unigram measure over the references."""

    def score(sample: TextSample) -> float:
        values = [measure(overlap(sample.completion, reference)) for reference in sample.references]
        return sum(values) / len(values)

    return _each(score)


def _recall(found: Overlap) -> float:
    return found.shared / max(found.wanted, 1)


def _precision(found: Overlap) -> float:
    return found.shared / max(found.written, 1)


def _fmeasure(found: Overlap) -> float:
    return 2 * found.shared / max(found.written + found.wanted, 1)


def _length(sample: TextSample) -> float:
    return float(len(words(sample.completion)))


def _rouge_family(name: str, kind: str, what: str) -> dict[str, Metric]:
    """Give recall, precision and F-measure of one kind of overlap."""
    return {
        f"metric:{name}.{measure}": Metric(
            make=rouge(kind, measure), version=1, about=f"{measure} of {what}, 0 to 1, reference of the best F-measure"
        )
        for measure in MEASURES
    }


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "metric:rouge1.recall": Metric(
            make=_mean(_recall),
            version=1,
            about="share of the reference's words that the text holds, 0 to 1, mean over references",
        ),
        "metric:rouge1.precision": Metric(
            make=_mean(_precision),
            version=1,
            about="share of the text's words that the reference holds, 0 to 1, mean over references",
        ),
        "metric:rouge1.fmeasure": Metric(
            make=_mean(_fmeasure),
            version=1,
            about="harmonic mean of unigram recall and precision, 0 to 1, mean over references",
        ),
        **_rouge_family("rouge2", "rouge2", "pairs of neighbouring words"),
        **_rouge_family("rouge_l", "rougeL", "the longest common subsequence of words"),
        **{
            f"metric:bleu{order}": Metric(
                make=bleu(order), version=1, about=f"BLEU up to {order}-grams of one text, 0 to 1, all references"
            )
            for order in (1, 2, 3, 4)
        },
        "metric:chrf": Metric(make=chrf, version=1, about="F-score of character n-grams, 0 to 1, all references"),
        "metric:meteor": Metric(
            make=meteor(synonyms=False),
            version=1,
            about="METEOR by exact words and stems, without synonyms, 0 to 1, best reference",
        ),
        "metric:meteor.wordnet": Metric(
            make=meteor(synonyms=True),
            version=1,
            about="METEOR with the synonyms of WordNet, whose data must be installed, 0 to 1, best reference",
        ),
        "metric:cider": Metric(
            make=cider,
            version=1,
            range=(0.0, 10.0),
            about="CIDEr-D among the references of all prompts, 0 to 10, mean over references",
            needs_corpus=True,
        ),
        "metric:length": Metric(
            make=_each(_length),
            version=1,
            range=(0.0, float("inf")),
            about="words in the text; -metric:length for brevity",
            needs_references=False,
        ),
        "lexicon:vader": Metric(
            make=vader,
            version=1,
            range=(-1.0, 1.0),
            about="compound sentiment of English text by the VADER lexicon, -1 to 1",
            needs_references=False,
        ),
    }
)

SHORT: Mapping[str, str] = MappingProxyType(
    {f"metric:{name}": f"metric:{name}.fmeasure" for name in ("rouge1", "rouge2", "rouge_l")}
)
"""Names that stand for another one."""
