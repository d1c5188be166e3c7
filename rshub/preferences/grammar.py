"""Reading a preference string in one pass: signs, numbers and names, each fault with its column.

The grammar is that of ``preference``; here it becomes terms in the order in which they are written. Nothing is said of
sums, repeats or names that nobody offers: that is for the reader of the whole. Refused: what has no place in the
grammar, nan and infinities, numbers that float64 cannot hold, and any text longer than ``MAX_BYTES``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from rshub.errors import InvalidInput
from rshub.formats.names import REWARD_NAME, is_repo_id

MAX_BYTES = 16_384

Kind = Literal["reward", "repo", "directory"]

_BLANKS = " \t\r\n"
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z0-9._/@-]+")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_PLAIN_DIRECTORY = re.compile(r"[A-Za-z0-9._/-]+")
_JOINED_BY = {"=": "','", "*": "'+'", ":": "a blank or ','"}
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
        return f"{_written(self)}={shortest(self.value)}"


class Reader:
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
        found = shown(piece) if piece else "the end"
        raise InvalidInput(f"preference, column {at + 1}: {why}", where=f"column {at + 1}: {found}", remedy=remedy)

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
            self.refuse(at, f"{joined} is expected, not {shown(sign)}", remedy)
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
            self.refuse(at, f"{shown(name)} is no number", "write the number first: 0.7*helpful", self.text[at:end])
        if sign not in {"=", ":"}:
            hint = "a decimal point is '.'" if name.isdigit() else f"write {name}=1 or {name}:1"
            found = shown(sign) if sign else "the end"
            self.refuse(sign_at, f"'=' or ':' is expected after {shown(name)}, not {found}", hint)
        self._same_form(sign, sign_at)
        value_at = self._blanks(sign_at + 1)
        match = _NUMBER.match(self.text, value_at)
        if match is None or _WORD.match(self.text, match.end()):
            word = _WORD.match(self.text, value_at)
            piece = word.group() if word else self._peek(value_at)
            why = f"{shown(piece)} is no finite number" if piece else "a number is expected, not the end"
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
            found = shown(self._peek(at)) if self._peek(at) else "the end"
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
                at, f"{shown(path)} in quotes is no directory", 'a directory begins with "./" or "/"', path or '""'
            )
        return _tidy(path), here + 1

    def _classified(self, word: str, at: int) -> tuple[str, Kind, str | None]:
        if word.startswith(("./", "/")):
            if "@" in word:
                self.refuse(at, f"'@' in the directory {shown(word)}", "put the directory in double quotes", word)
            return _tidy(word), "directory", None
        name, at_sign, revision = word.partition("@")
        if "/" in name:
            if not is_repo_id(name):
                why = f"{shown(name)} is neither owner/repo nor a directory"
                self.refuse(at, why, "a directory begins with ./ or /", word)
            if at_sign and (not _REVISION.fullmatch(revision) or ".." in revision):
                self.refuse(at, f"{shown(revision)} is no revision", "name a branch, a tag or a commit", word)
            return name, "repo", revision if at_sign else None
        if at_sign:
            self.refuse(at, f"a revision without owner/repo in {shown(word)}", "write owner/repo@revision", word)
        if not REWARD_NAME.fullmatch(name):
            remedy = "a reward's name has lower-case letters, digits and ._- and begins with a letter or digit"
            guess = f"did you mean {name.lower()!r}? " if REWARD_NAME.fullmatch(name.lower()) else ""
            self.refuse(at, f"{shown(name)} is no name of a reward", guess + remedy, word)
        return name, "reward", None


def _term(name: str, kind: Kind, revision: str | None, value: float, at: int) -> PreferenceTerm:
    return PreferenceTerm(name=name, kind=kind, revision=revision, value=value, column=at + 1)


def _tidy(path: str) -> str:
    """Give one spelling to a directory without asking the disk: ``//``, ``/./`` and a last ``/`` go, ``..`` stays."""
    start = "/" if path.startswith("/") else "./"
    return start + "/".join(part for part in path.split("/") if part not in {"", "."})


def _written(term: PreferenceTerm) -> str:
    if term.kind != "directory" or _PLAIN_DIRECTORY.fullmatch(term.name):
        return term.label
    return '"' + term.name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def shortest(value: float) -> str:
    """Write the shortest decimal that reads back as the same float64: ``1``, ``0.3``, ``1e-5``."""
    mantissa, _, exponent = repr(value).partition("e")
    mantissa = mantissa.removesuffix(".0")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def shown(piece: str) -> str:
    """Quote a piece of text for a message, cut when long and escaped when it cannot be printed."""
    cut = piece if len(piece) <= _SHOWN else piece[:_SHOWN] + "..."
    return f"'{cut}'" if cut.isprintable() else ascii(cut)
