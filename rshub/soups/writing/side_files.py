"""Copying the files beside the base's weights that a soup needs to be a model, whatever their size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from rshub.soups.plan import ComposePlan
from rshub.soups.writing.edited_files import edited, is_edited, new_indices
from rshub.tensors.companions import side_files
from rshub.tensors.plain_file import open_plain
from rshub.types import Digest

COPY_BYTES = 1 << 20


def write_side_files(plan: ComposePlan, staging: Path) -> dict[str, tuple[Digest, int]]:
    """Copy the base's small files; config and index say what the soup is where that is not what the base is.

    Returns:
        Each file's sha256 and size (bytes).

    Raises:
        NotFound: When a file may not be read.
        OSError: When a file cannot be written.
    """
    assert plan.base.folder is not None
    written: dict[str, tuple[Digest, int]] = {}
    for name in side_files(plan.base.folder, plan.base):
        data: Iterable[bytes] = _pieces(plan.base.folder / name)
        if is_edited(plan, name):
            data = [edited(plan, name, b"".join(data))]
        written[name] = _write(staging / name, data)
    for name, text in new_indices(plan).items():
        written[name] = _write(staging / name, [text])
    return written


def _pieces(path: Path) -> Iterator[bytes]:
    with open_plain(path) as file:
        while data := file.read(COPY_BYTES):
            yield data


def _write(target: Path, pieces: Iterable[bytes]) -> tuple[Digest, int]:
    """Write a file, giving its sha256 and size (bytes)."""
    sha = hashlib.sha256()
    size = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        for data in pieces:
            file.write(data)
            sha.update(data)
            size += len(data)
    return Digest(sha.hexdigest()), size
