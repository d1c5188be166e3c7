"""One output file while it is written: filled from its pieces, past the page cache where it can be, then settled.

Several threads use it at once, each for another window. It is open from its first window to its last: whatever the
number of files, few are open at once.
"""

from __future__ import annotations

import bisect
import contextlib
import ctypes
import errno
import hashlib
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from rshub.errors import IntegrityError
from rshub.tensors.dtypes import FLOATS
from rshub.tensors.pieces import PAGE, FilePlan, Literal, Piece, Rewritten, Verbatim
from rshub.tensors.tiles import Scratch

CLOSED = -1
"""In the place of a descriptor."""

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Why a file does not get its space, where the file system can tell."""

DIRECT_BYTES = 16 << 20
"""From this size on, files are written past the page cache: they must reach the disk before they get their name."""


class OutputFile:
    """One output file while it is written."""

    def __init__(self, plan: FilePlan, folder: Path, window: int, *, digests: bool) -> None:
        self.plan = plan
        self.windows = plan.windows(window)
        self.source = self.target = CLOSED
        self.direct: int | None = None
        self._path = folder / plan.name
        self.sha = hashlib.sha256() if digests else None
        self.turn = 0
        self.left = len(self.windows)
        self._ends = [piece.end for piece in plan.pieces]
        starts = [each.start for each in self.windows]
        for piece in plan.pieces:
            if isinstance(piece, Rewritten) and piece.end > piece.start:
                first, last = (bisect.bisect_right(starts, at) for at in (piece.start, piece.end - 1))
                piece.tensor.windows = last - first + 1

    def open(self) -> None:
        """Open the source, and make the output; the thread that takes the first window does it for all.

        Raises:
            OSError: When the source cannot be read or the output cannot be made; what was opened is closed again.
        """
        self.source = os.open(self.plan.source, os.O_RDONLY)
        try:
            self.target = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError:
            self.close()
            raise
        if self.plan.size >= DIRECT_BYTES:
            self.direct = _open_direct(self._path)
        if self.direct is not None:
            try:
                reserve(self.direct, self.plan.size)
            except OSError:
                self.close()
                raise

    def touching(self, low: int, high: int) -> list[Piece]:
        """Give the pieces that hold bytes of [low, high)."""
        first = bisect.bisect_right(self._ends, low)
        found: list[Piece] = []
        for piece in self.plan.pieces[first:]:
            if piece.start >= high:
                break
            if piece.end > piece.start:
                found.append(piece)
        return found

    def fill(self, piece: Piece, window: memoryview, low: int, scratch: Scratch) -> None:
        """Put the bytes of a piece that belong to a window, which begins at ``low``, into it."""
        start, end = max(low, piece.start), min(low + len(window), piece.end)
        into = window[start - low : end - low]
        if isinstance(piece, Literal):
            into[:] = piece.data[start - piece.start : end - piece.start]
        elif isinstance(piece, Verbatim):
            self._read(into, piece.source_start + start - piece.start)
        else:
            self._rewrite(piece, into, start, scratch)

    def close(self) -> None:
        """Let go of the source and the output, as far as they are open."""
        handles = (self.source, self.target, CLOSED if self.direct is None else self.direct)
        self.source = self.target = CLOSED
        self.direct = None
        for handle in handles:
            if handle != CLOSED:
                os.close(handle)

    def write(self, buffer: memoryview, window: range) -> None:
        """Write a window, past the page cache where that is possible: its whole pages, then what is left at its edges.

        The file's last page is written whole too, and the file is cut to its size at the end.

        Args:
            buffer: Begins with a page of memory, and with the first byte of the page that the window begins in.
            window: Which bytes of the file.
        """
        origin = window.start - window.start % PAGE
        first = window.start + -window.start % PAGE
        last = window.stop + (-window.stop % PAGE if window.stop == self.plan.size else -(window.stop % PAGE))
        rest = [window]
        if self.direct is not None and first < last:
            try:
                _write(self.direct, buffer[first - origin : last - origin], first)
            except OSError as fault:
                if fault.errno != errno.EINVAL:
                    raise
            else:
                rest = [range(window.start, first), range(last, window.stop)]
        for part in rest:
            _write(self.target, buffer[part.start - origin : max(part.start, part.stop) - origin], part.start)

    def copied_by_kernel(self, pieces: Sequence[Piece], low: int, high: int) -> bool:
        """Copy a window of one piece inside the operating system; False when it cannot, or when it must be seen."""
        if self.sha is not None or self.direct is not None or len(pieces) != 1 or not hasattr(os, "copy_file_range"):
            return False
        piece = pieces[0]
        if not isinstance(piece, Verbatim):
            return False
        with contextlib.suppress(OSError):
            while low < high:
                offset = piece.source_start + low - piece.start
                count = os.copy_file_range(self.source, self.target, high - low, offset, low)
                if count == 0:
                    return False
                low += count
            return True
        return False

    def settle(self) -> None:
        """Bring the whole file to the disk."""
        os.ftruncate(self.target, self.plan.size)
        os.fsync(self.target)

    def _rewrite(self, piece: Rewritten, into: memoryview, start: int, scratch: Scratch) -> None:
        """Rewrite the elements under some output bytes; an element that a window's edge cuts is made for both."""
        dtype = FLOATS[piece.tensor.target_dtype]
        size = dtype.itemsize
        low, high = start - piece.start, start - piece.start + len(into)
        whole = range(-(-low // size), high // size)
        if whole:
            inside = into[whole.start * size - low : whole.stop * size - low]
            piece.tensor.render(whole.start, np.frombuffer(inside, dtype), self.source, scratch)
        for number in {low // size, high // size}:
            at = number * size
            begin, end = max(low, at), min(high, at + size)
            if begin < end and number not in whole:
                cut = np.empty(1, dtype)
                piece.tensor.render(number, cut, self.source, scratch)
                into[begin - low : end - low] = cut.view(np.uint8).data[begin - at : end - at]

    def _read(self, into: memoryview, offset: int) -> None:
        at = 0
        while at < len(into):
            count = os.preadv(self.source, [into[at:]], offset + at)
            if count == 0:
                raise IntegrityError(
                    f"{self.plan.source} is shorter than it was", where=str(self.plan.source), remedy="fetch it again"
                )
            at += count


def _open_direct(path: Path) -> int | None:
    """Open a file for writing past the page cache, where the file system can."""
    if not hasattr(os, "O_DIRECT"):
        return None
    with contextlib.suppress(OSError):
        return os.open(path, os.O_WRONLY | os.O_DIRECT)
    return None


def reserve(target: int, size: int) -> None:
    """Give a file its space (bytes) before it is filled: threads need not wait for one another to make it longer.

    Where the file system has no such call nothing is done; the C library's own way would write the file twice.

    Raises:
        OSError: When there is no space.
    """
    call = _fallocate()
    if call is not None and call(target, 0, 0, size) and (number := ctypes.get_errno()) in NO_SPACE:
        raise OSError(number, os.strerror(number))


@cache
def _fallocate() -> Callable[[int, int, int, int], int] | None:
    """Find the system's call that gives a file its space."""
    found = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
    if found is not None:
        found.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return found


def _write(target: int, view: memoryview, offset: int) -> None:
    at = 0
    while at < len(view):
        at += os.pwrite(target, view[at:], offset + at)
