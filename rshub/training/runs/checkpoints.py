"""Checkpoints to resume from. One counts when a mark says that all of it was written: a kill may leave half of one."""

from __future__ import annotations

import shutil
from pathlib import Path

FOLDER = "checkpoints"
KEPT = 2
"""One is the latest; the other is there while that one is being written."""
_MARK = "whole"


def mark_whole(folder: Path, step: int) -> None:
    """Say that the checkpoint of a step is whole."""
    (folder / f"checkpoint-{step}" / _MARK).touch()


def latest(folder: Path | None, *, sweep: bool) -> Path | None:
    """Give the latest whole checkpoint, if there is one.

    Args:
        folder: Holds them; None where nothing is kept.
        sweep: Remove the halves; of the processes that share a run only one may.
    """
    if folder is None:
        return None
    found = sorted(folder.glob("checkpoint-*"), key=step_of)
    whole = [checkpoint for checkpoint in found if (checkpoint / _MARK).exists()]
    if sweep:
        for half in set(found) - set(whole):
            shutil.rmtree(half, ignore_errors=True)  # one that stays is still no checkpoint
    return whole[-1] if whole else None


def step_of(checkpoint: Path | None) -> int:
    """Give the steps that were done at a checkpoint; 0 for none."""
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0


def any_whole(folder: Path) -> bool:
    """Say whether there is anything to resume from."""
    return any(folder.glob(f"checkpoint-*/{_MARK}"))
