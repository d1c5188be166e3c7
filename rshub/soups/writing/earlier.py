"""An earlier soup of the same base whose untouched files a new one shares instead of writing them again.

Only split soups that were written here and still are what their lock says lend files, and only files that would come
out the same: no expert of either changes anything in them, and header and size agree. A file is shared by a hard link,
so both soups hold one file, which nothing here ever writes to again; where the file system makes no links it is copied.
What an earlier soup does not have is written.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rshub.errors import Incompatible, InvalidInput, NotFound
from rshub.soups.lock import FILE_NAME, OutputForm, Pin, SoupLock
from rshub.soups.writing.output_layout import UNTOUCHED
from rshub.tensors.file_digest import file_digest
from rshub.tensors.pieces import FilePlan, Literal
from rshub.types import Digest

COPY_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True)
class EarlierSoup:
    """The untouched files of a soup by their path in ``folder``, with what its lock says of them."""

    folder: Path
    files: Mapping[str, Digest]
    afresh: bool = False

    @classmethod
    def open(cls, folder: Path, base: Pin, form: OutputForm, *, afresh: bool = False) -> EarlierSoup:
        """Look at an earlier soup.

        Args:
            folder: Where it was written.
            base: The base of the new soup.
            form: The form of the new soup.
            afresh: Hash its files again instead of trusting digests that were taken earlier.

        Raises:
            NotFound: There is no soup.
            InvalidInput: Its lock is none, or one of the two soups is not split.
            Incompatible: It is of another base, of another dtype, or has no digests.
        """
        if not (folder / FILE_NAME).is_file():
            raise NotFound(f"{folder}: no {FILE_NAME}", where="--reuse", remedy="name the folder of an earlier soup")
        lock = SoupLock.load(folder / FILE_NAME)
        if "base" in {form.layout, lock.form.layout}:
            raise InvalidInput(
                f"{folder} has nothing to share: both soups need the layout split",
                where="--reuse",
                remedy="compose both with --layout split",
            )
        for mine, its, what in (
            (base.files, lock.base.files, "base"),
            (form.dtype, lock.form.dtype, "dtype"),
            (True, lock.outputs is not None, "way of writing: its lock has no digests"),
        ):
            if mine != its:
                raise Incompatible(
                    f"{folder} is a soup of another {what}", where="--reuse", remedy="leave --reuse away"
                )
        files = {name: digest for name, digest in (lock.outputs or {}).items() if f"-{UNTOUCHED}-" in name}
        return cls(folder=folder, files=files, afresh=afresh)

    def share(self, file: FilePlan, target: Path) -> Digest | None:
        """Put the file that would be written in its place, when this soup has it.

        Returns:
            Its sha256; None when there is none, or what lies there is not what the lock says.

        Raises:
            OSError: When it cannot be copied.
        """
        header = file.pieces[0]
        assert isinstance(header, Literal)
        for name, digest in self.files.items():
            path = self.folder / name
            if not _begins(path, header.data, file.size):
                continue
            before = path.stat()
            if file_digest(path, afresh=self.afresh) == digest:
                _link(path, target)
                if _same_file(before, path.stat()):
                    return digest
                target.unlink()
        return None


def _begins(path: Path, header: bytes, size: int) -> bool:
    """Say whether a path is a plain file, no link, of a size and a beginning."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            return False
        with path.open("rb") as file:
            return file.read(len(header)) == header
    except OSError:
        return False


def _same_file(before: os.stat_result, after: os.stat_result) -> bool:
    """Say whether a file was left alone between two looks at it."""
    return (before.st_ino, before.st_size, before.st_mtime_ns) == (after.st_ino, after.st_size, after.st_mtime_ns)


def _link(path: Path, target: Path) -> None:
    """Make a hard link, or else a copy, inside the file system where it can."""
    try:
        os.link(path, target, follow_symlinks=False)
    except OSError:
        with path.open("rb") as source, target.open("xb") as copy:
            if not _copied_by_kernel(source.fileno(), copy.fileno()):
                source.seek(0)
                copy.truncate(0)
                copy.seek(0)
                shutil.copyfileobj(source, copy)


def _copied_by_kernel(source: int, copy: int) -> bool:
    """Copy a file inside the operating system; some file systems say that nothing is left when they cannot."""
    try:
        while os.copy_file_range(source, copy, COPY_BYTES):
            pass
    except (OSError, AttributeError):
        return False
    return os.fstat(copy).st_size == os.fstat(source).st_size
