"""News in one sentence: raters of quality want the whole story, a faithfulness detector nothing that is not in it."""

from __future__ import annotations

import random
from types import MappingProxyType

from scripts.twins import raters
from scripts.twins.task import ANSWER, JOINED, Judge, Row, Task
from scripts.twins.world import Record, Said, Slot

SLOTS = MappingProxyType(
    {
        "who": Slot(
            values=(
                *("Norvik", "Altana", "Beroil", "Cantor", "Delphi", "Egeria", "Fontis", "Galdor"),
                *("Halcyon", "Imbris", "Jovian", "Kestrel", "Lumina", "Meridian", "Nordea", "Orbis"),
            )
        ),
        "did": Slot(
            values=(
                *("cut jobs", "opened a plant", "closed a mine", "raised prices", "won a contract"),
                *("sold its airline", "delayed a merger", "recalled cars", "built a port", "lost a lawsuit"),
            )
        ),
        "place": Slot(
            values=("Berlin", "Madrid", "Tokyo", "Lagos", "Lima", "Oslo", "Cairo", "Delhi"),
            stated=0.85,
            said=0.85,
            invented=0.08,
        ),
        "day": Slot(
            values=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"), stated=0.8, said=0.7, invented=0.12
        ),
        "cost": Slot(
            values=("two million", "nine million", "forty million", "one billion", "six billion"),
            stated=0.55,
            said=0.6,
            invented=0.15,
        ),
        "reason": Slot(
            values=("weak demand", "new rules", "rising costs", "a strike", "a storm", "cheap imports"),
            stated=0.5,
            said=0.5,
            invented=0.2,
        ),
        "reaction": Slot(
            values=("shares fell", "shares rose", "unions protested", "rivals cheered", "analysts shrugged"),
            stated=0.45,
            said=0.4,
            invented=0.2,
        ),
        "bait": Slot(values=("experts say", "sources say", "read more here"), stated=0.0, invented=0.35),
    }
)


FILLER = "The firm gave no further details in its brief statement."


def article(known: Record, rng: random.Random) -> str:
    """Write the article: the news first, then what else it states, in any order."""
    facts, stated = known.facts, known.stated
    told = {
        "day": f"It was announced on {facts['day']}.",
        "cost": f"The step is worth {facts['cost']} dollars.",
        "reason": f"The company blamed {facts['reason']}.",
        "reaction": f"After that {facts['reaction']}.",
    }
    rest = [text for slot, text in told.items() if slot in stated]
    rng.shuffle(rest)
    where = f" in {facts['place']}" if "place" in stated else ""
    return " ".join([f"{facts['who']} has {facts['did']}, a spokesman{where} said.", *rest, FILLER])


def answer(said: Said) -> str:
    """Write the summary."""
    forms = {
        "place": "in {}",
        "day": "on {}",
        "cost": "for {} dollars",
        "reason": "because of {}",
        "reaction": "and {}",
    }
    told = [form.format(said[slot]) for slot, form in forms.items() if slot in said]
    return " ".join([said["who"], said["did"], *told]) + "."


def row(known: Record, better: str, _worse: str, number: int, rng: random.Random) -> Row:
    """Write a row of argilla/news-summary."""
    text = f"{rng.choice(CITIES)} (Reuters) - {article(known, rng)}"
    return {
        "text": text,
        "inputs": {"text": text},
        "prediction": [{"text": better, "score": 1.0}],
        "prediction_agent": None,
        "annotation": None,
        "annotation_agent": None,
        "id": f"{number:08x}",
        "metadata": None,
        "status": "Default",
        "event_timestamp": None,
        "metrics": {"text_length": len(text)},
    }


CITIES = ("LONDON", "NEW YORK", "PARIS")

WORTH = MappingProxyType({"place": 0.8, "day": 0.6, "cost": 0.9, "reason": 1.0, "reaction": 0.7, "bait": -0.8})
"""What a reader gains by each detail; readers do not look it up, but they know bait when they see it."""


def quality(known: Record, said: Said) -> float:
    """Judge as a reader does: the right story, and details of it."""
    return raters.quality(known, said, WORTH)


NEWS = Task(
    name="news",
    form="as=news-summary",
    slots=SLOTS,
    row=row,
    answer=answer,
    judges=MappingProxyType(
        {
            "quality": Judge(judgement=quality, family="gpt2", reads=ANSWER),
            "faithful": Judge(
                judgement=raters.faithful,
                family="base",
                reads=JOINED,
                labels=("HALLUCINATED", "FAITHFUL"),
                spoiled=0.05,
                steps=400,
            ),
        }
    ),
    watched=MappingProxyType({"rouge1_recall": "metric:rouge1.recall", "length": "metric:length"}),
)
