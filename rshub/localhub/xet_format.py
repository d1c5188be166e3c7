"""The two binary formats of a Xet upload, read strictly. Pure: bytes in, values out.

A *xorb* is a run of compressed chunks; a *shard* says which chunks of which xorbs, in which order, make up a file.

    shard   48-byte header (tag, version, footer size), then 48-byte records: a file (hash, flags, count), its segments,
            verification records (flag bit 31) and a sha256 (bit 30); a hash of all ones ends the list of files
    xorb    chunks of an 8-byte header (version, 3-byte packed size, scheme, 3-byte raw size) and data; a footer that
            begins with `XETBLOB` may follow

Source: the Xet protocol specification, shard and xorb formats. Nothing here hashes with BLAKE3: whoever rebuilds a file
checks its sha256.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import lz4.frame

SHARD_TAG = b"HFRepoMetaData"
FOOTER_TAG = b"XETBLOB"
CHUNK_HEADER = 8  # bytes

_RECORD = 48  # bytes
_FILE = struct.Struct("<32sIIQ")
_SEGMENT = struct.Struct("<32sIIII")
_HASH = struct.Struct("<4Q")
_END = b"\xff" * 32
_HAS_VERIFICATION = 1 << 31
_HAS_SHA256 = 1 << 30
# (offset, length) -> bytes of a xorb
Reader = Callable[[int, int], bytes]
_STORED, _LZ4, _GROUPED_LZ4 = 0, 1, 2


class XetFormatError(ValueError):
    """The bytes are not a shard or xorb that this hub understands."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Chunks [first, last) of a xorb, `size` bytes when unpacked."""

    xorb: str
    size: int
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class FileRecipe:
    """How a file is put together; `sha256` is the uploader's claim, or None."""

    segments: tuple[Segment, ...]
    sha256: str | None

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return sum(segment.size for segment in self.segments)


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Where a chunk's data lies in its xorb, and how to unpack it."""

    offset: int
    packed_size: int
    scheme: int
    raw_size: int


def hash_hex(data: bytes) -> str:
    """Spell a 32-byte Xet hash: four little-endian words."""
    return "".join(f"{word:016x}" for word in _HASH.unpack(data))


def parse_shard(data: bytes) -> list[FileRecipe]:
    """Return the files of a shard.

    Raises:
        XetFormatError: It is cut short, or no shard.
    """
    if not data.startswith(SHARD_TAG):
        raise XetFormatError("a shard begins with its tag")
    recipes: list[FileRecipe] = []
    position = _RECORD
    try:
        while True:
            file_hash, flags, count, _ = _FILE.unpack_from(data, position)
            position += _RECORD
            if file_hash == _END:
                return recipes
            if count > (len(data) - position) // _RECORD:
                raise XetFormatError("a file of the shard has more segments than there is room for")
            segments = []
            for _ in range(count):
                xorb, _, size, first, last = _SEGMENT.unpack_from(data, position)
                segments.append(Segment(xorb=hash_hex(xorb), size=size, first=first, last=last))
                position += _RECORD
            if flags & _HAS_VERIFICATION:
                position += count * _RECORD
            sha256 = None
            if flags & _HAS_SHA256:
                sha256 = hash_hex(_SEGMENT.unpack_from(data, position)[0])
                position += _RECORD
            recipes.append(FileRecipe(segments=tuple(segments), sha256=sha256))
    except struct.error as error:
        raise XetFormatError("the shard is cut short") from error


def chunk_table(read: Reader, size: int) -> list[Chunk]:
    """Return the chunks of a xorb of `size` bytes, reading their headers only.

    Raises:
        XetFormatError: A chunk reaches over the end, or there is none.
    """
    chunks = []
    position = 0
    while position + CHUNK_HEADER <= size:
        header = read(position, CHUNK_HEADER)
        if header[:7] == FOOTER_TAG:
            break
        packed_size, raw_size = int.from_bytes(header[1:4], "little"), int.from_bytes(header[5:8], "little")
        position += CHUNK_HEADER
        if header[0] != 0 or header[4] > _GROUPED_LZ4 or raw_size == 0 or position + packed_size > size:
            raise XetFormatError("a chunk of the xorb is malformed")
        chunks.append(Chunk(offset=position, packed_size=packed_size, scheme=header[4], raw_size=raw_size))
        position += packed_size
    if not chunks:
        raise XetFormatError("the xorb holds no chunk")
    return chunks


def reader(file: BinaryIO) -> Reader:
    """Return a Reader of an open file."""

    def read(offset: int, length: int) -> bytes:
        file.seek(offset)
        return file.read(length)

    return read


def unpack(chunk: Chunk, packed: bytes) -> bytes:
    """Return the raw bytes of a chunk.

    Raises:
        XetFormatError: The data does not unpack to the size that the chunk announced.
    """
    if chunk.scheme == _STORED:
        raw = packed
    else:
        try:
            # One byte more than announced shows a chunk that lies, without unpacking all that it may hold.
            raw = bytes(lz4.frame.LZ4FrameDecompressor().decompress(packed, max_length=chunk.raw_size + 1))
        except RuntimeError as error:
            raise XetFormatError("a chunk of the xorb does not unpack") from error
    if len(raw) != chunk.raw_size:
        raise XetFormatError("a chunk of the xorb has another size than it announced")
    return ungroup(raw) if chunk.scheme == _GROUPED_LZ4 else raw


def ungroup(data: bytes) -> bytes:
    """Undo the grouping of every fourth byte, which makes float tensors compress better."""
    quotient, remainder = divmod(len(data), 4)
    raw = bytearray(len(data))
    position = 0
    for lane in range(4):
        length = quotient + (lane < remainder)
        raw[lane::4] = data[position : position + length]
        position += length
    return bytes(raw)
