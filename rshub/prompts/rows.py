"""The rows of a file, one after the other: JSON lines (also gzipped), a JSON list, CSV, Parquet.

A file is read as far as rows are asked for, within limits on its size, on a line and on what it unpacks to. JSON lines
are read strictly; nothing is executed, and a Parquet file gives its columns only.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from rshub.errors import InvalidInput, MissingExtra, NotFound
from rshub.formats.canonical import load_json

MAX_BYTES = 1024 * 1024 * 1024
"""Of a file, and of what it unpacks to."""
MAX_LINE_BYTES = 1024 * 1024
_GROUP = 256  # rows

Numbered = tuple[int, Mapping[str, Any]]


def rows_of(path: Path, *, name: str) -> Iterator[Numbered]:
    """Give the rows of a file, each with its number; of text files the number of the line.

    Args:
        path: The file; its name's ending says how it is read.
        name: What to call it in an error.

    Raises:
        InvalidInput: It is too large, or not what its ending says.
        NotFound: It cannot be read.
        MissingExtra: It is a Parquet file and the library that reads these is not installed.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise too_large(name)
        if path.name.endswith(".parquet"):
            yield from _parquet(path, name)
            return
        with path.open("rb") as file:
            if path.name.endswith(".gz"):
                with gzip.GzipFile(fileobj=file) as packed:
                    yield from _lines(packed, name)
            elif path.name.endswith(".csv"):
                yield from _csv(file, name)
            elif path.name.endswith(".json"):
                yield from _json(file, name)
            else:
                yield from _lines(file, name)
    except FileNotFoundError as fault:
        raise NotFound(f"{name}: there are no such prompts", where=name, remedy="name a JSONL file") from fault
    except (gzip.BadGzipFile, zlib.error, EOFError) as fault:
        raise InvalidInput(f"{name}: not a whole gzip file: {fault}", where=name, remedy="fetch it again") from fault
    except OSError as fault:
        raise NotFound(f"{name}: the prompts cannot be read: {fault.strerror}", where=name) from fault


def too_large(name: str) -> InvalidInput:
    """Refuse a file for its size, packed or unpacked."""
    return InvalidInput(
        f"{name}: more than the {MAX_BYTES} bytes that are read", where=name, remedy="split it into several files"
    )


def _lines(file: IO[bytes] | gzip.GzipFile, name: str) -> Iterator[Numbered]:
    read = number = 0
    while line := file.readline(MAX_LINE_BYTES + 2):
        number += 1
        read += len(line)
        if read > MAX_BYTES:
            raise too_large(name)
        if line.strip():
            yield number, load_json(line.rstrip(b"\r\n"), source=f"{name}:{number}", max_bytes=MAX_LINE_BYTES)


def _json(file: IO[bytes], name: str) -> Iterator[Numbered]:
    """Read a list of objects, or what is JSON lines under another name."""
    if file.read(1024).lstrip()[:1] != b"[":
        file.seek(0)
        yield from _lines(file, name)
        return
    file.seek(0)
    try:
        found = json.load(file)
    except (ValueError, RecursionError) as fault:
        raise InvalidInput(f"{name}: not JSON: {fault}", where=name, remedy="write a list of objects") from fault
    for number, value in enumerate(found, start=1):
        if not isinstance(value, dict):
            raise InvalidInput(f"{name}:{number}: no object", where=name, remedy="write a list of objects")
        yield number, value


def _csv(file: IO[bytes], name: str) -> Iterator[Numbered]:
    try:
        with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text, strict=True)
            for row in reader:
                if None in row or None in row.values():
                    raise InvalidInput(
                        f"{name}:{reader.line_num}: not as many values as the first line has columns",
                        where=name,
                        remedy="quote values that hold commas or line ends",
                    )
                yield reader.line_num, row
    except (csv.Error, UnicodeDecodeError) as fault:
        raise InvalidInput(
            f"{name}: not a CSV file in UTF-8: {fault}", where=name, remedy="save it as UTF-8"
        ) from fault


def _parquet(path: Path, name: str) -> Iterator[Numbered]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as fault:
        raise MissingExtra("train", needed_for=f"reading {name}") from fault
    number = read = 0
    try:
        with ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=_GROUP):
                read += batch.nbytes
                if read > MAX_BYTES:
                    raise too_large(name)
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except ArrowException as fault:
        raise InvalidInput(f"{name}: not a Parquet file: {fault}", where=name, remedy="fetch it again") from fault
