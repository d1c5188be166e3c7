"""Hidden folders that are filled before they get their name: claimed by whoever fills them, swept when nobody does.

A claim is a lock on the folder itself, which the operating system drops when its process ends, however it ends. Only
folders of our own pattern beside the same output are swept, and none where the file system has no locks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
from pathlib import Path

FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def claim(final: Path) -> tuple[Path, int]:
    """Make an empty folder beside an output and lock it.

    Returns:
        The folder, and the handle that holds the lock until it is closed.

    Raises:
        OSError: When it cannot be made.
    """
    while True:
        folder = final.parent / f".{final.name}.{secrets.token_hex(6)}.partial"
        folder.mkdir()
        handle = -1
        # Another process may sweep the folder before it is locked: then it is gone, or locked by the other.
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(folder, FLAGS)
        if handle >= 0 and _lock(handle) is not False and _is_there(folder, handle):
            return folder, handle
        if handle >= 0:
            os.close(handle)


def sweep(final: Path) -> None:
    """Remove what killed processes left of an output; what a living one fills, or what is not ours, stays."""
    ours = re.compile(re.escape(f".{final.name}.") + r"[0-9a-f]{12}\.partial")
    with contextlib.suppress(OSError):
        for folder in [path for path in final.parent.iterdir() if ours.fullmatch(path.name)]:
            with contextlib.suppress(OSError):
                _remove(folder)


def _remove(folder: Path) -> None:
    handle = os.open(folder, FLAGS)
    try:
        if _lock(handle):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool | None:
    """Lock a folder; False when somebody else holds it, None where there are no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_there(folder: Path, handle: int) -> bool:
    """Say whether the folder that is locked still is the one under its name."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
