"""Reading a JSON or YAML object field by field, gathering every fault with its path before raising once.

A ``Fields`` hands out checked values; ``finish`` raises when anything was wrong. It does not know what a field means.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from rshub.errors import InvalidInput, RshubError

SHA256 = re.compile(r"[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")
LONGEST_PART = 255

LONGEST_GUESS = 200
MOST_GUESSES = 8
"""Guessing is slow: names that are longer, and faults beyond the first few, are told without a guess."""

FEW_KEYS = 8
"""So many keys are all named to one who wrote another."""


def nearest(name: str, valid: Collection[str]) -> str:
    """Give the valid name that looks most like a misspelt one, or an empty string."""
    if len(name) > LONGEST_GUESS:
        return ""
    return next(iter(difflib.get_close_matches(name, sorted(valid), n=1, cutoff=0.5)), "")


def is_file_name(name: str) -> bool:
    """Say whether this is a plain path within a repo: no way out of it, no blank or control characters at work."""
    parts = name.split("/")
    sound = all(part not in {"", ".", ".."} and len(part.encode("utf-8", "replace")) <= LONGEST_PART for part in parts)
    return sound and name.isprintable() and "\\" not in name


class Fields:
    """One object being read, with its path from the top of the file.

    Args:
        value: The object as parsed.
        source: What to call the file in an error.
        error: The error to raise: ``InvalidInput`` for what a person wrote, ``IntegrityError`` for what a repo holds.
    """

    def __init__(self, value: Mapping[str, Any], *, source: str, error: type[RshubError] = InvalidInput) -> None:
        self._value = value
        self._path = ""
        self._source = source
        self._error = error
        self._problems: list[str] = []
        self._seen: set[str] = set()

    def fault(self, key: str, why: str) -> None:
        """Note a fault at a key of this object."""
        self._problems.append(f"{self._path}{key}: {why}")

    def sound(self, key: str) -> bool:
        """Say whether no fault was noted at a key of this object."""
        return not any(problem.startswith(f"{self._path}{key}: ") for problem in self._problems)

    def finish(self) -> None:
        """Raise once for all faults that were noted.

        Raises:
            RshubError: Of the kind given at the start.
        """
        if not self._problems:
            return
        first = self._problems[0]
        more = f" (and {len(self._problems) - 1} more)" if len(self._problems) > 1 else ""
        message = f"{self._source}: {first}{more}"
        where = f"{self._source}: {first.split(':')[0]}"
        if issubclass(self._error, InvalidInput):
            raise self._error(message, where=where, remedy="mend the named keys", problems=self._problems)
        raise self._error(message, where=where, remedy="ask the publisher to mend and publish it again")

    def has(self, key: str) -> bool:
        """Say whether the key is there with a value other than null."""
        self._seen.add(key)
        return self._value.get(key) is not None

    def raw(self, key: str, default: Any = None) -> Any:
        """Give a value unchecked."""
        self._seen.add(key)
        return self._value.get(key, default)

    def text(self, key: str, *, default: str | None = None, pattern: re.Pattern[str] | None = None) -> str:
        """Give a string; without a default it must be there."""
        value = self._typed(key, str, "a string", default)
        if pattern is not None and self.has(key) and not pattern.fullmatch(value):
            self.fault(key, f"{value!r} does not have the form {pattern.pattern}")
        return str(value)

    def optional_text(self, key: str, *, pattern: re.Pattern[str] | None = None) -> str | None:
        """Give a string, or None when it is absent or null."""
        return self.text(key, pattern=pattern) if self.has(key) else None

    def choice(self, key: str, valid: Collection[str], *, default: str | None = None) -> str:
        """Give a string out of a few."""
        value = str(self._typed(key, str, "a string", default))
        if self.has(key) and value not in valid:
            guess = self._guess(value, valid) if len(valid) > 1 else ""
            self.fault(key, f"{value!r} is none of {', '.join(sorted(valid))}" + (f"; {guess}?" if guess else ""))
        return value

    def integer(self, key: str, *, default: int | None = None, least: int = 0, most: int = 2**53) -> int:
        """Give a whole number within bounds; where it is none or outside, the least, so that one fault is told once."""
        known = len(self._problems)
        value = self._typed(key, int, "a whole number", default)
        if len(self._problems) == known and not least <= value <= most:
            self.fault(key, f"{value} is outside {least} to {most}")
        return int(value) if len(self._problems) == known else least

    def number(self, key: str, *, default: float | None = None) -> float:
        """Give a finite number."""
        value = self._typed(key, (int, float), "a number", default)
        try:
            number = float(value)
        except OverflowError:  # a whole number beyond float64
            number = math.inf
        if not math.isfinite(number):
            self.fault(key, f"{number} is not finite")
        return number

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        """Give true or false."""
        self._seen.add(key)
        value = self._value.get(key, default)
        if not isinstance(value, bool):
            self.fault(key, "true or false is expected")
            return False
        return value

    def inner(self, key: str, *, required: bool = True) -> Fields:
        """Go into an object; its faults are gathered with these."""
        value = self._typed(key, dict, "an object", None if required else {})
        return self._child(value, f"{self._path}{key}.")

    def each(self, key: str) -> Iterator[Fields]:
        """Go into every object of a list (absent: none)."""
        for number, value in enumerate(self._typed(key, list, "a list", [])):
            if isinstance(value, dict):
                yield self._child(value, f"{self._path}{key}[{number}].")
            else:
                self.fault(f"{key}[{number}]", "an object is expected")

    def mapping(self, key: str, check: Callable[[Any], bool], what: str) -> dict[str, Any]:
        """Give an object whose values all pass a check (absent: empty)."""
        value = self._typed(key, dict, "an object", {})
        for name, item in value.items():
            if not check(item):
                self.fault(f"{key}.{name}", f"{what} is expected")
        return dict(value)

    def unknown(self) -> dict[str, Any]:
        """Give the fields that nobody asked for, to be kept and written back."""
        return {key: value for key, value in self._value.items() if key not in self._seen}

    def refuse_unknown(self) -> None:
        """Note a fault for each field that nobody asked for, with the nearest one that exists."""
        for key in self.unknown():
            guess = self._guess(str(key), self._seen)
            if guess:
                self.fault(str(key), f"no such key; did you mean {guess!r}?")
            elif 0 < len(self._seen) <= FEW_KEYS and len(self._problems) < MOST_GUESSES:
                self.fault(str(key), f"no such key; there are {', '.join(sorted(self._seen))}")
            else:
                self.fault(str(key), "no such key")

    def _guess(self, name: str, valid: Collection[str]) -> str:
        return nearest(name, valid) if len(self._problems) < MOST_GUESSES else ""

    def _child(self, value: Mapping[str, Any], path: str) -> Fields:
        child = Fields(value, source=self._source, error=self._error)
        child._path = path
        child._problems = self._problems
        return child

    def _typed(self, key: str, kind: type | tuple[type, ...], what: str, default: Any) -> Any:
        self._seen.add(key)
        value = self._value.get(key)
        if value is None:
            if default is None:
                self.fault(key, f"missing; {what} is expected")
                return {str: "", int: 0, dict: {}, list: []}.get(kind, 0.0) if isinstance(kind, type) else 0.0
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.fault(key, f"{what} is expected, not {type(value).__name__}")
            return {str: "", int: 0, dict: {}, list: []}.get(kind, 0.0) if isinstance(kind, type) else 0.0
        return value


def short(value: Any) -> str:
    """Show a value in an error, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
