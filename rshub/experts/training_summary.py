"""``training.json`` beside an expert in a folder: what its training said of itself; and where the log of it lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput, RshubError
from rshub.formats.canonical import load_json

FILE_NAME = "training.json"
LOG = "training_log.jsonl"
"""Beside it: the log, one JSON object a line."""


def training_beside(folder: Path, *, error: type[RshubError] = InvalidInput) -> Mapping[str, Any] | None:
    """Read it; None where nothing was left.

    Raises:
        RshubError: It is no JSON object; of the type that is asked for.
    """
    summary = folder / FILE_NAME
    return load_json(summary.read_bytes(), source=str(summary), error=error) if summary.is_file() else None
