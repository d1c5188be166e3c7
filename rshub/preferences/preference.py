r"""The preference string: what a person wants of each reward, in one line of text.

Three forms, one of them per string, blanks allowed around every sign::

    helpful=0.7, concise=0.3          taken as written; the numbers sum to 1
    0.7*helpful + 0.3*concise         the same as a formula
    helpful:2 concise:1               a ratio, normalised; a comma may stand between terms

A name is a reward (``[a-z0-9][a-z0-9._-]*``), ``owner/repo``, ``owner/repo@revision`` or a directory that begins with
``./`` or ``/``. A directory with any character but ASCII letters, digits and ``._/-`` stands in double quotes, where
``\"`` and ``\\`` mean a quote and a backslash. ``init`` is reserved: it names the common start of the experts and only
counts in the sum.

The canonical form (``str``) uses ``=``, sorts by name, drops zero terms and writes the shortest decimals that read back
as the same float64. A preference whose terms are all zero wants the start itself and is written ``init=1``.

Refused, always with the column (counted in characters from 1): a name twice, nan and infinities, numbers that float64
cannot hold, any stray character, and, without ``extrapolate``, negative numbers and sums other than 1. Every string is
read in one pass, and none longer than ``MAX_BYTES``.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from rshub.errors import InvalidInput
from rshub.formats.fields import MOST_GUESSES, nearest
from rshub.preferences.grammar import MAX_BYTES, PreferenceTerm, Reader, shortest, shown

__all__ = ["INIT", "MAX_BYTES", "SUM_TOLERANCE", "Preference", "PreferenceTerm", "check_names"]

INIT = "init"
SUM_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Preference:
    """What a person wants: terms sorted by name without zeros, and the share of the start.

    ``zeros`` keeps the terms that were written with the value zero, so that their names can still be checked; they are
    no part of the preference's identity. Without terms ``init`` is 1.
    """

    terms: tuple[PreferenceTerm, ...]
    init: float = 0.0
    zeros: tuple[PreferenceTerm, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def parse(cls, text: str, *, extrapolate: bool = False) -> Preference:
        """Read a preference string.

        Args:
            text: One of the three forms.
            extrapolate: Whether negative numbers and sums other than 1 are allowed.

        Raises:
            InvalidInput: For everything else, with the column of the fault.
        """
        reader = Reader(text)
        written = reader.terms()
        _refuse_repeats(reader, written)
        if reader.form == ":":
            written = _normalised(reader, written)
        if not extrapolate:
            _refuse_extrapolation(reader, written)
        elif math.isinf(_sum([term.value for term in written])):
            reader.refuse(0, "the numbers sum to more than float64 can hold", "write smaller numbers")
        named = sorted((term for term in written if term.label != INIT), key=lambda term: term.label)
        terms = tuple(term for term in named if term.value != 0.0)
        init = math.fsum(term.value for term in written if term.label == INIT) if terms else 1.0
        return cls(terms=terms, init=init + 0.0, zeros=tuple(term for term in named if term.value == 0.0))

    @property
    def total(self) -> float:
        """The sum of all values, the start's share included."""
        return _sum([*(term.value for term in self.terms), self.init])

    @property
    def values(self) -> dict[str, float]:
        """Every label with its value; ``init`` is among them when it is not zero."""
        values = {term.label: term.value for term in self.terms}
        return values | ({INIT: self.init} if self.init != 0.0 else {})

    def __str__(self) -> str:
        written = [(term.label, str(term)) for term in self.terms]
        if self.init != 0.0:
            written.append((INIT, f"{INIT}={shortest(self.init)}"))
        return ", ".join(text for _, text in sorted(written))


def check_names(preference: Preference, valid: Collection[str]) -> None:
    """Refuse reward names that nobody offers, each with its column and the nearest name that exists.

    Raises:
        InvalidInput: With one problem for each unknown name, the terms with value zero included.
    """
    unknown = [
        term for term in (*preference.terms, *preference.zeros) if term.kind == "reward" and term.name not in valid
    ]
    if not unknown:
        return
    unknown.sort(key=lambda term: (term.column or 0, term.name))
    guesses = [nearest(term.name, valid) for term in unknown[:MOST_GUESSES]]
    problems = []
    for number, term in enumerate(unknown):
        guess = guesses[number] if number < len(guesses) else ""
        place = f"column {term.column}: " if term.column else ""
        problems.append(f"{place}no reward {shown(term.name)}" + (f"; did you mean {guess!r}?" if guess else ""))
    known = ", ".join(sorted(valid)[:12]) + (", ..." if len(valid) > 12 else "")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    raise InvalidInput(
        f"preference: {problems[0]}{more}",
        where=f"column {unknown[0].column}: {shown(unknown[0].name)}" if unknown[0].column else unknown[0].name,
        remedy=f"rewards on offer: {known}"
        if known
        else "no reward is on offer for this base: publish an expert first",
        problems=problems,
    )


def _refuse_repeats(reader: Reader, terms: list[PreferenceTerm]) -> None:
    seen: dict[str, int | None] = {}
    for term in terms:
        if term.label in seen:
            why = f"{shown(term.label)} is there twice, first in column {seen[term.label]}"
            reader.refuse((term.column or 1) - 1, why, "write every name once", term.label)
        seen[term.label] = term.column


def _refuse_extrapolation(reader: Reader, terms: list[PreferenceTerm]) -> None:
    remedy = "allow it with --extrapolate (extrapolate=True), or mend the numbers"
    for term in terms:
        if term.value < 0.0:
            why = f"{shown(term.label)} is negative ({shortest(term.value)})"
            reader.refuse((term.column or 1) - 1, why, remedy, str(term))
    total = _sum([term.value for term in terms])
    if not abs(total - 1.0) <= SUM_TOLERANCE:
        remedy = f"{remedy}; or write a ratio with ':', which is normalised"
        reader.refuse(0, f"the numbers sum to {shortest(total)}, not to 1", remedy)


def _normalised(reader: Reader, terms: list[PreferenceTerm]) -> list[PreferenceTerm]:
    largest = max(term.value for term in terms)
    if largest == 0.0:
        reader.refuse(0, "a ratio of zeros", "give at least one term a positive number")
    total = math.fsum(term.value / largest for term in terms)
    shares = []
    for term in terms:
        share = term.value / largest / total
        if share == 0.0 and term.value != 0.0:
            why = f"{shown(term.label)} vanishes beside the others"
            reader.refuse((term.column or 1) - 1, why, "write 0 to leave the term out", term.label)
        shares.append(replace(term, value=share))
    return shares


def _sum(values: list[float]) -> float:
    try:
        return math.fsum(values)
    except OverflowError:
        return math.inf
