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


def latest(folder: Path | None) -> Path | None:
    """Give the latest whole checkpoint, if there is one, and sweep away the halves."""
    if folder is None:
        return None
    found = sorted(folder.glob("checkpoint-*"), key=step_of)
    for half in found:
        if not (half / _MARK).exists():
            shutil.rmtree(half, ignore_errors=True)  # another process of this run may sweep it too
    return next((whole for whole in reversed(found) if whole.exists()), None)


def step_of(checkpoint: Path | None) -> int:
    """Give the steps that were done at a checkpoint; 0 for none."""
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0


def any_whole(folder: Path) -> bool:
    """Say whether there is anything to resume from."""
    return any(folder.glob(f"checkpoint-*/{_MARK}"))
