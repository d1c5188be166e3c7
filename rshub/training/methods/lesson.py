"""One run as its method sees it: all is read, checked and on this machine, nothing is left to look up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rshub.training.recipe import Recipe
from rshub.training.runs.limits import Stop

Tell = Callable[[Mapping[str, Any]], None]
"""Called with each line of the log."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a method is handed.

    Args:
        recipe: What is trained; its adapter's settings are settled.
        base: The folder of the base model.
        tokenizer: The base's, ready for training.
        rows: The training set in the trainer's own columns.
        steps: Optimiser steps.
        output: Where the trained weights go (an existing folder).
        log: Where the log goes, one JSON object a line, written as the training runs.
        checkpoints: Where checkpoints go and are resumed from; none without it.
        start: The adapter that is continued or stays below the new one.
        trackers: Where trackers that write files put them.
        name: What trackers call the run.
        tell: Called with each line of the log.
    """

    recipe: Recipe
    base: Path
    tokenizer: Any = field(repr=False)
    rows: Sequence[Mapping[str, Any]] = field(repr=False)
    steps: int
    output: Path
    log: Path
    checkpoints: Path | None = None
    start: Path | None = None
    trackers: Path | None = None
    name: str = "rshub"
    tell: Tell | None = None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What came of it: the lines of the log, the steps that were taken, and why there are no more of them."""

    lines: Sequence[Mapping[str, Any]]
    steps: int
    stopped: Stop | None = None
