"""Places for results: a file that cannot be written is refused before hours are spent on what it was to hold."""

from __future__ import annotations

import contextlib
import stat
import tempfile
from pathlib import Path

from rshub.errors import OutputError


def check_place(path: Path, option: str) -> None:
    """Refuse a place that cannot take a file; nothing is left there.

    Args:
        path: The file that will be written; folders above it may be missing.
        option: What the user named it with, such as ``--out``.

    Raises:
        OutputError: It is a folder, or no file can be made there.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISDIR(path.stat().st_mode):
                raise OutputError(f"{path} is a folder", where=option, remedy="name a file to write")
        above = next(folder for folder in path.absolute().parents if folder.exists())
        with tempfile.TemporaryFile(dir=above):
            pass
    except (OSError, ValueError) as fault:
        if isinstance(fault, OutputError):
            raise
        why = getattr(fault, "strerror", None) or str(fault)
        raise OutputError(
            f"{str(path)!a}: cannot be written: {why}", where=option, remedy=f"choose another {option}"
        ) from fault
