"""A reward as a string: ``metric:rouge1.recall``, ``hf:org/model#label=good``, ``0.5*lexicon:vader - metric:length``.

    metric:NAME                 counted against references, or lengths             metrics
    lexicon:vader               sentiment by a lexicon                             metrics
    hf:OWNER/NAME[@REV][#...]   a classifier or regressor of the Hub               classifier
    entrypoint:NAME             what an installed package offers                   entry_points

A reward's identity is the digest of what decides its scores: the canonical terms with the version of each. Two ways to
write the same sum have one digest. Some terms name what can move, a branch or an installed package: ``pin`` replaces it
by the commit or the version that it means now. Reading a string imports and fetches nothing; kinds that this version
does not know are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from rshub.errors import InvalidInput
from rshub.formats.canonical import digest
from rshub.formats.fields import nearest
from rshub.rewards.classifier import classifier_term
from rshub.rewards.entry_points import entry_point_term
from rshub.rewards.grammar import LARGEST, TermText, read_spec, read_term, shown
from rshub.rewards.metrics import METRICS, metric_term
from rshub.rewards.samples import NO_CONTEXT, Context, TextSample
from rshub.rewards.term import Direction, ModelSource, Range, Term
from rshub.types import Digest

KINDS: Mapping[str, Callable[[TermText], Term]] = MappingProxyType(
    {"metric": metric_term, "lexicon": metric_term, "hf": classifier_term, "entrypoint": entry_point_term}
)


class Reward:
    """A reward: a sum of terms, each with a factor, made by ``reward_from_spec``.

    ``spec`` is the canonical string (terms by name, shortest numbers), ``direction`` says which way is better: a single
    term has its own, whatever was given a sign or a factor is to be maximised. ``asked`` is what was written before
    something in it was resolved, None where there was nothing to resolve.
    """

    def __init__(self, terms: Mapping[str, float], parts: Mapping[str, Term] | None = None) -> None:
        self.asked: str | None = None
        self.terms: Mapping[str, float] = MappingProxyType(dict(sorted(terms.items())))
        self.parts: Mapping[str, Term] = parts if parts is not None else {name: _part(name) for name in self.terms}
        self.spec = _canonical(self.terms)

    @property
    def pinned(self) -> bool:
        """Whether the spec says all that decides the scores, and the digest is known."""
        return all(self.parts[name].pinned for name in self.terms)

    @property
    def digest(self) -> Digest:
        """The reward's identity.

        Raises:
            InvalidInput: A term is not pinned.
        """
        loose = [name for name in self.terms if not self.parts[name].pinned]
        if loose:
            raise InvalidInput(
                f"reward {shown(self.spec)}: {loose[0]} may mean another thing tomorrow, so it has no digest yet",
                where=loose[0],
                remedy="pin it first",
            )
        return digest({"schema": "rshub.reward/1", "terms": [self._identity(name) for name in self.terms]})

    @property
    def direction(self) -> Direction:
        """Whether more is better."""
        return self._alone.direction if self._alone is not None else "max"

    @property
    def range(self) -> Range:
        """The least and the greatest score that are possible; infinite where nothing is known."""
        low = high = 0.0
        for name, coefficient in self.terms.items():
            ends = sorted(coefficient * end for end in self.parts[name].range)
            low, high = low + ends[0], high + ends[1]
        return low, high

    @property
    def needs_references(self) -> bool:
        """Whether samples without references are not scored."""
        return any(self.parts[name].needs_references for name in self.terms)

    @property
    def _alone(self) -> Term | None:
        """The term of a reward that is nothing else."""
        return self.parts[next(iter(self.terms))] if list(self.terms.values()) == [1.0] else None

    def pin(self, source: ModelSource | None) -> Reward:
        """Resolve what can move: branches and heads to commits, installed packages to their versions.

        Args:
            source: The hub that classifiers are looked up on, and later fetched from.

        Raises:
            NotFound: A repo, a revision or an installed package is not there.
            Incompatible: An installed package has another version than is asked for.
            IntegrityError: The weights of a classifier are pickles.
            HubError: The hub or the network failed.
        """
        terms: dict[str, float] = {}
        parts: dict[str, Term] = {}
        for name, coefficient in self.terms.items():
            part = self.parts[name].pin(source)
            parts[part.name] = part
            terms[part.name] = terms.get(part.name, 0.0) + coefficient
        pinned = Reward(_nonzero(self.spec, terms), parts)
        pinned.asked = self.asked or (self.spec if pinned.spec != self.spec else None)
        return pinned

    def make_ready(self, context: Context = NO_CONTEXT) -> None:
        """Import and load what scoring needs, so that what is missing is known before an hour is spent.

        Raises:
            MissingExtra: A library is not installed.
            NotFound: A model or the data of a library are not there.
            Incompatible: A model lacks the output that is asked for.
            IntegrityError: The weights of a model are not safe to open.
        """
        for name in self.terms:
            self.parts[name].make_ready(context)

    def __call__(self, samples: Sequence[TextSample], context: Context = NO_CONTEXT) -> NDArray[np.float64]:
        """Score samples.

        Args:
            samples: What was generated.
            context: What is known beyond the samples; see ``Context``.

        Returns:
            Scores, shape (samples,); nan where a sample cannot be scored.

        Raises:
            RshubError: Somebody's code or model raised or gave no number, or something that is needed is missing.
        """
        scores = np.zeros(len(samples), dtype=np.float64)
        for name, coefficient in self.terms.items():
            scores += coefficient * self.parts[name].score(samples, context)
        return scores

    def __repr__(self) -> str:
        return f"Reward({self.spec!r})"

    def _identity(self, name: str) -> dict[str, object]:
        part = self.parts[name]
        falling = {"direction": "min"} if part.direction == "min" else {}
        return {"reward": name, "version": part.version, "coefficient": float(self.terms[name]), **falling}


def reward_from_spec(spec: str) -> Reward:
    """Make the reward that a string describes; nothing is imported or fetched for it yet.

    Raises:
        InvalidInput: For a kind or name that this version does not know, with the nearest one, and for bad syntax; with
            the column of the fault.
    """
    terms: dict[str, float] = {}
    parts: dict[str, Term] = {}
    for coefficient, text in read_spec(spec):
        part = _term(text)
        parts[part.name] = part
        terms[part.name] = terms.get(part.name, 0.0) + coefficient
        if not abs(terms[part.name]) <= LARGEST:
            text.refuse(f"its coefficient is beyond {LARGEST:g}", "use smaller numbers")
    return Reward(_nonzero(spec, terms), parts)


def _part(name: str) -> Term:
    """Give the term of a canonical name."""
    return _term(read_term(name))


def _term(text: TermText) -> Term:
    """Give the term that was written, of whatever kind it is."""
    if text.kind not in KINDS:
        _refuse_kind(text)
    return KINDS[text.kind](text)


def _refuse_kind(text: TermText) -> NoReturn:
    known = [*METRICS, "hf:owner/name", "entrypoint:name"]
    if not text.kind:
        guess = nearest(f"metric:{text.place}", known)
        hint = f"; did you mean {guess!r}?" if guess else ""
        text.refuse(f"there is no reward {text.place!r}{hint}", f"known: {', '.join(known)}")
    guess = nearest(text.kind, KINDS)
    hint = f"; did you mean {f'{guess}:{text.place}'!r}?" if guess else ""
    text.refuse(
        f"this version knows no {text.kind + ':'!r} rewards{hint}", f"known: {', '.join(f'{kind}:' for kind in KINDS)}"
    )


def _nonzero(spec: str, terms: Mapping[str, float]) -> dict[str, float]:
    """Drop the terms that cancel; something must be left."""
    kept = {name: coefficient for name, coefficient in terms.items() if coefficient != 0}
    if not kept:
        raise InvalidInput(
            f"reward {shown(spec)}: all of its terms are zero", where=spec[:80], remedy="leave one with a factor"
        )
    return kept


def _canonical(terms: Mapping[str, float]) -> str:
    text = ""
    for name, coefficient in terms.items():
        size = abs(coefficient)
        sign = "-" if coefficient < 0 else "+"
        text += f" {sign} " if text else sign.strip("+")
        text += name if size == 1 else f"{_shortest(size)}*{name}"
    return text


def _shortest(number: float) -> str:
    """Write a positive number in the fewest digits that read back as the same float."""
    return repr(int(number)) if number.is_integer() and number < 1e15 else repr(number)
