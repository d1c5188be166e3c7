"""One safetensors file on disk: its header in memory, its tensors read on demand.

The file is opened only while it is read, and no pickle is ever touched.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rshub.errors import IntegrityError
from rshub.formats.header import LENGTH_BYTES, TensorSpan, header_length, parse_header
from rshub.tensors.dtypes import FLOATS, Array, decode
from rshub.tensors.plain_file import open_plain
from rshub.types import TensorName

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class TensorFile:
    """A safetensors file with a sound header; ``prefix`` holds its length bytes and header as they stand."""

    path: Path
    size: int
    prefix: bytes
    tensors: Mapping[TensorName, TensorSpan]

    @classmethod
    def open(cls, path: Path) -> TensorFile:
        """Read the header of a file.

        Raises:
            NotFound: When there is no such file, or it may not be read.
            IntegrityError: When it is no plain file, the header is not sound, or says another size than the file has.
        """
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            first = file.read(LENGTH_BYTES)
            prefix = first + file.read(header_length(first, file_size=size, source=str(path)))
        tensors = parse_header(prefix, file_size=size, source=str(path))
        return cls(path=path, size=size, prefix=prefix, tensors=tensors)

    def read(self, name: TensorName) -> Array:
        """Read a floating-point tensor as float32, or as float64 when it is stored so.

        Raises:
            IntegrityError: When the tensor is no floating-point one, or its bytes are not there any more.
        """
        span = self.tensors[name]
        if span.dtype not in FLOATS:
            raise IntegrityError(
                f"{self.path}: the tensor {name} is {span.dtype}, not floating point",
                where=name,
                remedy="use weights in bfloat16, float16 or float32",
            )
        with open_plain(self.path) as file:
            file.seek(span.start)
            data = file.read(span.end - span.start)
        if len(data) != span.end - span.start:
            raise IntegrityError(f"{self.path}: the tensor {name} is cut short", where=name, remedy="fetch it again")
        values = decode(data, span.dtype, span.shape)
        return values if span.dtype in {"F32", "F64"} else values.astype(np.float32)


def same_stored(path: Path, span: TensorSpan, other_path: Path, other: TensorSpan) -> bool:
    """Say whether two stored tensors are the same: their dtype, their shape and every byte, read piece by piece.

    Raises:
        NotFound: A file is not there any more, or may not be read.
    """
    if (span.dtype, span.shape) != (other.dtype, other.shape):
        return False
    if (path, span.start) == (other_path, other.start):
        return True
    with open_plain(path) as mine, open_plain(other_path) as its:
        mine.seek(span.start)
        its.seek(other.start)
        left = span.end - span.start
        while left > 0:
            data = mine.read(min(CHUNK, left))
            if not data or data != its.read(len(data)):
                return False
            left -= len(data)
    return True


def refuse_pickles(folder: Path, what: str) -> None:
    """Refuse a folder that holds weights as pickles only; call it when no safetensors file was found.

    Raises:
        IntegrityError: Naming the pickle and the way out.
    """
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    if pickles:
        raise IntegrityError(
            f"{folder}: {what} are there only as {pickles[0]}, a pickle, which is never opened",
            where=str(folder / pickles[0]),
            remedy="save them as safetensors: save_pretrained(..., safe_serialization=True)",
        )
