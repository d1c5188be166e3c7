"""Very large files that arrive in parts: each part is kept until all are there, then they become one object.

A part that fails is sent again alone. Parts of an upload that nobody completes are removed when the hub starts.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from rshub.localhub.errors import bad_request
from rshub.localhub.layout import Layout
from rshub.localhub.objects import Incoming, ObjectStore, read_range

PART_SIZE = 256 * 1024 * 1024  # bytes of every part but the last
SMALLEST_PARTED = 1024 * 1024 * 1024  # bytes; smaller files go in one piece


def part_count(size: int) -> int:
    """Return into how many parts a file is cut."""
    return -(-size // PART_SIZE)


def part_size(size: int, number: int) -> int:
    """Return the bytes of one part, counted from 1."""
    return min(PART_SIZE, size - (number - 1) * PART_SIZE)


class PartStore:
    """The parts of uploads in progress."""

    def __init__(self, layout: Layout, objects: ObjectStore) -> None:
        self._layout = layout
        self._objects = objects

    def begin(self) -> str:
        """Return the name of a new upload."""
        return f"parts-{secrets.token_hex(16)}"

    def put(self, upload: str, number: int, incoming: Incoming, *, size: int) -> str:
        """Keep one part of a file of `size` bytes, and return its digest.

        Raises:
            Refusal: 400, the part has another length than it must.
        """
        digest = incoming.finish()
        if incoming.size != part_size(size, number):
            raise bad_request(f"Part {number} has {incoming.size} bytes, not {part_size(size, number)}.")
        directory = self._directory(upload)
        directory.mkdir(exist_ok=True)
        incoming.path.replace(directory / str(number))
        return digest

    def complete(self, upload: str, oid: str, size: int) -> None:
        """Make the object of its parts; doing it again changes nothing.

        Raises:
            Refusal: 400, parts are missing, or together they are not what the oid says.
        """
        directory = self._directory(upload)
        if not directory.exists() and self._objects.size(oid) == size:
            return  # the answer to a former request was lost on its way
        parts = [directory / str(number) for number in range(1, part_count(size) + 1)]
        missing = [part.name for part in parts if not part.exists()]
        if missing:
            raise bad_request(f"Parts {', '.join(missing[:20])} have not arrived.")
        with self._objects.incoming(limit=size) as incoming:
            for part in parts:
                for block in read_range(part, 0, PART_SIZE):
                    incoming.write(block)
            self._objects.adopt(incoming, oid)
        shutil.rmtree(directory, ignore_errors=True)

    def _directory(self, upload: str) -> Path:
        return self._layout.incoming / upload
