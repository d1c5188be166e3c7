"""Xorbs become plain files, and files stand in for xorbs afterwards."""

import hashlib
import struct

import pytest

from rshub.localhub.database import Database
from rshub.localhub.errors import Refusal
from rshub.localhub.layout import prepare
from rshub.localhub.objects import ObjectStore
from rshub.localhub.xet import XetStore

PARTS = [bytes([letter]) * size for letter, size in zip(b"abcdef", (10, 20, 30, 40, 50, 60), strict=True)]


@pytest.fixture
def layout(tmp_path):
    return prepare(tmp_path / "root")


@pytest.fixture
def objects(layout):
    return ObjectStore(layout)


@pytest.fixture
def store(layout, objects):
    database = Database(layout.database)
    yield XetStore(layout, database, objects)
    database.close()


def name_of(number):
    return f"{number:016x}" * 4


def put(store, objects, number=1, owner="alice", parts=PARTS):
    xorb = b"".join(
        b"\0" + len(part).to_bytes(3, "little") + b"\0" + len(part).to_bytes(3, "little") + part for part in parts
    )
    with objects.incoming(limit=10_000) as incoming:
        incoming.write(xorb)
        return store.put(owner, name_of(number), incoming)


def shard(*files):
    """A shard of files, each a list of (xorb number, first, last)."""
    out = b"HFRepoMetaData".ljust(48, b"\0")
    for segments in files:
        out += b"\1" * 32 + struct.pack("<IIQ", 0, len(segments), 0)
        for number, first, last in segments:
            size = sum(map(len, PARTS[first:last]))
            out += struct.pack("<4Q4I", number, number, number, number, 0, size, first, last)
    return out + b"\xff" * 48


def stored(objects, oid):
    data = objects.path(oid).read_bytes()
    assert hashlib.sha256(data).hexdigest() == oid
    return data


def xorb_files(layout):
    return [path.name for path in layout.xorbs.rglob("*") if path.is_file()]


def test_a_file_of_several_xorbs(store, objects):
    assert put(store, objects, 1)
    assert put(store, objects, 2)
    assert not put(store, objects, 2)
    ((oid, size),) = store.ingest("alice", shard([(1, 4, 6), (2, 0, 2), (1, 0, 1)]))
    assert stored(objects, oid) == b"".join([PARTS[4], PARTS[5], PARTS[0], PARTS[1], PARTS[0]])
    assert size == 150


def test_a_covered_xorb_gives_way_to_the_files_that_cover_it(store, objects, layout):
    put(store, objects)
    store.ingest("alice", shard([(1, 0, 3)]))
    assert xorb_files(layout) == [name_of(1)]
    store.ingest("alice", shard([(1, 4, 6)], [(1, 2, 5)]))
    assert xorb_files(layout) == []
    assert not put(store, objects)
    assert xorb_files(layout) == []
    for first in range(6):
        for last in range(first + 1, 7):
            ((oid, _),) = store.ingest("alice", shard([(1, first, last)]))
            assert stored(objects, oid) == b"".join(PARTS[first:last])


def test_a_known_xorb_is_not_replaced(store, objects):
    put(store, objects)
    assert not put(store, objects, parts=[part.upper() for part in PARTS])
    ((oid, _),) = store.ingest("alice", shard([(1, 0, 6)]))
    assert stored(objects, oid) == b"".join(PARTS)


def test_xorbs_of_one_account_do_not_serve_another(store, objects):
    put(store, objects, owner="alice")
    with pytest.raises(Refusal, match="never uploaded"):
        store.ingest("bob", shard([(1, 0, 1)]))
    assert put(store, objects, owner="bob")


@pytest.mark.parametrize("segment", [(1, 5, 7), (1, 3, 3), (2, 0, 1)])
def test_a_shard_that_asks_for_what_is_not_there(store, objects, layout, segment):
    put(store, objects)
    with pytest.raises(Refusal):
        store.ingest("alice", shard([segment]))
    assert list(layout.incoming.iterdir()) == []
    assert xorb_files(layout) == [name_of(1)]


def test_the_empty_file(store, objects):
    ((oid, size),) = store.ingest("alice", shard([]))
    assert (stored(objects, oid), size) == (b"", 0)
