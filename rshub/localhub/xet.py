"""Xet uploads, taken in and turned into plain files at once; nothing is ever served as Xet.

Clients send xorbs, then a shard that says how files are made of them. The hub rebuilds each file, checks its sha256
and keeps it in the object store. Clients remember which xorbs a hub has and refer to them in later uploads, so a xorb
must stay readable: once stored files cover all of its chunks, spans into those files replace it, and the bytes lie
here once.

Xorbs belong to the account that sent them. Their hashes are taken on trust, and this keeps one account from planting
wrong bytes under a hash that another is about to use.
"""

from __future__ import annotations

import bisect
from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from rshub.localhub.database import Database
from rshub.localhub.errors import bad_request
from rshub.localhub.layout import Layout
from rshub.localhub.locks import Locks
from rshub.localhub.objects import Incoming, ObjectStore, read_range
from rshub.localhub.xet_format import FileRecipe, XetFormatError, chunk_table, parse_shard, reader, unpack

LARGEST_XORB = 128 * 1024 * 1024  # bytes; clients stop at 64 MiB
LARGEST_SHARD = 128 * 1024 * 1024  # bytes
LARGEST_FILE = 500 * 1000**3  # bytes

Span = tuple[int, int, str, int]  # chunks [first, last) lie in the object from a byte offset


class XetStore:
    """The xorbs of every account, as files or as spans of stored objects."""

    def __init__(self, layout: Layout, database: Database, objects: ObjectStore) -> None:
        self._layout = layout
        self._database = database
        self._objects = objects
        self._locks = Locks()

    def put(self, owner: str, name: str, incoming: Incoming) -> bool:
        """Keep a xorb; tell whether it is new. One that is here is never replaced.

        Raises:
            Refusal: 400, it is malformed.
        """
        incoming.finish()
        try:
            with incoming.path.open("rb") as file:
                chunks = chunk_table(reader(file), incoming.size)
        except XetFormatError as error:
            raise bad_request(f"Xorb {name}: {error}.") from error
        with self._locks.holding(owner):
            if self._sizes(owner, name) is not None:
                return False
            path = self._path(owner, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            incoming.path.replace(path)
            chunk_sizes = array("I", [chunk.raw_size for chunk in chunks]).tobytes()
            with self._database.writing() as connection:
                connection.execute("INSERT INTO xorbs VALUES (?, ?, ?)", (owner, name, chunk_sizes))
        return True

    def ingest(self, owner: str, shard: bytes) -> list[tuple[str, int]]:
        """Rebuild the files of a shard and return (sha256, size) of each.

        Raises:
            Refusal: 400, the shard or a xorb is malformed, unknown, or does not give the announced sha256.
        """
        stored = []
        opened: dict[str, _Xorb] = {}
        try:
            recipes = parse_shard(shard)
            with self._locks.holding(owner):
                for recipe in recipes:
                    for segment in recipe.segments:
                        if segment.xorb not in opened:
                            opened[segment.xorb] = self._open(owner, segment.xorb)
                    stored.append(self._rebuild(owner, recipe, opened))
                for name in opened:
                    self._release(owner, name)
        except XetFormatError as error:
            raise bad_request(f"Shard refused: {error}.") from error
        return stored

    def _rebuild(self, owner: str, recipe: FileRecipe, opened: Mapping[str, _Xorb]) -> tuple[str, int]:
        if recipe.size > LARGEST_FILE:
            raise XetFormatError("a file is too large")
        starts = []
        with self._objects.incoming(limit=recipe.size) as incoming:
            for segment in recipe.segments:
                starts.append(incoming.size)
                for data in opened[segment.xorb].read(segment.first, segment.last):
                    incoming.write(data)
                if incoming.size - starts[-1] != segment.size:
                    raise XetFormatError("a segment has another size than the shard says")
            oid = self._objects.adopt(incoming, recipe.sha256)
        rows = [
            (owner, segment.xorb, segment.first, segment.last, oid, start)
            for segment, start in zip(recipe.segments, starts, strict=True)
        ]
        with self._database.writing() as connection:
            connection.executemany("INSERT OR IGNORE INTO xorb_spans VALUES (?, ?, ?, ?, ?, ?)", rows)
        return oid, recipe.size

    def _open(self, owner: str, name: str) -> _Xorb:
        chunk_sizes = self._sizes(owner, name)
        if chunk_sizes is None:
            raise XetFormatError(f"xorb {name} was never uploaded")
        path = self._path(owner, name)
        if path.exists():
            return _PackedXorb(path)
        return _SpannedXorb(chunk_sizes, self._spans(owner, name), self._objects)

    def _release(self, owner: str, name: str) -> None:
        """Drop a xorb's own file once spans of stored objects cover all of it."""
        chunk_sizes = self._sizes(owner, name)
        if chunk_sizes is not None and _covers(self._spans(owner, name), len(chunk_sizes)):
            self._path(owner, name).unlink(missing_ok=True)

    def _sizes(self, owner: str, name: str) -> array[int] | None:
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT chunk_sizes FROM xorbs WHERE owner = ? AND hash = ?", (owner, name)
            ).fetchone()
        return None if row is None else array("I", row["chunk_sizes"])

    def _spans(self, owner: str, name: str) -> list[Span]:
        """Return (first, last, oid, offset), the longest one for each first chunk, such that none is inside another."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT first, last, oid, offset FROM xorb_spans WHERE owner = ? AND hash = ?"
                " ORDER BY first, last DESC",
                (owner, name),
            ).fetchall()
        kept: list[Span] = []
        for row in rows:
            if not kept or row["last"] > kept[-1][1]:
                kept.append((row["first"], row["last"], row["oid"], row["offset"]))
        return kept

    def _path(self, owner: str, name: str) -> Path:
        return self._layout.xorbs / owner / name[:2] / name


class _Xorb(Protocol):
    def read(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the raw bytes of chunks [first, last)."""


class _PackedXorb:
    """A xorb as it was sent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            self._chunks = chunk_table(reader(file), path.stat().st_size)

    def read(self, first: int, last: int) -> Iterator[bytes]:
        _require_chunks(first, last, len(self._chunks))
        with self._path.open("rb") as file:
            read = reader(file)
            for chunk in self._chunks[first:last]:
                yield unpack(chunk, read(chunk.offset, chunk.packed_size))


class _SpannedXorb:
    """A xorb whose chunks lie in stored objects."""

    def __init__(self, chunk_sizes: array[int], spans: list[Span], objects: ObjectStore) -> None:
        self._starts = [0, *accumulate(chunk_sizes)]
        self._spans = spans
        self._firsts = [span[0] for span in spans]
        self._objects = objects

    def read(self, first: int, last: int) -> Iterator[bytes]:
        _require_chunks(first, last, len(self._starts) - 1)
        while first < last:
            span_first, span_last, oid, offset = self._spans[bisect.bisect_right(self._firsts, first) - 1]
            until = min(last, span_last)
            skipped = self._starts[first] - self._starts[span_first]
            yield from self._objects.read(oid, offset + skipped, self._starts[until] - self._starts[first])
            first = until


def _require_chunks(first: int, last: int, count: int) -> None:
    if not 0 <= first < last <= count:
        raise XetFormatError(f"a xorb has {count} chunks, not {last}")


def _covers(spans: Iterable[Span], count: int) -> bool:
    reached = 0
    for first, last, _, _ in spans:
        if first > reached:
            return False
        reached = max(reached, last)
    return reached == count


def read_shard(incoming: Incoming) -> bytes:
    """Return a received shard."""
    incoming.finish()
    return b"".join(read_range(incoming.path, 0, incoming.size))
