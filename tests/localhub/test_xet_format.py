"""Shards and xorbs, written here by hand from their specification and read by the hub."""

import os
import struct

import lz4.frame
import pytest

from rshub.localhub.xet_format import (
    Chunk,
    Segment,
    XetFormatError,
    chunk_table,
    hash_hex,
    parse_shard,
    ungroup,
    unpack,
)

WORDS = (0x0123456789ABCDEF, 1, 2, 0xFFFFFFFFFFFFFFFE)
HASH = struct.pack("<4Q", *WORDS)
HEX = "0123456789abcdef" + "0" * 15 + "1" + "0" * 15 + "2" + "f" * 15 + "e"


def record(*parts):
    return b"".join(parts).ljust(48, b"\0")


def u32(*values):
    return struct.pack(f"<{len(values)}I", *values)


HEADER = record(b"HFRepoMetaData")
END = b"\xff" * 32 + b"\0" * 16


def group(data):
    """The inverse of what the hub does: every fourth byte together."""
    return b"".join(data[lane::4] for lane in range(4))


def chunk(data, scheme, raw_size=None):
    packed = {0: lambda: data, 1: lambda: lz4.frame.compress(data), 2: lambda: lz4.frame.compress(group(data))}[
        scheme
    ]()
    size = len(data) if raw_size is None else raw_size
    return b"\0" + len(packed).to_bytes(3, "little") + bytes([scheme]) + size.to_bytes(3, "little") + packed


def table(xorb):
    return chunk_table(lambda offset, length: xorb[offset : offset + length], len(xorb))


def unpacked(xorb):
    return [unpack(part, xorb[part.offset : part.offset + part.packed_size]) for part in table(xorb)]


def test_a_hash_is_four_little_endian_words():
    assert hash_hex(HASH) == HEX


def test_a_shard_with_every_optional_record():
    plain = record(b"\1" * 32, u32(0, 1)) + record(HASH, u32(0, 10, 0, 2))
    verified = record(b"\2" * 32, u32(1 << 31, 2)) + record(HASH, u32(0, 5, 0, 1)) + record(HASH, u32(0, 7, 3, 4))
    verified += record(b"verify") * 2
    digested = record(b"\3" * 32, u32(1 << 31 | 1 << 30, 1)) + record(HASH, u32(0, 9, 1, 9)) + record(b"verify")
    digested += record(HASH)
    first, second, third = parse_shard(HEADER + plain + verified + digested + END + b"what follows is not read")
    assert first.segments == (Segment(xorb=HEX, size=10, first=0, last=2),)
    assert (first.sha256, first.size) == (None, 10)
    assert [(part.size, part.first, part.last) for part in second.segments] == [(5, 0, 1), (7, 3, 4)]
    assert (second.size, third.sha256) == (12, HEX)


def test_a_shard_without_files():
    assert parse_shard(HEADER + END) == []


@pytest.mark.parametrize("length", range(48, 48 * 5, 7))
def test_a_shard_cut_anywhere_is_refused(length):
    file = record(b"\3" * 32, u32(1 << 31 | 1 << 30, 1)) + record(HASH, u32(0, 9, 1, 9)) + record(b"") + record(HASH)
    with pytest.raises(XetFormatError):
        parse_shard((HEADER + file + END)[:length])


def test_a_shard_that_promises_more_than_it_holds_is_refused_at_once():
    with pytest.raises(XetFormatError, match="room"):
        parse_shard(HEADER + record(b"\1" * 32, u32(0, 0xFFFFFFFF)) + END)
    with pytest.raises(XetFormatError, match="tag"):
        parse_shard(b"something else" + END)


@pytest.mark.parametrize("scheme", [0, 1, 2])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 1023, 70_001])
def test_each_scheme_unpacks_to_what_was_packed(scheme, size):
    data = os.urandom(size // 2) + b"\0" * (size - size // 2)
    assert unpacked(chunk(data, scheme) + chunk(b"after", 0)) == [data, b"after"]


def test_the_footer_is_no_chunk():
    assert unpacked(chunk(b"x", 0) + b"XETBLOB\1" + b"\0" * 40) == [b"x"]


@pytest.mark.parametrize(
    "xorb",
    [b"", b"\0" * 7, b"XETBLOB\0", b"\1" + chunk(b"x", 0)[1:], chunk(b"x", 0)[:-1], chunk(b"", 0)],
    ids=["empty", "short", "footer only", "version", "cut", "no bytes"],
)
def test_a_malformed_xorb_is_refused(xorb):
    with pytest.raises(XetFormatError):
        table(xorb)


@pytest.mark.parametrize("announced", [99, 101])
@pytest.mark.parametrize("scheme", [0, 1, 2])
def test_a_chunk_that_lies_about_its_size_is_refused(scheme, announced):
    with pytest.raises(XetFormatError):
        unpacked(chunk(b"x" * 100, scheme, announced))


def test_a_chunk_that_would_unpack_to_gigabytes_is_stopped():
    bomb = lz4.frame.compress(b"\0" * (64 << 20))
    with pytest.raises(XetFormatError, match="size"):
        unpack(Chunk(offset=0, packed_size=len(bomb), scheme=1, raw_size=1000), bomb)


def test_garbage_is_refused():
    with pytest.raises(XetFormatError, match="unpack"):
        unpack(Chunk(offset=0, packed_size=10, scheme=1, raw_size=10), b"not lz4 !!")


@pytest.mark.parametrize("size", range(12))
def test_ungrouping_undoes_grouping(size):
    data = bytes(range(size))
    assert ungroup(group(data)) == data
