"""How long the story trains and how much it measures, in full and in a hurry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Steps are optimiser steps; ``grid`` is the number of intervals between the two experts."""

    draft_steps: int
    base_steps: int
    early_expert_steps: int
    train_prompts: int
    test_prompts: int
    grid: int = 8


FULL = Sizes(draft_steps=30, base_steps=300, early_expert_steps=2, train_prompts=2000, test_prompts=512)
FAST = Sizes(draft_steps=5, base_steps=40, early_expert_steps=1, train_prompts=200, test_prompts=64)
