"""Where a training run keeps what is not finished: ``OUTPUT.run`` with its identity, its log and its checkpoints.

An interrupted run finds its folder again and goes on; a run of anything else does not take it over, and one at a time
works there: it holds a lock on the folder, which the operating system drops when its process ends, however it ends. The
folder goes when the run ends well, and when it is refused before there is anything to go on from.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput, OutputError, RshubError
from rshub.formats.canonical import file_bytes
from rshub.tensors.staging import FLAGS
from rshub.training.runs.checkpoints import FOLDER, any_whole

IDENTITY = "run.json"


def run_of(output: Path) -> Path:
    """Name the folder of the run that makes an output."""
    return output.with_name(f"{output.name}.run")


@contextmanager
def run_folder(output: Path, identity: Mapping[str, Any]) -> Iterator[Path]:
    """Give the folder of a run: a new one, or that of the same run to go on with.

    Args:
        output: Where the run's result will be; the folder lies beside it.
        identity: Everything that decides the result, as JSON; a folder with another one and checkpoints is kept.

    Raises:
        InvalidInput: Checkpoints of another run are there.
        OutputError: The folder cannot be written, or a run is under way there.
    """
    run = run_of(output)
    wanted = file_bytes(dict(identity))
    with _alone_in(run):
        with _writable(run):
            if (run / IDENTITY).exists() and (run / IDENTITY).read_bytes() != wanted:
                _refuse_unfinished(run)
                for left in run.iterdir():
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            (run / IDENTITY).write_bytes(wanted)
        try:
            yield run
        except RshubError:
            if not any_whole(run / FOLDER):
                shutil.rmtree(run)
            raise
        shutil.rmtree(run)


def _refuse_unfinished(run: Path) -> None:
    """Refuse a folder from which another run can go on."""
    if any_whole(run / FOLDER):
        raise InvalidInput(
            f"{run}: a run of another recipe, base or version was left unfinished there",
            where=str(run),
            remedy="remove that folder, or choose another output",
        )


@contextmanager
def _writable(run: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        if isinstance(fault, RshubError):
            raise
        raise OutputError(
            f"{run}: cannot be written: {fault.strerror}", where=str(run), remedy="choose another output"
        ) from fault


@contextmanager
def _alone_in(run: Path) -> Iterator[None]:
    """Make the folder of a run and lock it; where the file system has no locks nothing is held."""
    with _writable(run):
        handle = _locked(run)
        while handle is None:
            handle = _locked(run)
    try:
        yield
    finally:
        os.close(handle)


def _locked(run: Path) -> int | None:
    """Open and lock the folder; None when the run that had it ended and removed it meanwhile."""
    run.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(run, FLAGS)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        os.close(handle)
        raise OutputError(
            f"{run}: a run is under way there already",
            where=str(run),
            remedy="wait for it, end its process, or choose another output",
        ) from fault
    except OSError:
        return handle
    with suppress(FileNotFoundError):
        if os.path.samestat(run.stat(), os.fstat(handle)):
            return handle
    os.close(handle)
    return None
