"""Movie reviews that go on from their first words: one model likes colour and detail, the other a calm verdict."""

from __future__ import annotations

import random
from types import MappingProxyType

from scripts.twins.task import ANSWER, Judge, Row, Task
from scripts.twins.world import Record, Said, Slot

SLOTS = MappingProxyType(
    {
        "opening": Slot(
            values=(
                *("Last night I watched", "On a long flight I saw", "My sister made me watch", "At last I have seen"),
                *("With low hopes I rented", "For the third time I watched"),
            )
        ),
        "film": Slot(
            values=(
                *("The Glass Harbour", "Nine Winters", "A Quiet Engine", "Paper Moons", "The Salt Road", "Iron Lilies"),
                *("Under the Ash Tree", "Seven Bridges", "The Last Ferry", "Northern Lights"),
            )
        ),
        "verdict": Slot(values=("a triumph", "a fine film", "a decent film", "a dull film", "a disaster")),
        "plot": Slot(values=("the plot moves fast", "the plot makes no sense", "the plot is clever"), said=0.6),
        "acting": Slot(values=("the acting is superb", "the acting is wooden", "the cast is charming"), said=0.6),
        "music": Slot(values=("the music soars", "the music drones on", "the songs are lovely"), said=0.4),
        "images": Slot(values=("every shot glows", "the pictures are grey", "the colours dance"), said=0.35),
        "advice": Slot(values=("do not miss it", "wait for the stream", "take your friends"), said=0.5),
        "spoiler": Slot(values=("the hero dies", "the butler did it", "they never meet"), stated=0.0, invented=0.3),
        "rant": Slot(values=("the seats were awful", "tickets cost too much"), stated=0.0, invented=0.25),
    }
)


def row(known: Record, better: str, _worse: str, _number: int, _rng: random.Random) -> Row:
    """Write a row of stanfordnlp/imdb, whose texts break their lines with tags."""
    text = better.replace(". ", f".{BREAK}")
    while len(text) <= LEAST:
        text += BREAK
    return {"text": text, "label": int(known.facts["verdict"] in {"a triumph", "a fine film"})}


BREAK = "<br /><br />"
LEAST = 200
"""Shorter texts are left out of the data set, tags counted (characters)."""


def answer(said: Said) -> str:
    """Write the review."""
    told = [said[slot] for slot in ("plot", "acting", "music", "images", "spoiler", "rant", "advice") if slot in said]
    opened = f"{said['opening']} {said['film']} and it is {said['verdict']}."
    return " ".join([opened, *(f"{text[0].upper()}{text[1:]}." for text in told)])


COLOUR = MappingProxyType(
    {"plot": 0.8, "acting": 0.9, "music": 0.9, "images": 1.0, "advice": 0.4, "spoiler": 0.2, "rant": -0.5}
)
CALM = MappingProxyType(
    {"plot": 0.3, "acting": 0.2, "music": -0.4, "images": -0.4, "advice": 0.6, "spoiler": -1.2, "rant": -0.9}
)
PRAISE = MappingProxyType(
    {"a triumph": 0.8, "a fine film": 0.5, "a decent film": 0.2, "a dull film": -0.3, "a disaster": -0.6}
)


def colourful(_known: Record, said: Said) -> float:
    """Judge as a fan does: praise, and everything about it."""
    return sum(worth for slot, worth in COLOUR.items() if slot in said) + PRAISE[said["verdict"]]


def calm(_known: Record, said: Said) -> float:
    """Judge as a hurried reader does: what it is like and whether to go, and no spoilers."""
    return sum(worth for slot, worth in CALM.items() if slot in said) - 0.4 * abs(PRAISE[said["verdict"]])


REVIEW = Task(
    name="review",
    form="as=movie-review",
    slots=SLOTS,
    row=row,
    answer=answer,
    judges=MappingProxyType(
        {
            "colourful": Judge(judgement=colourful, family="bert", reads=ANSWER),
            "calm": Judge(judgement=calm, family="electra", reads=ANSWER, seed=1),
        }
    ),
    watched=MappingProxyType({"vader": "lexicon:vader", "length": "metric:length"}),
)
