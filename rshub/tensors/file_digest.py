"""The sha256 of files on disk, remembered by path, inode, size and time of change so that a base is hashed once.

The memory is one small JSON file in the cache folder; a lost or damaged one costs time, never truth.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from rshub.errors import NotFound, OutputError
from rshub.types import Digest

_WORTH_REMEMBERING = 16 * 1024 * 1024


def file_digest(path: Path, *, afresh: bool = False) -> Digest:
    """Take the sha256 of a file, from memory when nothing about the file has changed.

    Args:
        path: The file.
        afresh: Hash it whatever is remembered.

    Raises:
        NotFound: The file is not there.
        OutputError: It cannot be read.
    """
    try:
        real = path.resolve(strict=True)
        stat = real.stat()
    except FileNotFoundError as fault:
        raise NotFound(
            f"{path}: no such file",
            where=str(path),
            remedy="it was there when it was pinned: bring it back, or pin anew",
        ) from fault
    if stat.st_size < _WORTH_REMEMBERING:
        return _hash(real)
    key = f"{real}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}"
    memory = _cache_folder() / "digests.json"
    known = _load(memory)
    if afresh or key not in known:
        known[key] = _hash(real)
        _save(memory, known)
    return Digest(known[key])


def _hash(path: Path) -> Digest:
    try:
        with path.open("rb") as stream:
            return Digest(hashlib.file_digest(stream, "sha256").hexdigest())
    except OSError as fault:
        raise OutputError(
            f"{path}: {fault.strerror}", where=str(path), remedy="check the rights of the file"
        ) from fault


def _cache_folder() -> Path:
    home = os.environ.get("HF_HOME") or str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(home).expanduser() / "rshub"


def _load(memory: Path) -> dict[str, str]:
    with suppress(OSError, ValueError):
        known = json.loads(memory.read_bytes())
        if isinstance(known, dict) and all(isinstance(value, str) for value in known.values()):
            return known
    return {}


def _save(memory: Path, known: dict[str, str]) -> None:
    with suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=memory.parent, delete=False) as stream:
            json.dump(known, stream)
        Path(stream.name).replace(memory)
