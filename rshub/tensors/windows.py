"""Writing large files window by window, with threads, in bounded memory, hashed on the way.

Windows are filled from the pieces that touch them and written at their place; each digest is fed in file order from
the window that is still in memory, so nothing is read again. A file is open while its windows are in the making, no
longer. Memory is the windows of the threads and the factors of the tensors in flight, whatever the size of the model.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from rshub.errors import RshubError
from rshub.tensors.blas import one_thread
from rshub.tensors.output_file import OutputFile
from rshub.tensors.pieces import PAGE, FilePlan, Rewritten
from rshub.tensors.tiles import Scratch
from rshub.tensors.workers import writing_threads
from rshub.types import Digest

WINDOW_BYTES = 2 << 20
POLL_SECONDS = 0.1


class _Crew:
    """The threads that write all windows, in file order."""

    def __init__(self, files: Sequence[OutputFile], window: int) -> None:
        self._most = window
        self._jobs = [(file, number) for file in files for number in range(len(file.windows))]
        self._next = 0
        self._lock = threading.Condition()
        self.done = 0
        self.fault: BaseException | None = None
        self.stopped = False

    def work(self) -> None:
        """Take windows until there are none, or something failed; run by each thread.

        A file is opened with its first window, before another thread can take the next: windows are taken in order.
        """
        scratch = Scratch()
        buffer: memoryview | None = None
        try:
            while True:
                with self._lock:
                    if self.stopped or self._next >= len(self._jobs):
                        return
                    file, number = self._jobs[self._next]
                    self._next += 1
                    if number == 0:
                        self._open(file)
                if buffer is None:
                    buffer = memoryview(mmap.mmap(-1, self._most + 2 * PAGE))
                self._window(file, number, buffer, scratch)
        except BaseException as fault:  # noqa: BLE001 - handed to the thread that waits
            self.stop(fault)

    def stop(self, fault: BaseException | None = None) -> None:
        """Make every thread end after its window."""
        with self._lock:
            self.stopped = True
            self.fault = self.fault or fault
            self._lock.notify_all()

    def _open(self, file: OutputFile) -> None:
        """Open a file; when that fails nobody takes another of its windows, because the lock is still held."""
        try:
            file.open()
        except BaseException as fault:
            self.stop(fault)
            raise

    def _window(self, file: OutputFile, number: int, buffer: memoryview, scratch: Scratch) -> None:
        window = file.windows[number]
        low, high = window.start, window.stop
        pieces = file.touching(low, high)
        if not file.copied_by_kernel(pieces, low, high):
            view = buffer[low % PAGE :][: high - low]
            for piece in pieces:
                file.fill(piece, view, low, scratch)
            file.write(buffer, window)
            if file.sha is not None:
                self._hash(file, number, view)
        for piece in pieces:
            if isinstance(piece, Rewritten):
                piece.tensor.release()
        with self._lock:
            self.done += high - low
            file.left -= 1
            last = file.left == 0
        if last:
            file.settle()
            file.close()

    def _hash(self, file: OutputFile, number: int, view: memoryview) -> None:
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
        workers: Threads; as the machine has cores, within bounds, if absent.
        window: The most bytes of a window.
        progress: Called now and then, in this thread, with the bytes done and the bytes in all.

    Returns:
        Each file's sha256, or None without digests.

    Raises:
        RshubError: Whatever a piece refuses.
        OSError: When a file cannot be written.
    """
    files = [OutputFile(plan, folder, window, digests=digests) for plan in plans]
    total = sum(plan.size for plan in plans)
    try:
        crew = _Crew(files, window)
        count = workers or writing_threads()
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
