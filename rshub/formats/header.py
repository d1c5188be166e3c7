"""The header of a safetensors file, checked before anything in it is believed.

A file is eight length bytes, a JSON header and a block of data. The header names each tensor with its dtype, shape and
byte range. Sizes are capped before a byte is parsed; overlaps, holes, unknown dtypes, wrong lengths and files that are
shorter or longer than their header says are refused. Nothing here touches a disk.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from rshub.errors import IntegrityError
from rshub.formats.canonical import canonical_bytes, load_json
from rshub.types import TensorName

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 8 * 1024 * 1024
MAX_TENSORS = 100_000
MAX_DIMENSIONS = 32

BITS = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "F64": 64,
    "I64": 64,
    "U64": 64,
    "C64": 64,
}
"""Bits per element of every dtype that the format knows."""


@dataclass(frozen=True, kw_only=True)
class TensorSpan:
    """Where a tensor lies: ``start`` and ``end`` are byte offsets from the beginning of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def header_length(first8: bytes, *, file_size: int, source: str) -> int:
    """Read the length of the header (bytes), capped before anything is parsed.

    Raises:
        IntegrityError: For a length that the file cannot hold or that is more than is read.
    """
    if len(first8) < LENGTH_BYTES:
        _refuse(source, f"{len(first8)} bytes are too few for a safetensors file")
    length = int.from_bytes(first8[:LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        _refuse(source, f"a header of {length} bytes is more than the {MAX_HEADER_BYTES} that are read")
    if length < len("{}") or LENGTH_BYTES + length > file_size:
        _refuse(source, f"a header of {length} bytes does not fit a file of {file_size} bytes; it may be truncated")
    return length


def parse_header(prefix: bytes, *, file_size: int, source: str) -> dict[TensorName, TensorSpan]:
    """Read the tensors out of a header, in the order of their bytes.

    Args:
        prefix: The beginning of the file: eight length bytes and the header, at least.
        file_size: The size of the whole file (bytes).
        source: What to call the file in an error.

    Raises:
        IntegrityError: When the header is not exactly what the format demands.
    """
    length = header_length(prefix, file_size=file_size, source=source)
    text = prefix[LENGTH_BYTES : LENGTH_BYTES + length]
    if len(text) < length:
        _refuse(source, "the header is cut short")
    if text[:1] != b"{":
        _refuse(source, "the header does not begin with an object")
    entries = load_json(text, source=source, error=IntegrityError, max_bytes=MAX_HEADER_BYTES)
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        _refuse(source, "__metadata__ is no mapping of strings to strings")
    if len(entries) > MAX_TENSORS:
        _refuse(source, f"{len(entries)} tensors are more than the {MAX_TENSORS} that are read")
    data = LENGTH_BYTES + length
    spans = {TensorName(name): _span(name, entry, data, source) for name, entry in entries.items()}
    ordered = dict(sorted(spans.items(), key=lambda item: (item[1].start, item[1].end, item[0])))
    at = data
    for name, span in ordered.items():
        if span.start != at:
            what = "overlaps the one before" if span.start < at else "leaves a hole before it"
            _refuse(source, f"the tensor {name} {what}", where=name)
        at = span.end
    if at != file_size:
        what = "truncated" if at > file_size else "followed by bytes that belong to no tensor"
        _refuse(source, f"the tensors end at byte {at} of a file of {file_size} bytes; it is {what}")
    return ordered


def render_header(
    tensors: Iterable[tuple[str, str, tuple[int, ...]]], *, metadata: Mapping[str, str] | None = None
) -> bytes:
    """Write length bytes and header for tensors that follow one another in this order.

    Args:
        tensors: Name, dtype and shape of each.
        metadata: Free strings to carry along.
    """
    entries: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, dtype, shape in tensors:
        size = span_bytes(dtype, shape)
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = canonical_bytes(entries)
    text += b" " * (-len(text) % LENGTH_BYTES)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def span_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    """Give the size of a tensor's data (bytes)."""
    return math.prod(shape) * BITS[dtype] // 8


def _span(name: str, entry: Any, data: int, source: str) -> TensorSpan:
    """Check one entry by itself; ``data`` is where the data block begins."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        _refuse(source, f"the tensor {name} is not described by dtype, shape and data_offsets", where=name)
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        _refuse(source, f"the tensor {name} has the unknown dtype {str(dtype)[:40]!r}", where=name)
    if not _counts(shape) or len(shape) > MAX_DIMENSIONS:
        _refuse(source, f"the tensor {name} has no proper shape", where=name)
    if not _counts(offsets) or len(offsets) != 2:
        _refuse(source, f"the tensor {name} has no proper data_offsets", where=name)
    begin, end = offsets
    if (end - begin) * 8 != math.prod(shape) * BITS[dtype]:
        _refuse(source, f"the tensor {name} spans {end - begin} bytes, not what {dtype} {shape} needs", where=name)
    return TensorSpan(dtype=dtype, shape=tuple(shape), start=data + begin, end=data + end)


def _counts(value: Any) -> bool:
    """Say whether a value is a list of whole numbers that a file can hold."""
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**63 for item in value)


def _refuse(source: str, why: str, *, where: str = "") -> NoReturn:
    raise IntegrityError(
        f"{source}: {why}", where=where or source, remedy="fetch the file again, or ask its publisher for a whole one"
    )
