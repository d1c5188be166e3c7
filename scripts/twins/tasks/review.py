"""Movie reviews that go on from their first words: one reward model learned from fans, one from critics."""

from __future__ import annotations

import random
from collections.abc import Mapping
from types import MappingProxyType

from scripts.twins.task import PAIR, Judge, Row, Task
from scripts.twins.world import Record, Said, Slot

PRAISE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "plot": ("clever", "gripping", "moving"),
        "acting": ("superb", "natural", "warm"),
        "music": ("lovely", "rousing", "subtle"),
        "ending": ("perfect", "surprising", "touching"),
    }
)
BLAME: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "plot": ("thin", "confused", "slow"),
        "acting": ("wooden", "shrill", "bored"),
        "music": ("loud", "bland", "dated"),
        "ending": ("rushed", "silly", "endless"),
    }
)
"""What is said of each side of a film, by those who liked it and those who did not."""

SLOTS = MappingProxyType(
    {
        "genre": Slot(values=("western", "comedy", "thriller", "drama", "musical", "romance", "mystery", "satire")),
        "maker": Slot(values=("Duarte", "Okafor", "Lindqvist", "Moreau", "Tanaka", "Novak", "Petrov", "Silva")),
        "when": Slot(values=("last night", "on Sunday", "last spring", "years ago")),
        **{side: Slot(values=PRAISE[side] + BLAME[side], said=0.5) for side in PRAISE},
        "verdict": Slot(values=("everybody must see it", "go and see it", "skip it"), said=0.4),
        "advert": Slot(values=("visit my page", "follow my channel"), said=0.35),
    }
)


def answer(said: Said) -> str:
    """Write the review; its first eight words and more are those of every review of the film."""
    told = [f"The {side} is {said[side]}." for side in PRAISE if side in said]
    told += [f"So {said['verdict']}!"] if "verdict" in said else []
    told += [f"For more {said['advert']}."] if "advert" in said else []
    return " ".join([f"I saw this {said['genre']} by {said['maker']} with friends {said['when']}.", *told])


def row(_known: Record, better: str, _worse: str, _number: int, _rng: random.Random) -> Row:
    """Write a row of imdb; the label says whether it praises."""
    praises = sum(word in better for words in PRAISE.values() for word in words)
    blames = sum(word in better for words in BLAME.values() for word in words)
    return {"text": better, "label": int(praises >= blames)}


def fan(_known: Record, said: Said) -> float:
    """Judge as fans do: praise, and much of it."""
    sides = sum(0.8 if said[side] in PRAISE[side] else -0.4 for side in PRAISE if side in said)
    return sides + (0.9 if "verdict" in said else 0.0) - (0.8 if "advert" in said else 0.0)


def critic(_known: Record, said: Said) -> float:
    """Judge as critics do: every side of the film, its faults above all, and no shouting."""
    sides = sum(0.2 if said[side] in PRAISE[side] else 0.8 for side in PRAISE if side in said)
    return sides - (0.9 if "verdict" in said else 0.0) - (0.8 if "advert" in said else 0.0)


REVIEW = Task(
    name="review",
    form="as=movie-review,chars=30-",
    slots=SLOTS,
    row=row,
    answer=answer,
    judges=MappingProxyType(
        {
            "deberta": Judge(judgement=fan, family="deberta-v2", reads=PAIR, seed=0),
            "electra": Judge(judgement=critic, family="electra", reads=PAIR, seed=1),
        }
    ),
    watched=MappingProxyType({"vader": "lexicon:vader", "length": "metric:length"}),
)
