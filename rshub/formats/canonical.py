"""JSON with one byte form: strict to read, canonical to write, and its digest.

Every digest of a JSON value is taken over the compact canonical form (sorted keys, no spaces, UTF-8, shortest numbers
that round-trip), so indentation never changes an identity. Files that people may open are written indented. Repeated
keys, NaN, infinities, absurd nesting and halves of characters (lone surrogates) are refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from typing import Any, NoReturn

from rshub.errors import InvalidInput, RshubError
from rshub.types import Digest

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 64

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def canonical_bytes(value: Any) -> bytes:
    """Write a JSON value in its compact canonical form (bytes, UTF-8)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def file_bytes(value: Any) -> bytes:
    """Write a JSON value as a file for machines that people can read: sorted, indented, ending in a newline."""
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def digest(value: Any) -> Digest:
    """Take the sha256 of a JSON value's canonical form."""
    return sha256(canonical_bytes(value))


def sha256(data: bytes) -> Digest:
    """Take the sha256 of bytes as 64 hexadecimal digits."""
    return Digest(hashlib.sha256(data).hexdigest())


def load_json(
    data: bytes, *, source: str, error: type[RshubError] = InvalidInput, max_bytes: int = MAX_BYTES
) -> dict[str, Any]:
    """Read a JSON object strictly.

    Args:
        data: The file's bytes, UTF-8.
        source: What to call the file in an error.
        error: The error to raise: ``InvalidInput`` for what a person wrote, ``IntegrityError`` for what a repo holds.
        max_bytes: The most bytes that are parsed.

    Raises:
        RshubError: Of the kind given by ``error``, for anything but one well-formed object.
    """

    def refuse(why: str) -> NoReturn:
        raise error(f"{source}: {why}", where=source, remedy="write one plain JSON object")

    def no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            counts = Counter(name for name, _ in pairs)
            refuse(f"the key {next(name for name in counts if counts[name] > 1)[:80]!r} is there twice")
        return value

    def finite(text: str) -> float:
        number = float(text)
        if number in (float("inf"), float("-inf")):
            refuse(f"{text} is too large a number")
        return number

    if len(data) > max_bytes:
        refuse(f"{len(data)} bytes are more than the {max_bytes} that are read")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        refuse("not UTF-8 text")
    if too_deep(text):
        refuse(f"nested deeper than {MAX_DEPTH} levels")
    try:
        value = json.loads(
            text,
            object_pairs_hook=no_repeats,
            parse_float=finite,
            parse_constant=lambda name: refuse(f"{name} is not a JSON number"),
        )
    except json.JSONDecodeError as fault:
        refuse(f"not JSON: {fault.msg} (line {fault.lineno}, column {fault.colno})")
    except ValueError as fault:
        if isinstance(fault, RshubError):
            raise
        refuse(f"not JSON: {fault}")
    if not isinstance(value, dict):
        refuse("the top level is no object")
    if half_characters(text, value):
        refuse("an escape \\ud800 to \\udfff without its other half is no text")
    return value


def half_characters(text: str, value: Any) -> bool:
    """Say whether JSON escapes a lone surrogate, which can be read but never written; ``value`` is what was parsed."""
    if not _SURROGATE.search(text):
        return False
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def too_deep(text: str) -> bool:
    """Say whether brackets outside strings nest too deeply, before a recursive parser meets them."""
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif character in "]}":
            depth -= 1
    return False
