"""How much is trained and measured, in full and in a hurry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much of everything.

    Args:
        prompts: Held-out prompts that every point is measured on, at most.
        seeds: Completions for each prompt.
        morl: Mixtures of two rewards for which a model is trained, in tenths of the second.
        steps: Optimiser steps; None for those of the task's recipe.
    """

    prompts: int
    seeds: int
    morl: Sequence[int]
    steps: int | None = None


_FULL = Sizes(prompts=512, seeds=1, morl=(1, 3, 5, 7, 9))
_FAST = Sizes(prompts=24, seeds=1, morl=(1, 3, 5, 7, 9), steps=2)

THOROUGH = "news"
"""The task of which a model is trained for every mixture in ``Sizes.morl``; the others get three."""


def sizes_of(task: str, *, fast: bool) -> Sizes:
    """Give the sizes for a task."""
    sizes = _FAST if fast else _FULL
    return sizes if task == THOROUGH else replace(sizes, morl=(3, 5, 7))
