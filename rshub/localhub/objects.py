"""Large files on disk by their sha256, shared by every repository.

A file reaches its final name only when it is whole, verified and synced, so what is there is right. Nothing is ever
changed or removed: several repositories, and the Xet map, may lean on one object.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from rshub.localhub.errors import Refusal, bad_request
from rshub.localhub.layout import Layout


class Incoming:
    """A file being received: counts and digests what is written, and disappears unless somebody keeps it."""

    def __init__(self, directory: Path, *, limit: int) -> None:
        self.path = directory / secrets.token_hex(16)
        self.size = 0
        self._limit = limit
        self._hash = hashlib.sha256()
        self._file = self.path.open("xb")

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes.

        Raises:
            Refusal: 413 over the limit, 507 when the disk is full.
        """
        if self.size + len(data) > self._limit:
            raise Refusal(413, f"The upload is larger than {self._limit} bytes.")
        try:
            self._file.write(data)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise Refusal(507, "The hub's disk is full.") from error
            raise
        self._hash.update(data)
        self.size += len(data)

    def finish(self) -> str:
        """Sync to disk and return the sha256."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        return self._hash.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)


class ObjectStore:
    """The directory of large files."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def path(self, oid: str) -> Path:
        """Return where the object is or would be; the oid is 64 hex digits, checked by the caller."""
        return self._layout.objects / oid[:2] / oid[2:4] / oid

    def size(self, oid: str) -> int | None:
        """Return the size in bytes, or None when it is not here."""
        try:
            return self.path(oid).stat().st_size
        except FileNotFoundError:
            return None

    def incoming(self, *, limit: int) -> Incoming:
        """Begin to receive a file of at most `limit` bytes."""
        return Incoming(self._layout.incoming, limit=limit)

    def adopt(self, incoming: Incoming, oid: str | None = None) -> str:
        """Give a received file its final name and return its sha256.

        Raises:
            Refusal: 400, the content is not what the oid says.
        """
        digest = incoming.finish()
        if oid is not None and digest != oid:
            raise bad_request(f"The content has sha256 {digest}, but {oid} was announced.")
        target = self.path(digest)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            incoming.path.chmod(0o444)
            incoming.path.replace(target)
            _sync_directory(target.parent)
        return digest

    def read(self, oid: str, start: int, length: int, *, block: int = 1 << 20) -> Iterator[bytes]:
        """Yield a range of an object in blocks."""
        return read_range(self.path(oid), start, length, block=block)

    def sweep(self) -> None:
        """Remove uploads that a former process left unfinished."""
        for leftover in self._layout.incoming.iterdir():
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


def read_range(path: Path, start: int, length: int, *, block: int = 1 << 20) -> Iterator[bytes]:
    """Yield `length` bytes of a file from `start`, in blocks."""
    with path.open("rb") as file:
        file.seek(start)
        while length > 0:
            data = file.read(min(block, length))
            if not data:
                return
            length -= len(data)
            yield data


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
