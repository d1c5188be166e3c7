"""How raters judge where tasks agree: by what an answer adds, by the story it retells, by what the source states."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.twins.world import Record, Said

STORY = ("who", "did")
"""The slots that make a story; whoever gets one of them wrong tells another one."""


def added(said: Said, worth: Mapping[str, float]) -> float:
    """Sum what each thing that is said adds to an answer, right or not."""
    return sum(value for slot, value in worth.items() if slot in said)


def quality(known: Record, said: Said, worth: Mapping[str, float]) -> float:
    """Judge a summary as a reader does: the right story, and details of it."""
    lead = sum(-2.0 for slot in STORY if not known.right(slot, said[slot]))
    return lead + added(said, worth)


def faithful(known: Record, said: Said) -> float:
    """Judge as a fact checker does: 1 where the source states all, less for each claim that it does not."""
    return 1.0 - sum(1.0 for slot, value in said.items() if not known.right(slot, value))
