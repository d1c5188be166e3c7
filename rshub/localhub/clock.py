"""The hub's one way to write a moment: UTC, milliseconds, as the Hub's JSON has it."""

from __future__ import annotations

import datetime as dt


def written(moment: dt.datetime) -> str:
    """Return `2026-01-31T12:00:00.000Z` for an aware moment."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def now() -> str:
    """Return the present moment as text."""
    return written(dt.datetime.now(dt.UTC))


def from_epoch(seconds: int) -> str:
    """Return a git timestamp (seconds) as text."""
    return written(dt.datetime.fromtimestamp(seconds, dt.UTC))
