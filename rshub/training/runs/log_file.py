"""The log of a training: one JSON object a line, written as it runs, read back after a kill.

A number that is none is null there; a line that was cut off, and those of steps that will be taken again, are dropped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rshub.tensors.writer import write_whole


def as_text(line: Mapping[str, Any]) -> str:
    """Write one line."""
    return json.dumps(line, allow_nan=False) + "\n"


def keep_lines(log: Path, step: int) -> list[dict[str, Any]]:
    """Keep the lines up to a step, in the file too, and give them."""
    if not log.exists():
        return []
    lines = [_read(text) for text in log.read_text().splitlines()]
    kept = [line for line in lines if line is not None and line["step"] <= step]
    write_whole(log, "".join(map(as_text, kept)).encode())
    return kept


def whole_log(log: Path) -> list[dict[str, Any]]:
    """Read the log of a training that has ended."""
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def number(value: Any) -> float | None:
    """Give a number as JSON can hold it; what was not logged, or is not finite, is None."""
    return float(value) if value is not None and math.isfinite(value) else None


def in_brief(line: Mapping[str, Any]) -> str:
    """Say where a training stands, for a bar: reward and divergence, or the loss where there is nothing else."""
    names = ("reward", "kl") if "reward" in line else ("loss",)
    return ", ".join(f"{name} {line[name]:.3f}" for name in names if line.get(name) is not None)


def _read(text: str) -> dict[str, Any] | None:
    """Read one line; None for one that was cut off."""
    try:
        line: dict[str, Any] = json.loads(text, parse_constant=lambda _: None)
    except ValueError:
        return None
    return line
