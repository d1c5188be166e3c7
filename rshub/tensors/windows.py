"""Writing large files window by window, with threads, in bounded memory, hashed on the way.

An output file is a row of parts: literal bytes, byte ranges of a source file, and tensors that are rewritten. Windows
of a fixed size are filled from the parts that touch them and written at their place; each digest is fed in file order
from the window that is still in memory, so nothing is read again. Memory is the windows of the threads and the factors
of the tensors in flight, whatever the size of the model.
"""

from __future__ import annotations

import bisect
import contextlib
import errno
import hashlib
import mmap
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rshub.errors import IntegrityError, RshubError
from rshub.formats.header import span_bytes
from rshub.tensors.blas import one_thread
from rshub.tensors.dtypes import FLOATS, Array
from rshub.tensors.kernels import Scratch, TensorRewrite
from rshub.types import Digest

WINDOW_BYTES = 4 << 20
MAX_WORKERS = 4
POLL_SECONDS = 0.1
PAGE = 4096

DIRECT_BYTES = 64 << 20
"""From this size on, files are written past the page cache: they must reach the disk before they get their name."""


@dataclass(frozen=True, kw_only=True)
class Literal:
    """Bytes that are known: a header."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        """One past the last byte in the output."""
        return self.start + len(self.data)


@dataclass(frozen=True, kw_only=True)
class Verbatim:
    """A byte range that is copied from the source file, beginning at ``source_start``."""

    start: int
    end: int
    source_start: int


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """A tensor that is changed or cast; it begins at ``start`` in the output."""

    start: int
    tensor: TensorRewrite

    @property
    def end(self) -> int:
        """One past the last byte in the output."""
        return self.start + span_bytes(self.tensor.target_dtype, (self.tensor.rows, self.tensor.columns))


Part = Literal | Verbatim | Rewritten


@dataclass(frozen=True, kw_only=True)
class FilePlan:
    """An output file: its parts in order, without a hole, and the file that they come from."""

    name: str
    source: Path
    parts: Sequence[Part]

    @property
    def size(self) -> int:
        """The size of the output (bytes)."""
        return self.parts[-1].end if self.parts else 0


class _OpenFile:
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

    def settle(self) -> None:
        """Bring the whole file to the disk."""
        os.ftruncate(self.target, self.plan.size)
        os.fsync(self.target)

    def _rewrite(self, part: Rewritten, into: memoryview, start: int, scratch: Scratch) -> None:
        """Rewrite the elements under some output bytes; an element may lie across a window's edge."""
        size = FLOATS[part.tensor.target_dtype].itemsize
        end = start + len(into)

        def put(first: int, values: Array) -> None:
            data = values.view(np.uint8).data
            at = part.start + first * size
            skip = max(0, start - at)
            stop = min(len(data), end - at)
            into[at + skip - start : at + stop - start] = data[skip:stop]

        first, last = (start - part.start) // size, -(-(end - part.start) // size)
        part.tensor.render(first, last, self.source, scratch, put)

    def _read(self, into: memoryview, offset: int) -> None:
        at = 0
        while at < len(into):
            count = os.preadv(self.source, [into[at:]], offset + at)
            if count == 0:
                raise IntegrityError(
                    f"{self.plan.source} is shorter than it was", where=str(self.plan.source), remedy="fetch it again"
                )
            at += count


class _Crew:
    """The threads that write all windows, in file order."""

    def __init__(self, files: Sequence[_OpenFile]) -> None:
        self._jobs = [(file, number) for file in files for number in range(file.windows)]
        self._next = 0
        self._lock = threading.Condition()
        self.done = 0
        self.fault: BaseException | None = None
        self.stopped = False

    def work(self) -> None:
        """Take windows until there are none, or something failed; run by each thread."""
        scratch = Scratch()
        buffer: memoryview | None = None
        try:
            while True:
                with self._lock:
                    if self.stopped or self._next >= len(self._jobs):
                        return
                    file, number = self._jobs[self._next]
                    self._next += 1
                if buffer is None:
                    buffer = memoryview(mmap.mmap(-1, file.window))
                self._window(file, number, buffer, scratch)
        except BaseException as fault:  # noqa: BLE001 - handed to the thread that waits
            self.stop(fault)

    def stop(self, fault: BaseException | None = None) -> None:
        """Make every thread end after its window."""
        with self._lock:
            self.stopped = True
            self.fault = self.fault or fault
            self._lock.notify_all()

    def _window(self, file: _OpenFile, number: int, buffer: memoryview, scratch: Scratch) -> None:
        low = number * file.window
        high = min(low + file.window, file.plan.size)
        parts = file.touching(low, high)
        if not (
            file.sha is None
            and file.direct is None
            and len(parts) == 1
            and _copied_by_kernel(file, parts[0], low, high)
        ):
            view = buffer[: high - low]
            for part in parts:
                file.fill(part, view, low, scratch)
            file.write(buffer, high - low, low)
            if file.sha is not None:
                self._hash(file, number, view)
        for part in parts:
            if isinstance(part, Rewritten):
                part.tensor.release()
        with self._lock:
            self.done += high - low
            file.left -= 1
            last = file.left == 0
        if last:
            file.settle()

    def _hash(self, file: _OpenFile, number: int, view: memoryview) -> None:
        """Feed a window to the digest when its turn has come; windows are taken in order, so the wait ends."""
        assert file.sha is not None
        with self._lock:
            self._lock.wait_for(lambda: file.turn == number or self.stopped)
            if file.turn != number:
                raise RshubError("another window failed")
        file.sha.update(view)
        with self._lock:
            file.turn += 1
            self._lock.notify_all()


def write_files(
    plans: Sequence[FilePlan],
    folder: Path,
    *,
    digests: bool = True,
    workers: int | None = None,
    window: int = WINDOW_BYTES,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Digest | None]:
    """Write files into a folder.

    Args:
        plans: What to write.
        folder: An existing folder that has none of these files.
        digests: Whether to take the sha256 of each file on the way.
        workers: Threads; as many as there are cores, at most four, if absent.
        window: Bytes per window.
        progress: Called now and then, in this thread, with the bytes done and the bytes in all.

    Returns:
        Each file's sha256, or None without digests.

    Raises:
        RshubError: Whatever a part refuses.
        OSError: When a file cannot be written.
    """
    files: list[_OpenFile] = []
    total = sum(plan.size for plan in plans)
    try:
        for plan in plans:
            files.append(_OpenFile(plan, folder, window, digests=digests))  # noqa: PERF401 - all that opened are closed
        crew = _Crew(files)
        count = workers or min(MAX_WORKERS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
        threads = [threading.Thread(target=crew.work, name=f"rshub-window-{number}") for number in range(count)]
        with one_thread():
            try:
                for thread in threads:
                    thread.start()
                _wait(threads, crew, total, progress)
            except BaseException:
                crew.stop()
                for thread in threads:
                    if thread.ident is not None:
                        thread.join()
                raise
        if crew.fault is not None:
            raise crew.fault
        return {file.plan.name: Digest(file.sha.hexdigest()) if file.sha else None for file in files}
    finally:
        for file in files:
            file.close()


def _wait(
    threads: Sequence[threading.Thread], crew: _Crew, total: int, progress: Callable[[int, int], None] | None
) -> None:
    """Wait for all threads, telling how far they are."""
    told = -1
    for thread in threads:
        while thread.is_alive():
            thread.join(POLL_SECONDS)
            if progress is not None and crew.done != told:
                told = crew.done
                progress(told, total)
    if progress is not None and crew.fault is None and told != total:
        progress(total, total)


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


def _copied_by_kernel(file: _OpenFile, part: Part, low: int, high: int) -> bool:
    """Copy a window inside the operating system; False when it cannot."""
    if not isinstance(part, Verbatim) or not hasattr(os, "copy_file_range"):
        return False
    with contextlib.suppress(OSError):
        while low < high:
            offset = part.source_start + low - part.start
            count = os.copy_file_range(file.source, file.target, high - low, offset, low)
            if count == 0:
                return False
            low += count
        return True
    return False
