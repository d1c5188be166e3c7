"""Output that is whole or absent: filled beside its final name and renamed when everything is on the disk.

A killed process leaves at most something hidden that ends in ``.partial``, and what it left of a folder is swept when
that folder is made again. A folder never takes the place of what is there; a file takes the place of a file, and of
nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rshub.errors import OutputError, RshubError
from rshub.tensors.staging import claim, sweep

REMEDIES = {
    errno.ENOSPC: "free some space, or write to another disk",
    errno.EDQUOT: "free some of the quota, or write to another disk",
    errno.EFBIG: "raise the limit on file sizes, or write to another file system",
    errno.EROFS: "write to a disk that is not read-only",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.ENOTDIR: "choose a path whose parents are folders",
    errno.EEXIST: "choose another name",
    errno.ENOTEMPTY: "choose another name, or remove what is there",
    errno.EBUSY: "choose a folder inside it",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "check the disk",
    errno.EMFILE: "raise the limit on open files: ulimit -n 1024",
    errno.ENFILE: "close other programs: the whole system has too many files open",
}
"""Next steps by the kind of failure."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)
"""Failures that come from writing, whichever file met them."""


@contextmanager
def fresh_folder(out: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which becomes ``out`` when the block ends well and vanishes when it does not.

    Raises:
        OutputError: When ``out`` holds something already or cannot be written, with the next step.
    """
    final = Path(os.path.realpath(out))
    _refuse_taken(final, out)
    missing: list[Path] = []
    try:
        missing += (parent for parent in final.parents if not parent.exists())
        final.parent.mkdir(parents=True, exist_ok=True)
        sweep(final)
        staging, handle = claim(final)
    except OSError as fault:
        _remove_empty(missing)
        raise _refusal(fault, out) from fault
    try:
        yield staging
        try:
            _settle(staging)
            staging.rename(final)
            _sync(final.parent)
        except OSError as fault:
            raise _refusal(fault, out) from fault
    except RshubError:
        raise
    except OSError as fault:
        if fault.errno in FULL or _inside(fault, staging):
            raise _refusal(fault, out) from fault
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(handle)
        if not final.exists():
            _remove_empty(missing)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all; a reader finds the old one until the new one is on the disk.

    Missing folders are made, a link is followed, and only a plain file is replaced.

    Raises:
        OutputError: When it cannot be written, with the next step; nothing is left behind.
    """
    missing: list[Path] = []
    staging: Path | None = None
    try:
        final = Path(os.path.realpath(path))
        _refuse_no_file(final, path)
        missing += (parent for parent in final.parents if not parent.exists())
        final.parent.mkdir(parents=True, exist_ok=True)
        staging = final.parent / f".{secrets.token_hex(8)}.partial"  # without the name, which may be as long as it gets
        with staging.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        staging.replace(final)
        missing.clear()
        _sync(final.parent)
    except OutputError:
        raise
    except OSError as fault:
        raise _refusal(fault, path) from fault
    except ValueError as fault:  # a NUL, or a lone surrogate
        raise OutputError(f"{path!r} is no path: {fault}", where=repr(path), remedy="choose another name") from fault
    finally:
        if staging is not None:
            with contextlib.suppress(OSError):
                staging.unlink()
        _remove_empty(missing)


def _refuse_no_file(final: Path, path: Path) -> None:
    """Refuse to put a file in the place of a folder, a device, a pipe or a link that leads in a circle."""
    if os.path.lexists(final) and not final.is_file():
        what = "a folder" if final.is_dir() else "no plain file"
        raise OutputError(f"{path} is {what}", where=str(path), remedy="name a file to write")


def _refuse_taken(final: Path, out: Path) -> None:
    try:
        taken = final.exists() and (not final.is_dir() or any(final.iterdir()))
    except OSError as fault:
        raise _refusal(fault, out) from fault
    if taken:
        what = "is there already and is not empty" if final.is_dir() else "is a file"
        raise OutputError(f"{out} {what}", where=str(out), remedy="choose another name, or remove what is there")


def _remove_empty(folders: list[Path]) -> None:
    """Remove the parents that were made for nothing, innermost first."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _inside(fault: OSError, staging: Path) -> bool:
    """Say whether a failure names a file in the staging folder."""
    return isinstance(fault.filename, str | os.PathLike) and Path(os.fspath(fault.filename)).is_relative_to(staging)


def _refusal(fault: OSError, out: Path) -> OutputError:
    reason = os.strerror(fault.errno) if fault.errno else str(fault)
    return OutputError(
        f"{out} cannot be written: {reason}",
        where=str(out),
        remedy=REMEDIES.get(fault.errno or 0, "write to another place"),
    )


def _settle(folder: Path) -> None:
    """Bring every file and folder to the disk."""
    for root, _, names in os.walk(folder):
        for name in names:
            _sync(Path(root) / name)
        _sync(Path(root))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
