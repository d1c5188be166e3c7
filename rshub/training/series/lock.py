"""One call at a time works in the output of a series, also when it has left processes behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rshub.errors import OutputError
from rshub.tensors.writer import REMEDIES

LOCK = ".train_all.lock"


@contextmanager
def alone_in(folder: Path) -> Iterator[int]:
    """Lock an output; processes that inherit the handle hold the lock as long as they live."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as fault:
        raise OutputError(
            f"{folder}: cannot be written: {fault.strerror}",
            where=str(folder),
            remedy=REMEDIES.get(fault.errno or 0, "choose another output"),
        ) from fault
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise OutputError(
                f"{folder}: runs are under way there already",
                where=str(folder),
                remedy="wait for them, end their processes, or choose another output",
            ) from fault
        except OSError:
            pass  # a file system without locks
        yield handle
    finally:
        os.close(handle)
