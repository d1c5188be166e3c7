"""Lines for people while a run goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable

Say = Callable[[str], None]
"""Told one line of what goes on."""


def say(line: str) -> None:
    """Write a line for people."""
    print(line, file=sys.stderr, flush=True)
