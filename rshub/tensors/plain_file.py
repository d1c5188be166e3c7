"""Reading plain files: what is not there, may not be read or is no plain file is refused with its name.

A device or a pipe is never opened, because it may never end.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import NoReturn

from rshub.errors import IntegrityError, NotFound, RshubError
from rshub.tensors.used_names import is_used


@contextmanager
def open_plain(path: Path) -> Iterator[BufferedReader]:
    """Open a file for reading; the block does nothing but read it.

    Raises:
        NotFound: There is no such file, or it may not be read.
        IntegrityError: It is a folder, a device or a pipe.
    """
    with _access(path, "file"):
        if not stat.S_ISREG(path.stat().st_mode):
            raise IntegrityError(
                f"{path}: a folder, a device or a pipe, not a file", where=str(path), remedy="name a plain file"
            )
        with path.open("rb") as file:
            yield file


def read_plain(path: Path) -> bytes:
    """Read a whole file.

    Raises:
        NotFound: There is no such file, or it may not be read.
        IntegrityError: It is a folder, a device or a pipe.
    """
    with open_plain(path) as file:
        return file.read()


def file_names(folder: Path) -> list[str]:
    """List the plain files of a folder by name.

    Raises:
        NotFound: There is no such folder, or it may not be read; or a file that would be used is a link to nothing.
        IntegrityError: A file that would be used is a folder, a device or a pipe.
    """
    with _access(folder, "folder"):
        found = sorted(folder.iterdir())
        plain = [path for path in found if path.is_file()]
        for path in sorted({*found} - {*plain}):
            if is_used(path.name, folder=path.is_dir()):
                _refuse_odd(path)
    return [path.name for path in plain]


def _refuse_odd(path: Path) -> NoReturn:
    """Refuse what lies under the name of a file that counts and is none."""
    if path.is_symlink() and not path.exists():
        raise NotFound(
            f"{path}: a link that leads to no file",
            where=str(path),
            remedy=f"put {path.name} there, or remove the link if nothing needs it",
        )
    raise IntegrityError(
        f"{path}: a folder, a device or a pipe, not a file",
        where=str(path),
        remedy=f"put the file {path.name} there, or give this another name",
    )


@contextmanager
def _access(path: Path, what: str) -> Iterator[None]:
    """Turn the system's refusals into ours."""
    try:
        yield
    except RshubError:
        raise
    except (FileNotFoundError, NotADirectoryError) as fault:
        raise NotFound(f"{path}: no such {what}", where=str(path), remedy="check the path") from fault
    except PermissionError as fault:
        remedy = f"check the rights of the {what}"
        raise NotFound(f"{path}: this {what} may not be read", where=str(path), remedy=remedy) from fault
    except (OSError, ValueError) as fault:  # ValueError: a path with a NUL
        why = (fault.strerror if isinstance(fault, OSError) else None) or str(fault)
        raise NotFound(f"{path}: cannot be read: {why}", where=str(path), remedy=f"check the {what}") from fault
