"""One output file while it is written: filled from its parts, past the page cache where that is possible, then settled.

Several threads use it at once, each for another window.
"""

from __future__ import annotations

import bisect
import contextlib
import errno
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rshub.errors import IntegrityError
from rshub.tensors.dtypes import FLOATS
from rshub.tensors.parts import FilePlan, Literal, Part, Rewritten, Verbatim
from rshub.tensors.tiles import Scratch

PAGE = 4096

DIRECT_BYTES = 64 << 20
"""From this size on, files are written past the page cache: they must reach the disk before they get their name."""


class OutputFile:
    """One output file while it is written."""

    def __init__(self, plan: FilePlan, folder: Path, window: int, *, digests: bool) -> None:
        self.plan = plan
        self.window = window
        self.source = os.open(plan.source, os.O_RDONLY)
        try:
            self.target = os.open(folder / plan.name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError:
            os.close(self.source)
            raise
        self.direct = _open_direct(folder / plan.name) if plan.size >= DIRECT_BYTES and not window % PAGE else None
        self.sha = hashlib.sha256() if digests else None
        self.turn = 0
        self.left = self.windows = -(-plan.size // window)
        self._ends = [part.end for part in plan.parts]
        for part in plan.parts:
            if isinstance(part, Rewritten) and part.end > part.start:
                part.tensor.windows = (part.end - 1) // window - part.start // window + 1

    def touching(self, low: int, high: int) -> list[Part]:
        """Give the parts that hold bytes of [low, high)."""
        first = bisect.bisect_right(self._ends, low)
        found: list[Part] = []
        for part in self.plan.parts[first:]:
            if part.start >= high:
                break
            if part.end > part.start:
                found.append(part)
        return found

    def fill(self, part: Part, window: memoryview, low: int, scratch: Scratch) -> None:
        """Put the bytes of a part that belong to a window, which begins at ``low``, into it."""
        start, end = max(low, part.start), min(low + len(window), part.end)
        into = window[start - low : end - low]
        if isinstance(part, Literal):
            into[:] = part.data[start - part.start : end - part.start]
        elif isinstance(part, Verbatim):
            self._read(into, part.source_start + start - part.start)
        else:
            self._rewrite(part, into, start, scratch)

    def close(self) -> None:
        """Let go of the source and the output."""
        os.close(self.source)
        os.close(self.target)
        if self.direct is not None:
            os.close(self.direct)

    def write(self, buffer: memoryview, size: int, offset: int) -> None:
        """Write the first bytes of an aligned buffer, past the page cache where that is possible.

        The last window is written whole pages long, and the file is cut to its size at the end.
        """
        if self.direct is not None:
            try:
                _write(self.direct, buffer[: -(-size // PAGE) * PAGE], offset)
            except OSError as fault:
                if fault.errno != errno.EINVAL:
                    raise
            else:
                return
        _write(self.target, buffer[:size], offset)

    def copied_by_kernel(self, parts: Sequence[Part], low: int, high: int) -> bool:
        """Copy a window of one part inside the operating system; False when it cannot, or when it must be seen."""
        if self.sha is not None or self.direct is not None or len(parts) != 1 or not hasattr(os, "copy_file_range"):
            return False
        part = parts[0]
        if not isinstance(part, Verbatim):
            return False
        with contextlib.suppress(OSError):
            while low < high:
                offset = part.source_start + low - part.start
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

    def _rewrite(self, part: Rewritten, into: memoryview, start: int, scratch: Scratch) -> None:
        """Rewrite the elements under some output bytes; an element that a window's edge cuts is made for both."""
        dtype = FLOATS[part.tensor.target_dtype]
        size = dtype.itemsize
        low, high = start - part.start, start - part.start + len(into)
        whole = range(-(-low // size), high // size)
        if whole:
            inside = into[whole.start * size - low : whole.stop * size - low]
            part.tensor.render(whole.start, np.frombuffer(inside, dtype), self.source, scratch)
        for number in {low // size, high // size}:
            at = number * size
            begin, end = max(low, at), min(high, at + size)
            if begin < end and number not in whole:
                cut = np.empty(1, dtype)
                part.tensor.render(number, cut, self.source, scratch)
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


def _write(target: int, view: memoryview, offset: int) -> None:
    at = 0
    while at < len(view):
        at += os.pwrite(target, view[at:], offset + at)
