"""What a page needs beside the measurements: what is known of each expert, and answers side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FILE_NAME = "index.html"
"""The page, in its folder."""


@dataclass(frozen=True, kw_only=True)
class ExpertSheet:
    """What is known of one expert; everything but the label may be unknown.

    ``trained`` are name and value of how it was trained, in its publisher's words; ``log`` the lines of its training.
    """

    label: str
    place: str | None = None
    version: str | None = None
    made_by: str | None = None
    reward: str | None = None
    direction: str | None = None
    spec: str | None = None
    description: str | None = None
    licence: str | None = None
    trained: tuple[tuple[str, str], ...] = ()
    log: tuple[Mapping[str, Any], ...] = ()
    trained_on: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Example:
    """One prompt, and what was answered at several settings: name of the setting to text."""

    prompt: str
    answers: Mapping[str, str]
