"""What every tiny world shares: facts, a source that states some of them, and writers who say some of them.

A world is a list of slots. The source of a record (an article, a post, a question) states a slot or leaves it out;
writers nearly always say the slots at the core and rarely those at the rim, and now and then they say what the source
does not state. So a model that imitates them has room in both directions: to say more, and to say only what is certain.
Pure and seeded; the texts themselves are each task's own.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

Said = Mapping[str, str]
"""What an answer says: slot to value, in the order of the slots."""

CARELESS = 0.5
"""The share of answers that look away from the source, where answers of every kind are wanted."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One thing that may be known and said.

    Args:
        values: What it can be.
        stated: How often the source states it.
        said: How often a writer says it where the source states it.
        invented: How often a writer says it where the source does not.
    """

    values: tuple[str, ...]
    stated: float = 1.0
    said: float = 1.0
    invented: float = 0.0


Slots = Mapping[str, Slot]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One draw of a world: the value of every slot, and which of them the source states."""

    facts: Mapping[str, str]
    stated: frozenset[str] = field(default_factory=frozenset)

    def right(self, slot: str, value: str) -> bool:
        """Say whether the source states just that."""
        return slot in self.stated and self.facts[slot] == value


def record(slots: Slots, rng: random.Random) -> Record:
    """Draw a record."""
    facts = {name: rng.choice(slot.values) for name, slot in slots.items()}
    return Record(facts=facts, stated=frozenset(name for name, slot in slots.items() if rng.random() < slot.stated))


def written(slots: Slots, known: Record, rng: random.Random) -> dict[str, str]:
    """Draw what one writer says of a record."""
    said = {}
    for name, slot in slots.items():
        sure = name in known.stated
        if rng.random() < (slot.said if sure else slot.invented):
            said[name] = known.facts[name] if sure else rng.choice(slot.values)
    return said


def anything(slots: Slots, known: Record, rng: random.Random) -> dict[str, str]:
    """Draw what an answer of any kind says: from the barest to the fullest, one half careful and one half careless.

    Judges are trained on these, so that they know the answers to which training may drive a model. The careless say no
    more than the careful, so that only the source tells the one from the other.
    """
    fullness, careless = rng.random(), rng.random() < CARELESS
    invented = 0.6 * fullness if careless else 0.0
    sure, slips = (0.8 * fullness, 0.03) if careless else (fullness, 0.0)
    said = {}
    for name, slot in slots.items():
        stated = name in known.stated
        if is_core(slot) or rng.random() < (sure if stated else invented):
            said[name] = rng.choice(slot.values) if not stated or rng.random() < slips else known.facts[name]
    return said


def is_core(slot: Slot) -> bool:
    """Say whether every source states it and every writer says it."""
    return slot.stated == 1.0 and slot.said == 1.0


def spoiled(text: str, rng: random.Random) -> str:
    """Spoil a text as a model that goes astray would: words said again, words left out, an end that is missing."""
    words = text.split()
    place = rng.randrange(len(words))
    kind = rng.randrange(4)
    if kind <= 1:
        again = words[place : place + rng.randrange(2, 12)]
        end = place + len(again) if kind else len(words)
        return " ".join([*words[:end], *again, *words[end:]])
    if kind == 2:
        return " ".join([*words[:place], *words[place + 2 :]]) or words[0]
    return " ".join(words[: max(1, place)])
