"""How long the models of a twin learn, and how many prompts it has; in full and in a hurry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Steps are optimiser steps; ``judge_steps`` of 0 leaves them to each judge."""

    base_steps: int
    base_texts: int
    judge_steps: int
    judge_texts: int
    train_prompts: int
    test_prompts: int


FULL = Sizes(base_steps=300, base_texts=10_000, judge_steps=0, judge_texts=5_000, train_prompts=2_000, test_prompts=512)
FAST = Sizes(base_steps=10, base_texts=400, judge_steps=12, judge_texts=200, train_prompts=64, test_prompts=16)

FAST_RECIPE: Mapping[str, Any] = MappingProxyType({"steps": 2, "warmup_steps": 0, "batch": 8, "num_generations": 4})
