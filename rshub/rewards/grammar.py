"""Reading a reward's string in one pass: signs, numbers and terms, each fault with its column.

    spec   = [sign] term, then any number of: sign term        0.5*metric:length - metric:rouge1.recall
    term   = [number *] kind : place [@revision] [# options]   hf:org/model@main#label=good,input=pair
    option = key = value, joined by commas                     a value with other signs stands in double quotes

Nothing is looked up and nothing is known of kinds here. Refused: what has no place in the grammar, numbers beyond
``LARGEST``, an option given twice, and any text longer than ``MAX_LENGTH``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from rshub.errors import InvalidInput

MAX_LENGTH = 2000
LARGEST = 1e100
"""Of a coefficient; sums of scores stay finite below it."""

_BLANKS = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_PLACE = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9._/-]*")
_PLAIN = re.compile(r"[^\s\"#,=+*\\\x00-\x1f\x7f\ud800-\udfff]+")
_KEY = re.compile(r"[a-z_]+")
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}
_SHOWN = 48


@dataclass(frozen=True, kw_only=True)
class TermText:
    """One term as written, without its coefficient; ``column`` says where, and is no part of its identity.

    Args:
        kind: What stands before the colon.
        place: What it names.
        revision: What stands after ``@``.
        options: Key to value; a pair ``a-b`` is two texts, so that labels with dashes stay whole in quotes.
        column: Where it begins, counted from 1.
    """

    kind: str
    place: str
    revision: str | None = None
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    column: int = field(default=1, compare=False)

    def __str__(self) -> str:
        """Write it so that it reads back the same."""
        text = f"{self.kind}:{self.place}" if self.kind else self.place
        if self.revision is not None:
            text += f"@{_quoted(self.revision)}"
        options = [
            f"{key}={'-'.join(_quoted(part, dash=len(value) > 1) for part in value)}"
            for key, value in self.options.items()
        ]
        return text + ("#" + ",".join(options) if options else "")

    def refuse(self, why: str, remedy: str) -> NoReturn:
        """Raise for a fault of this term."""
        raise InvalidInput(
            f"reward {shown(str(self))}, column {self.column}: {why}", where=f"column {self.column}", remedy=remedy
        )


def read_spec(text: str) -> list[tuple[float, TermText]]:
    """Read every term with its coefficient, in the order in which they are written.

    Raises:
        InvalidInput: With the column of the first fault.
    """
    return _Reader(text).terms()


def read_term(text: str) -> TermText:
    """Read one term that stands alone, without a coefficient.

    Raises:
        InvalidInput: It is something else.
    """
    found = read_spec(text)
    if len(found) != 1 or found[0][0] != 1:
        raise InvalidInput(f"reward {shown(text)}: one term is expected", where=text, remedy="leave signs and sums out")
    return found[0][1]


class _Reader:
    """One pass over the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        if len(text) > MAX_LENGTH:
            raise InvalidInput(
                f"reward {shown(text)}: {len(text)} characters are more than the {MAX_LENGTH} that are read",
                where="column 1",
                remedy="use fewer terms",
            )

    def refuse(self, why: str, remedy: str = "", at: int | None = None) -> NoReturn:
        """Raise for a fault at an index of the text."""
        column = (self.at if at is None else at) + 1
        raise InvalidInput(
            f"reward {shown(self.text)}, column {column}: {why}",
            where=f"column {column}",
            remedy=remedy or "write it like metric:rouge1.recall or 0.5*metric:length",
        )

    def terms(self) -> list[tuple[float, TermText]]:
        found: list[tuple[float, TermText]] = []
        while True:
            self._blanks()
            factor = self._sign(first=not found)
            self._blanks()
            found.append((factor * self._coefficient(), self._term()))
            self._blanks()
            if self.at == len(self.text):
                return found

    def _sign(self, *, first: bool) -> float:
        sign = self._peek()
        if sign not in {"+", "-"}:
            if not first:
                self.refuse(f"'+' or '-' is expected between terms, not {self._found()}")
            return 1.0
        self.at += 1
        self._blanks()
        if not first and sign == "+" and self._peek() == "-":  # a + -0.5*b, as in a preference
            self.at += 1
            return -1.0
        return 1.0 if sign == "+" else -1.0

    def _coefficient(self) -> float:
        start = self.at
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            return 1.0
        self.at = match.end()
        self._blanks()
        if self._peek() != "*":
            self.refuse(f"'*' is expected after the number, not {self._found()}", "write 0.5*metric:length")
        self.at += 1
        self._blanks()
        number = float(match.group())
        if not number <= LARGEST:
            self.refuse(f"the coefficient {match.group()} is beyond {LARGEST:g}", "use smaller numbers", start)
        if number == 0.0 and re.search(r"[1-9]", re.split("[eE]", match.group())[0]):
            self.refuse(f"{match.group()} is too small for float64", "leave the term out", start)
        return number

    def _term(self) -> TermText:
        start = self.at
        kind = _KIND.match(self.text, self.at)
        if kind is None:
            self.refuse(f"a term like metric:rouge1.recall is expected, not {self._found()}")
        self.at = kind.end()
        if self._peek() != ":":
            return TermText(kind="", place=kind.group(), column=start + 1)
        self.at += 1
        place = _PLACE.match(self.text, self.at)
        if place is None:
            self.refuse(f"a name is expected after {kind.group()!r}:, not {self._found()}")
        self.at = place.end()
        revision = None
        if self._peek() == "@":
            self.at += 1
            revision = self._value("a revision")
        options: dict[str, tuple[str, ...]] = {}
        if self._peek() == "#":
            self.at += 1
            self._option(options)
            while self._peek() == ",":
                self.at += 1
                self._option(options)
        after = self._peek()
        if after and after not in "+*" and not after.isspace():
            self.refuse(f"{self._found()} has no place in {kind.group()}:{place.group()}", 'put odd texts in quotes "')
        return TermText(kind=kind.group(), place=place.group(), revision=revision, options=options, column=start + 1)

    def _option(self, options: dict[str, tuple[str, ...]]) -> None:
        start = self.at
        key = _KEY.match(self.text, self.at)
        if key is None:
            self.refuse(f"an option like label=good is expected, not {self._found()}", "write key=value")
        self.at = key.end()
        if self._peek() != "=":
            self.refuse(f"'=' is expected after {key.group()!r}, not {self._found()}", "write key=value")
        if key.group() in options:
            self.refuse(f"the option {key.group()!r} is there twice", "keep one of them", start)
        self.at += 1
        options[key.group()] = self._pair() if key.group() == "difference" else (self._value("a value"),)

    def _pair(self) -> tuple[str, ...]:
        """Read ``a-b``; a label that has a dash itself stands in quotes."""
        start = self.at
        if '"' in (self._peek(), self._peek_after_plain()):
            first = self._value("a label", stop="-")
            if self._peek() != "-":
                self.refuse(f"'-' is expected between two labels, not {self._found()}", "write difference=good-bad")
            self.at += 1
            return first, self._value("a label")
        parts = self._value("two labels").split("-")
        if len(parts) != 2 or not all(parts):
            self.refuse(
                "two labels with one '-' between them are expected",
                'write difference=good-bad, and labels that have a dash in quotes: "not-good"-good',
                start,
            )
        return tuple(parts)

    def _peek_after_plain(self) -> str:
        """Give the sign that ends the plain text here."""
        match = _PLAIN.match(self.text, self.at)
        return self.text[match.end() : match.end() + 1] if match else ""

    def _value(self, what: str, *, stop: str = "") -> str:
        if self._peek() == '"':
            return self._quoted()
        match = _PLAIN.match(self.text, self.at)
        value = match.group() if match else ""
        if stop:
            value = value.partition(stop)[0]
        if not value:
            self.refuse(f"{what} is expected, not {self._found()}", 'texts with blanks stand in double quotes "')
        self.at += len(value)
        return value

    def _quoted(self) -> str:
        start, letters = self.at, []
        self.at += 1
        while self._peek() != '"':
            letter = self._peek()
            if letter == "\\":
                self.at += 1
                letter = _ESCAPES.get(self._peek(), "")
                if not letter:
                    self.refuse("an unknown escape in quotes", 'only \\", \\\\, \\n and \\t are known', self.at - 1)
            elif not letter:
                self.refuse("the quote is never closed", 'end the text with "', start)
            elif ord(letter) < 32 or ord(letter) == 127 or "\ud800" <= letter <= "\udfff":
                self.refuse("a control character or broken text in quotes", "write \\n for a line's end")
            letters.append(letter)
            self.at += 1
        self.at += 1
        if not letters:
            self.refuse("a text in quotes is empty", "write something in it, or leave the option out", start)
        return "".join(letters)

    def _blanks(self) -> None:
        match = _BLANKS.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _found(self) -> str:
        return shown(self._peek()) if self._peek() else "the end"


def _quoted(text: str, *, dash: bool = False) -> str:
    """Write a value: as it is where that reads back the same, in quotes otherwise; ``dash``: a dash has a meaning."""
    if _PLAIN.fullmatch(text) and not (dash and "-" in text):
        return text
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def shown(piece: str) -> str:
    """Quote a piece of text for a message, cut when long and escaped when it cannot be printed."""
    cut = piece if len(piece) <= _SHOWN else piece[:_SHOWN] + "..."
    return f"'{cut}'" if cut.isprintable() else ascii(cut)
