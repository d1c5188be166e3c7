"""Where a training run keeps what is not finished: ``OUTPUT.run`` with its identity, its log and its checkpoints.

An interrupted run finds its folder again and goes on; a run of anything else does not take it over. The folder goes
when the run ends well, and when it is refused before there is anything to go on from.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput, OutputError, RshubError
from rshub.formats.canonical import file_bytes
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
        OutputError: The folder cannot be written.
    """
    run = run_of(output)
    wanted = file_bytes(dict(identity))
    try:
        if (run / IDENTITY).exists() and (run / IDENTITY).read_bytes() != wanted:
            if any_whole(run / FOLDER):
                raise InvalidInput(
                    f"{run}: a run of another recipe, base or version was left unfinished there",
                    where=str(run),
                    remedy="remove that folder, or choose another output",
                )
            shutil.rmtree(run)
        run.mkdir(parents=True, exist_ok=True)
        (run / IDENTITY).write_bytes(wanted)
    except OSError as fault:
        raise OutputError(
            f"{run}: cannot be written: {fault.strerror}", where=str(run), remedy="choose another output"
        ) from fault
    try:
        yield run
    except RshubError:
        if not any_whole(run / FOLDER):
            shutil.rmtree(run)
        raise
    shutil.rmtree(run)
