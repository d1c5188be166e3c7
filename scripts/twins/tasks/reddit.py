"""Posts in one sentence: readers want all of it, a faithfulness detector nothing that the writer did not say."""

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
                *("roommate", "boss", "sister", "brother", "mother", "father", "neighbour", "landlord"),
                *("friend", "cousin", "teacher", "partner"),
            )
        ),
        "did": Slot(
            values=(
                *("sold my bike", "read my diary", "lost my cat", "broke my phone", "ate my lunch"),
                *("lied to me", "moved out", "cancelled our trip", "borrowed money", "ignored my birthday"),
            )
        ),
        "since": Slot(
            values=("yesterday", "last week", "last month", "last year"), stated=0.85, said=0.8, invented=0.1
        ),
        "feeling": Slot(values=("angry", "sad", "confused", "ashamed", "lonely"), stated=0.75, said=0.7, invented=0.15),
        "reply": Slot(
            values=("shouting", "leaving", "crying", "apologizing", "laughing"), stated=0.5, said=0.5, invented=0.2
        ),
        "cause": Slot(values=("stress", "jealousy", "boredom", "a fight", "a bet"), stated=0.5, said=0.5, invented=0.2),
        "wants": Slot(
            values=("revenge", "advice", "an apology", "a refund", "silence"), stated=0.5, said=0.4, invented=0.2
        ),
        "bait": Slot(values=("you will not believe it", "long story"), stated=0.0, invented=0.35),
    }
)

OPENING = "I use a throwaway account because people I know read this site, so please do not ask who I am."


def post(known: Record, rng: random.Random) -> str:
    """Write the post: what happened first, then what else is told, in any order."""
    facts, stated = known.facts, known.stated
    told = {
        "feeling": f"Now I feel really {facts['feeling']}.",
        "reply": f"I reacted by {facts['reply']}.",
        "cause": f"I guess it was out of {facts['cause']}.",
        "wants": f"All I am after is {facts['wants']}.",
    }
    rest = [text for slot, text in told.items() if slot in stated]
    rng.shuffle(rest)
    when = f" {facts['since']}" if "since" in stated else ""
    return " ".join([OPENING, f"My {facts['who']} {facts['did']}{when}.", *rest])


def answer(said: Said) -> str:
    """Write the summary."""
    forms = {
        "since": "{}",
        "feeling": "and I feel {}",
        "reply": "after {}",
        "cause": "because of {}",
        "wants": "and I want {}",
        "bait": "and {}",
    }
    told = [form.format(said[slot]) for slot, form in forms.items() if slot in said]
    return " ".join([f"My {said['who']} {said['did']}", *told]) + "."


def row(known: Record, better: str, worse: str, number: int, rng: random.Random) -> Row:
    """Write a row of openai/summarize_from_feedback, configuration comparisons."""
    choice = rng.randrange(2)
    texts = (better, worse) if choice == 0 else (worse, better)
    return {
        "info": {
            "id": f"t3_{number:x}",
            "post": post(known, rng),
            "title": f"My {known.facts['who']}",
            "subreddit": "relationships",
            "site": None,
            "article": None,
        },
        "summaries": [{"text": f" {text}", "policy": "ref", "note": None} for text in texts],
        "choice": choice,
        "worker": f"worker{rng.randrange(9)}",
        "batch": "batch1",
        "split": "train",
        "extra": {"confidence": rng.randrange(1, 10)},
    }


WORTH = MappingProxyType({"since": 0.7, "feeling": 0.9, "reply": 0.7, "cause": 1.0, "wants": 0.8, "bait": -0.8})
"""What a reader gains by each detail."""


def quality(known: Record, said: Said) -> float:
    """Judge as a reader does: the right story, and details of it, right or not."""
    return raters.quality(known, said, WORTH)


REDDIT = Task(
    name="reddit",
    form="as=reddit-summary",
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
