"""A tiny world of restaurants in which two rewards really conflict: eight facts go in, a short text comes out.

Writers nearly always mention the core facts and rarely the others. So a text that says everything has good recall
against what people wrote and poor precision, a text that says only the core has it the other way round, and between the
two lies a front with a corner: the facts near the core are worth more to one reward than they cost the other. Pure and
seeded: records, prompts and texts, nothing of models here.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

FACTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "name": (
            *("luna", "aroma", "bamboo", "cedar", "dolphin", "ember", "fjord", "granite", "hazel", "indigo"),
            *("jasper", "kiwi", "lotus", "maple", "nectar", "olive", "pepper", "quartz", "raven", "saffron"),
        ),
        "type": ("pub", "cafe", "restaurant", "bistro"),
        "food": ("french", "thai", "italian", "indian", "japanese", "mexican"),
        "area": ("riverside", "downtown", "harbour", "suburb"),
        "price": ("cheap", "moderate", "expensive"),
        "rating": ("low", "average", "high"),
        "near": ("museum", "station", "market", "stadium", "library", "theatre", "bridge", "park"),
        "kids": ("kids", "adults"),
    }
)
"""What is known of a restaurant; the prompt lists one value of each, in this order."""

OPINIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "low": ("the food is awful", "the service is terrible", "the staff is rude"),
        "average": ("the food is fine", "the service is okay", "the staff is decent"),
        "high": ("the food is delicious", "the service is excellent", "the staff is friendly"),
    }
)

MENTION: Mapping[str, float] = MappingProxyType(
    {
        "food": 0.95,
        "type": 0.9,
        "area": 0.8,
        "rating": 0.65,
        "price": 0.3,
        "near": 0.25,
        "opinion": 0.2,
        "kids": 0.15,
    }
)
"""How often a writer mentions each fact, from the core to the rim."""

MAX_WORDS = 32
"""No writer's text is longer, its end included (words)."""


def record(rng: random.Random) -> dict[str, str]:
    """Draw one restaurant."""
    return {fact: rng.choice(values) for fact, values in FACTS.items()}


def prompt(facts: Mapping[str, str]) -> str:
    """Write the facts as a model is asked about them: ``luna pub thai riverside cheap high museum kids =>``."""
    return " ".join([*facts.values(), "=>"])


def text(facts: Mapping[str, str], mentioned: Iterable[str], opinion: str) -> str:
    """Write a text that mentions some of the facts and, if asked to, one opinion."""
    says = frozenset(mentioned)
    kind = [facts["price"]] * ("price" in says) + [facts["food"]] * ("food" in says)
    kind += [facts["type"] if "type" in says else "place"]
    words = [facts["name"], "is an" if kind[0][0] in "aeiou" else "is a", *kind]
    words += [f"in the {facts['area']} area"] * ("area" in says) + [f"near the {facts['near']}"] * ("near" in says)
    words += ["."]
    words += [f"it has a {facts['rating']} rating ."] * ("rating" in says)
    words += [f"kids are {'welcome' if facts['kids'] == 'kids' else 'not allowed'} ."] * ("kids" in says)
    words += [f"{opinion} ."] * ("opinion" in says)
    return " ".join(words)


def written(facts: Mapping[str, str], rng: random.Random) -> str:
    """Write a text as one writer would."""
    mentioned = [fact for fact, share in MENTION.items() if rng.random() < share]
    return text(facts, mentioned, rng.choice(OPINIONS[facts["rating"]]))


def corpus(count: int, *, seed: int, references: int) -> list[dict[str, Any]]:
    """Draw prompts with texts that different writers wrote for them.

    Returns:
        ``{"prompt": str, "references": [str, ...]}`` for each of ``count`` restaurants; the same for the same seed.
    """
    rng = random.Random(seed)  # noqa: S311 - a seeded world, no secret
    drawn = [record(rng) for _ in range(count)]
    return [
        {"prompt": prompt(facts), "references": [written(facts, rng) for _ in range(references)]} for facts in drawn
    ]


def jsonl(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Write rows as JSON lines, the form in which training and evaluation read prompts."""
    return "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows).encode()


def vocabulary() -> list[str]:
    """List every word that a prompt or a text of this world can hold, sorted."""
    words = {"=>", *" ".join(value for values in FACTS.values() for value in values).split()}
    for values in zip(*(_cycled(values, 20) for values in FACTS.values()), strict=True):
        facts = dict(zip(FACTS, values, strict=True))
        for opinion in OPINIONS[facts["rating"]]:
            for mentioned in (MENTION, {"food", "opinion"}, ()):
                words.update(text(facts, mentioned, opinion).split())
    return sorted(words)


def _cycled(values: Sequence[str], count: int) -> list[str]:
    return [values[index % len(values)] for index in range(count)]
