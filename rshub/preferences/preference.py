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
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from rshub.errors import InvalidInput
from rshub.formats.fields import nearest

INIT = "init"
MAX_BYTES = 16_384
SUM_TOLERANCE = 1e-9

Kind = Literal["reward", "repo", "directory"]

_BLANKS = " \t\r\n"
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z0-9._/@-]+")
_REWARD = re.compile(r"[a-z0-9][a-z0-9._-]*")
_REPO_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_PLAIN_DIRECTORY = re.compile(r"[A-Za-z0-9._/-]+")
_JOINED_BY = {"=": "','", "*": "'+'", ":": "a blank or ','"}
_LONGEST_GUESS = 200
_SHOWN = 48


@dataclass(frozen=True, kw_only=True)
class PreferenceTerm:
    """One name with its value; ``column`` is where the name stood in the text, and no part of its identity."""

    name: str
    kind: Kind
    revision: str | None
    value: float
    column: int | None = field(default=None, compare=False, repr=False)

    @property
    def label(self) -> str:
        """The name with its revision, as ``owner/repo@revision``."""
        return self.name if self.revision is None else f"{self.name}@{self.revision}"

    def __str__(self) -> str:
        return f"{_written(self)}={_shortest(self.value)}"


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
        reader = _Reader(text)
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
            written.append((INIT, f"{INIT}={_shortest(self.init)}"))
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
    guesses = [nearest(term.name, valid) if len(term.name) <= _LONGEST_GUESS else "" for term in unknown[:8]]
    problems = []
    for number, term in enumerate(unknown):
        guess = guesses[number] if number < len(guesses) else ""
        place = f"column {term.column}: " if term.column else ""
        problems.append(f"{place}no reward {_shown(term.name)}" + (f"; did you mean {guess!r}?" if guess else ""))
    known = ", ".join(sorted(valid)[:12]) + (", ..." if len(valid) > 12 else "")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    raise InvalidInput(
        f"preference: {problems[0]}{more}",
        where=f"column {unknown[0].column}: {_shown(unknown[0].name)}" if unknown[0].column else unknown[0].name,
        remedy=f"rewards on offer: {known}"
        if known
        else "no reward is on offer for this base: publish an expert first",
        problems=problems,
    )


class _Reader:
    """One pass over the text; ``form`` is the sign of the first term, and binds all others."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.form = ""
        if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
            raise InvalidInput(
                f"preference: longer than {MAX_BYTES} bytes", where="column 1", remedy="name fewer experts"
            )

    def refuse(self, at: int, why: str, remedy: str, piece: str = "") -> NoReturn:
        """Raise for a fault at an index of the text."""
        piece = piece or self.text[at : at + _SHOWN]
        shown = _shown(piece) if piece else "the end"
        raise InvalidInput(f"preference, column {at + 1}: {why}", where=f"column {at + 1}: {shown}", remedy=remedy)

    def terms(self) -> list[PreferenceTerm]:
        """Read every term in the order in which they are written."""
        at = self._blanks(0)
        if at == len(self.text):
            self.refuse(at, "nothing is written", "write for example helpful=0.7, concise=0.3")
        terms = []
        while True:
            term, end = self._term(at)
            terms.append(term)
            at = self._blanks(end)
            if at == len(self.text):
                return terms
            at = self._blanks(self._separator(at, blank_before=at > end))
            if at == len(self.text):
                self.refuse(at, "a term is expected after the last sign", "write the term or remove the sign")

    def _blanks(self, at: int) -> int:
        while at < len(self.text) and self.text[at] in _BLANKS:
            at += 1
        return at

    def _peek(self, at: int) -> str:
        return self.text[at : at + 1]

    def _separator(self, at: int, *, blank_before: bool) -> int:
        sign = self._peek(at)
        by_blank = self.form == ":" and blank_before and sign not in "+-*=:,"
        if not by_blank and (self.form, sign) not in {("=", ","), ("*", "+"), (":", ",")}:
            if self.form == "*" and sign == "-":
                self.refuse(at, "'-' is no sign between terms", "write + -0.3*name to take away")
            joined = _JOINED_BY[self.form]
            remedy = f"terms with '{self.form}' are joined by {joined}"
            self.refuse(at, f"{joined} is expected, not {_shown(sign)}", remedy)
        return at if by_blank else at + 1

    def _term(self, at: int) -> tuple[PreferenceTerm, int]:
        number = _NUMBER.match(self.text, at)
        if number is not None:
            star = self._blanks(number.end())
            if self._peek(star) == "*":
                self._same_form("*", star)
                value = self._value(number.group(), at)
                start = self._blanks(star + 1)
                (name, kind, revision), end = self._name(start)
                return _term(name, kind, revision, value, start), end
        (name, kind, revision), end = self._name(at)
        sign_at = self._blanks(end)
        sign = self._peek(sign_at)
        if sign == "*":
            self.refuse(at, f"{_shown(name)} is no number", "write the number first: 0.7*helpful", self.text[at:end])
        if sign not in {"=", ":"}:
            hint = "a decimal point is '.'" if name.isdigit() else f"write {name}=1 or {name}:1"
            found = _shown(sign) if sign else "the end"
            self.refuse(sign_at, f"'=' or ':' is expected after {_shown(name)}, not {found}", hint)
        self._same_form(sign, sign_at)
        value_at = self._blanks(sign_at + 1)
        match = _NUMBER.match(self.text, value_at)
        if match is None or _WORD.match(self.text, match.end()):
            word = _WORD.match(self.text, value_at)
            piece = word.group() if word else self._peek(value_at)
            why = f"{_shown(piece)} is no finite number" if piece else "a number is expected, not the end"
            self.refuse(value_at, why, "write a decimal such as 0.7, -0.3 or 1e-3", piece)
        if sign == ":" and match.group().startswith("-"):
            self.refuse(
                value_at, "a ratio has no negative terms", "use the form with '=' to extrapolate", match.group()
            )
        return _term(name, kind, revision, self._value(match.group(), value_at), at), match.end()

    def _same_form(self, sign: str, at: int) -> None:
        if self.form not in {"", sign}:
            self.refuse(
                at, f"'{sign}' in a preference that began with '{self.form}'", "use one form for the whole string"
            )
        self.form = sign

    def _value(self, number: str, at: int) -> float:
        value = float(number)
        if math.isinf(value):
            self.refuse(at, "the number is too large for float64", "write a finite number", number)
        if value == 0.0 and any(digit in "123456789" for digit in re.split("[eE]", number)[0]):
            self.refuse(at, "the number is too small for float64", "write 0 to leave the term out", number)
        return value

    def _name(self, at: int) -> tuple[tuple[str, Kind, str | None], int]:
        if self._peek(at) == '"':
            path, end = self._quoted(at)
            return (path, "directory", None), end
        word = _WORD.match(self.text, at)
        if word is None:
            found = _shown(self._peek(at)) if self._peek(at) else "the end"
            self.refuse(at, f"a name is expected, not {found}", "a name is a reward, owner/repo, or ./directory")
        return self._classified(word.group(), at), word.end()

    def _quoted(self, at: int) -> tuple[str, int]:
        letters = []
        here = at + 1
        while self._peek(here) != '"':
            letter = self._peek(here)
            if letter == "\\":
                here += 1
                letter = self._peek(here)
                if letter not in {'"', "\\"}:
                    self.refuse(here - 1, "an unknown escape in quotes", 'only \\" and \\\\ are known')
            if not letter:
                self.refuse(at, "the quote is never closed", 'end the directory with "', self.text[at : at + _SHOWN])
            if ord(letter) < 32 or ord(letter) == 127 or "\ud800" <= letter <= "\udfff":
                self.refuse(here, "a control character or broken text in a directory", "rename the directory")
            letters.append(letter)
            here += 1
        path = "".join(letters)
        if not path.startswith(("./", "/")):
            self.refuse(
                at, f"{_shown(path)} in quotes is no directory", 'a directory begins with "./" or "/"', path or '""'
            )
        return _tidy(path), here + 1

    def _classified(self, word: str, at: int) -> tuple[str, Kind, str | None]:
        if word.startswith(("./", "/")):
            if "@" in word:
                self.refuse(at, f"'@' in the directory {_shown(word)}", "put the directory in double quotes", word)
            return _tidy(word), "directory", None
        name, at_sign, revision = word.partition("@")
        if "/" in name:
            parts = name.split("/")
            if len(parts) != 2 or not all(_is_repo_part(part) for part in parts):
                why = f"{_shown(name)} is neither owner/repo nor a directory"
                self.refuse(at, why, "a directory begins with ./ or /", word)
            if at_sign and (not _REVISION.fullmatch(revision) or ".." in revision):
                self.refuse(at, f"{_shown(revision)} is no revision", "name a branch, a tag or a commit", word)
            return name, "repo", revision if at_sign else None
        if at_sign:
            self.refuse(at, f"a revision without owner/repo in {_shown(word)}", "write owner/repo@revision", word)
        if not _REWARD.fullmatch(name):
            remedy = "a reward's name has lower-case letters, digits and ._- and begins with a letter or digit"
            guess = f"did you mean {name.lower()!r}? " if _REWARD.fullmatch(name.lower()) else ""
            self.refuse(at, f"{_shown(name)} is no name of a reward", guess + remedy, word)
        return name, "reward", None


def _term(name: str, kind: Kind, revision: str | None, value: float, at: int) -> PreferenceTerm:
    return PreferenceTerm(name=name, kind=kind, revision=revision, value=value, column=at + 1)


def _refuse_repeats(reader: _Reader, terms: list[PreferenceTerm]) -> None:
    seen: dict[str, int | None] = {}
    for term in terms:
        if term.label in seen:
            why = f"{_shown(term.label)} is there twice, first in column {seen[term.label]}"
            reader.refuse((term.column or 1) - 1, why, "write every name once", term.label)
        seen[term.label] = term.column


def _refuse_extrapolation(reader: _Reader, terms: list[PreferenceTerm]) -> None:
    remedy = "allow it with --extrapolate (extrapolate=True), or mend the numbers"
    for term in terms:
        if term.value < 0.0:
            why = f"{_shown(term.label)} is negative ({_shortest(term.value)})"
            reader.refuse((term.column or 1) - 1, why, remedy, str(term))
    total = _sum([term.value for term in terms])
    if not abs(total - 1.0) <= SUM_TOLERANCE:
        remedy = f"{remedy}; or write a ratio with ':', which is normalised"
        reader.refuse(0, f"the numbers sum to {_shortest(total)}, not to 1", remedy)


def _normalised(reader: _Reader, terms: list[PreferenceTerm]) -> list[PreferenceTerm]:
    largest = max(term.value for term in terms)
    if largest == 0.0:
        reader.refuse(0, "a ratio of zeros", "give at least one term a positive number")
    total = math.fsum(term.value / largest for term in terms)
    shares = []
    for term in terms:
        share = term.value / largest / total
        if share == 0.0 and term.value != 0.0:
            why = f"{_shown(term.label)} vanishes beside the others"
            reader.refuse((term.column or 1) - 1, why, "write 0 to leave the term out", term.label)
        shares.append(
            PreferenceTerm(name=term.name, kind=term.kind, revision=term.revision, value=share, column=term.column)
        )
    return shares


def _sum(values: list[float]) -> float:
    try:
        return math.fsum(values)
    except OverflowError:
        return math.inf


def _is_repo_part(part: str) -> bool:
    return bool(_REPO_PART.fullmatch(part)) and "--" not in part and ".." not in part


def _tidy(path: str) -> str:
    """Give one spelling to a directory without asking the disk: ``//``, ``/./`` and a last ``/`` go, ``..`` stays."""
    start = "/" if path.startswith("/") else "./"
    return start + "/".join(part for part in path.split("/") if part not in {"", "."})


def _written(term: PreferenceTerm) -> str:
    if term.kind != "directory" or _PLAIN_DIRECTORY.fullmatch(term.name):
        return term.label
    return '"' + term.name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shortest(value: float) -> str:
    """Write the shortest decimal that reads back as the same float64: ``1``, ``0.3``, ``1e-5``."""
    mantissa, _, exponent = repr(value).partition("e")
    mantissa = mantissa.removesuffix(".0")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def _shown(piece: str) -> str:
    """Quote a piece of text for a message, cut when long and escaped when it cannot be printed."""
    cut = piece if len(piece) <= _SHOWN else piece[:_SHOWN] + "..."
    return f"'{cut}'" if cut.isprintable() else ascii(cut)
