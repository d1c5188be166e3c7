"""YAML as people write it in recipes: plain mappings, lists, text, numbers, true and false, read one way only.

The parser's events are read one by one and turned into values here, so no tag, anchor or alias ever constructs
anything: they are refused, as are repeated keys, a second document, absurd nesting and too many bytes, each with line
and column. Numbers follow JSON with a sign allowed (``1e-3`` is a number); everything whose meaning changed between
versions of YAML (``on``, ``yes``, ``012``, ``1_000``, dates, ``.inf``) stays text. Which keys exist is the business
of the caller.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from rshub.errors import InvalidInput, RshubError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_NOTHING = object()


@dataclass
class _Collection:
    """A mapping or a list being filled; ``key`` waits for its value, ``keys`` remembers where each stands."""

    value: dict[str, Any] | list[Any]
    key: Any = _NOTHING
    keys: dict[str, int] = field(default_factory=dict)


def load_yaml(
    data: bytes, *, source: str, error: type[RshubError] = InvalidInput, max_bytes: int = MAX_BYTES
) -> dict[str, Any]:
    """Read one YAML mapping strictly.

    Args:
        data: The file's bytes, UTF-8.
        source: What to call the file in an error.
        error: The error to raise: ``InvalidInput`` for what a person wrote, ``IntegrityError`` for what a repo holds.
        max_bytes: The most bytes that are parsed.

    Raises:
        RshubError: Of the kind given by ``error``, with line and column, for anything but one plain mapping.
    """
    if len(data) > max_bytes:
        raise error(f"{source}: {len(data)} bytes are more than the {max_bytes} that are read", where=source)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise error(f"{source}: not UTF-8 text (byte {fault.start})", where=source) from fault
    try:
        value = _Reader(source, error).read(text)
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise error(f"{place}: not YAML: {fault.problem or fault.context}", where=place) from fault
    except yaml.YAMLError as fault:
        raise error(f"{source}: not YAML: {' '.join(str(fault).split())}", where=source) from fault
    if not isinstance(value, dict):
        raise error(
            f"{source}:1:1: the top level is no mapping", where=f"{source}:1:1", remedy="write `key: value` lines"
        )
    return value


def scalar(text: str) -> Any:
    """Read one plain (unquoted) word as this dialect does: null, true, false, a number, or the text itself.

    A number too large for a float stays infinite; ``load_yaml`` refuses it with its place.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


class _Reader:
    """Turns the events of one document into values without recursion."""

    def __init__(self, source: str, error: type[RshubError]) -> None:
        self._source = source
        self._error = error
        self._open: list[_Collection] = []
        self._top: Any = None

    def read(self, text: str) -> Any:
        documents = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refuse(event, "a second document begins here; one is read")
                if event.version or event.tags:
                    raise self._refuse(event, "directives (%YAML, %TAG) are not read")
            elif isinstance(event, yaml.AliasEvent):
                name = str(event.anchor)[:60]
                raise self._refuse(event, f"the alias *{name} is not read; write the value out")
            elif isinstance(event, yaml.NodeEvent):
                self._node(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._place(self._open.pop().value)
        return self._top

    def _node(self, event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            raise self._refuse(event, f"the anchor &{event.anchor[:60]} is not read; write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise self._refuse(event, f"the tag {tag[:60]} is not read")
        wants_key = bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is _NOTHING
        if isinstance(event, yaml.ScalarEvent):
            if any("\ud800" <= letter <= "\udfff" for letter in event.value):
                raise self._refuse(event, "an escape \\ud800 to \\udfff is no text")
            if wants_key:
                self._key(event)
            else:
                self._place(self._scalar(event))
            return
        if wants_key:
            raise self._refuse(event, "a key is one word, not a collection")
        if len(self._open) == MAX_DEPTH:
            raise self._refuse(event, f"nested deeper than {MAX_DEPTH} levels")
        self._open.append(_Collection({} if isinstance(event, yaml.MappingStartEvent) else []))

    def _key(self, event: yaml.ScalarEvent) -> None:
        collection = self._open[-1]
        if event.value == "<<" and event.implicit[0]:
            raise self._refuse(event, "the merge key << is not read; write the keys out")
        if event.value in collection.keys:
            first = collection.keys[event.value]
            raise self._refuse(event, f"the key {event.value[:60]!r} is there twice, first in line {first}")
        collection.keys[event.value] = _position(event)[0]
        collection.key = event.value

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        if not event.implicit[0]:  # quoted, or a block of text
            return event.value
        value = scalar(event.value)
        if isinstance(value, float) and not math.isfinite(value):
            raise self._refuse(event, f"{event.value[:20]} is too large a number")
        return value

    def _place(self, value: Any) -> None:
        if not self._open:
            self._top = value
        elif isinstance(self._open[-1].value, list):
            self._open[-1].value.append(value)
        else:
            collection = self._open[-1]
            collection.value[collection.key] = value
            collection.key = _NOTHING

    def _refuse(self, event: yaml.Event, why: str) -> RshubError:
        line, column = _position(event)
        place = f"{self._source}:{line}:{column}"
        return self._error(f"{place}: {why}", where=place, remedy="write plain keys, lists, text and numbers")


def _position(event: yaml.Event) -> tuple[int, int]:
    """Give the line and the column where an event begins, both counted from 1."""
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
