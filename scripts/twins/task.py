"""What a task's file declares: its world, its texts, the row of the public data set, and who judges answers by what."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from scripts.twins.world import Record, Said, Slots

Row = dict[str, Any]
Judgement = Callable[[Record, Said], float]
"""How good an answer is to one kind of rater: higher is better, on a scale of a few units."""

JOINED = ""
"""The model reads prompt and answer one after the other, as a base reads them."""
PAIR = 'template="{question}",second="{answer}"'
ANSWER = 'template="{answer}"'

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Judge:
    """One reward model: whose judgement it learns, and what kind of model it is.

    Args:
        judgement: The raters' own scale; the model never sees it, only which answers they prefer or call good.
        family: Its architecture, as transformers calls it; ``base`` puts a new head on the task's own base.
        reads: What the model reads of an answer and its prompt: the options of its spec.
        labels: Two labels, bad and good, for a classifier of single answers; none for a regressor of preferences.
        certain: How surely raters prefer the better answer, per unit of their scale.
        spoiled: The share of answers that are spoiled, for raters who mind.
        steps: Optimiser steps.
        seed: Decides its pairs and its start.
        people: Whether TRL's RewardTrainer learns it from what real people preferred, where that is at hand.
    """

    judgement: Judgement
    family: str
    reads: str
    labels: tuple[str, str] | None = None
    certain: float = 3.0
    spoiled: float = 0.2
    steps: int = 250
    seed: int = 0
    people: bool = False

    @property
    def options(self) -> str:
        """Give the options of the spec that loads it as a reward."""
        chosen = f"difference={self.labels[1]}-{self.labels[0]}" if self.labels else ""
        return ",".join(filter(None, [chosen, self.reads]))


@dataclass(frozen=True, kw_only=True)
class Task:
    """One of the paper's tasks in small.

    Args:
        name: What it is called on the command line.
        form: How its data set is read as prompts: what stands after ``#``.
        slots: Its world.
        row: Writes a record as a row of the public data set, given two answers, the better one first, its number, and
            a source of chance for what the schema holds beside them.
        answer: Writes what is said as a text.
        judges: Its rewards by name; the first two are a picture's axes.
        watched: Metrics beside the rewards: name to spec.
    """

    name: str
    form: str
    slots: Slots
    row: Callable[[Record, str, str, int, random.Random], Row]
    answer: Callable[[Said], str]
    judges: Mapping[str, Judge]
    watched: Mapping[str, str] = field(default_factory=lambda: NOTHING)
