"""Trackers that follow a run besides our own log: tensorboard, trackio, wandb. None is told anything by default.

TRL passes them what it logs. Files of tensorboard lie beside the output in ``OUTPUT.tensorboard``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rshub.errors import MissingExtra

_PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX")}


def refuse_missing(trackers: Sequence[str]) -> None:
    """Refuse trackers that are not installed, before anything is trained.

    Raises:
        MissingExtra: With what to install.
    """
    for tracker in trackers:
        if not any(find_spec(package) for package in _PACKAGES.get(tracker, (tracker,))):
            missing = MissingExtra(tracker, needed_for=f"report_to: {tracker}")
            missing.remedy = f"pip install {tracker}, or take {tracker} out of report_to"
            raise missing


def tracker_folder(output: Path) -> Path:
    """Give the folder of the trackers that write files."""
    return output.with_name(f"{output.name}.tensorboard")


@contextmanager
def file_trackers(wanted: Sequence[str], folder: Path | None) -> Iterator[list[Any]]:
    """Give the callbacks of those wanted trackers that write files, and close their files afterwards."""
    if "tensorboard" not in wanted or folder is None:
        yield []
        return
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations import TensorBoardCallback

    with SummaryWriter(log_dir=str(folder)) as writer:
        yield [TensorBoardCallback(writer)]
