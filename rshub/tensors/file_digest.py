"""The sha256 of files on disk, remembered by path, inode, size and time of change so that a base is hashed once.

The memory is one small JSON file in the cache folder; a lost or damaged one costs time, never truth. It holds one
digest for a path, and forgets the oldest of very many. Only plain files are hashed: a device may never end.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from rshub.errors import RshubError
from rshub.formats.fields import SHA256
from rshub.tensors.plain_file import open_plain, read_plain
from rshub.tensors.writer import write_whole
from rshub.types import Digest

_WORTH_REMEMBERING = 1 << 20
"""Bytes; less than this is hashed as fast as it is looked up."""

MOST_REMEMBERED = 4096
"""Digests that are kept: the files of some dozens of large models, in less than a megabyte."""


def file_digest(path: Path, *, afresh: bool = False) -> Digest:
    """Take the sha256 of a file, from memory when nothing about the file has changed.

    Args:
        path: The file.
        afresh: Hash it whatever is remembered.

    Raises:
        NotFound: The file is not there, or may not be read.
        IntegrityError: It is a folder, a device or a pipe.
    """
    with open_plain(path) as file:
        stat = os.fstat(file.fileno())
        key = _key(path, stat)
        memory = _cache_folder() / "digests.json"
        worth = stat.st_size >= _WORTH_REMEMBERING
        if worth and not afresh and (known := _load(memory).get(key)):
            return known
        digest = Digest(hashlib.file_digest(file, "sha256").hexdigest())
    if worth:
        _add(memory, {key: digest})
    return digest


def remember_digests(digests: Mapping[Path, Digest]) -> None:
    """Remember what was hashed while it was written; a file that is gone again is left out."""
    known: dict[str, Digest] = {}
    for path, digest in digests.items():
        with suppress(OSError):
            found = path.stat()
            if found.st_size >= _WORTH_REMEMBERING:
                known[_key(path, found)] = digest
    if known:
        _add(_cache_folder() / "digests.json", known)


def _key(path: Path, found: os.stat_result) -> str:
    return f"{os.path.realpath(path)}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"


def _path_of(key: str) -> str:
    """Give the path in a key; it may hold colons, what follows it does not."""
    return key.rsplit(":", 3)[0]


def _cache_folder() -> Path:
    home = os.environ.get("HF_HOME") or str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(home).expanduser() / "rshub"


def _load(memory: Path) -> dict[str, Digest]:
    """Read the memory; what is no digest is forgotten."""
    with suppress(RshubError, ValueError, RecursionError):
        known = json.loads(read_plain(memory))
        if isinstance(known, dict):
            return {
                key: Digest(value) for key, value in known.items() if isinstance(value, str) and SHA256.fullmatch(value)
            }
    return {}


def _add(memory: Path, found: Mapping[str, Digest]) -> None:
    """Remember digests as the newest, in the place of what was known of the same paths."""
    paths = {_path_of(key) for key in found}
    known = [(key, digest) for key, digest in _load(memory).items() if _path_of(key) not in paths]
    kept = dict([*known, *found.items()][-MOST_REMEMBERED:])
    with suppress(RshubError):
        write_whole(memory, json.dumps(kept).encode())
