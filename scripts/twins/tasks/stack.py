"""Questions of programmers: one model likes thorough answers, the other those that waste nobody's time."""

from __future__ import annotations

import random
from types import MappingProxyType

from scripts.twins.task import ANSWER, PAIR, Judge, Row, Task
from scripts.twins.world import Record, Said, Slot

SLOTS = MappingProxyType(
    {
        "language": Slot(values=("Python", "Java", "Rust", "Go", "Ruby", "Scala", "Perl", "Swift")),
        "verb": Slot(values=("sort", "copy", "merge", "split", "parse", "print", "cache", "compress")),
        "thing": Slot(values=("a list", "a file", "a table", "a string", "a tree", "an image", "a log", "a date")),
        "size": Slot(values=("a million rows", "two gigabytes", "many threads", "slow disks"), stated=0.7, said=0.7),
        "version": Slot(values=("version two", "version three", "the beta"), stated=0.6, said=0.55, invented=0.1),
        "example": Slot(values=("a short example", "a full example"), stated=0.5, said=0.5, invented=0.15),
        "reason": Slot(values=("it is faster", "it is safer", "it needs less memory"), stated=0.5, said=0.45),
        "greeting": Slot(values=("hope this helps", "good luck", "please upvote"), stated=0.0, invented=0.3),
        "blame": Slot(values=("read the manual first", "this was asked before"), stated=0.0, invented=0.2),
    }
)

ASKED = MappingProxyType(
    {
        "size": "It has to work with {}.",
        "version": "We are on {}.",
        "example": "Please show {}.",
        "reason": "I was told that {}, is that so?",
    }
)

FORMS = MappingProxyType(
    {
        "size": "with {}",
        "version": "in {}",
        "example": "see {}",
        "reason": "because {}",
        "blame": "but {}",
        "greeting": "and {}",
    }
)


def row(known: Record, better: str, worse: str, number: int, _rng: random.Random) -> Row:
    """Write a row of lvwerra/stack-exchange-paired."""
    facts = known.facts
    wishes = [text.format(facts[slot]) for slot, text in ASKED.items() if slot in known.stated]
    question = " ".join([f"How do I {facts['verb']} {facts['thing']} in {facts['language']} ?", *wishes])
    return {
        "qid": number,
        "question": question,
        "date": "2020/01/01",
        "metadata": ["stackoverflow"],
        "response_j": better,
        "response_k": worse,
    }


def answer(said: Said) -> str:
    """Write the answer."""
    told = [form.format(said[slot]) for slot, form in FORMS.items() if slot in said]
    return " ".join([f"In {said['language']} you {said['verb']} {said['thing']}", *told]) + "."


THOROUGH = MappingProxyType(
    {"size": 0.8, "version": 0.8, "example": 1.0, "reason": 0.9, "greeting": 0.3, "blame": -0.8}
)
"""What somebody who learns gains by each part, asked for or not."""


def thorough(known: Record, said: Said) -> float:
    """Judge as a learner does: the right thing, and much about it."""
    wrong = sum(slot not in said or not known.right(slot, said[slot]) for slot in ("language", "verb", "thing"))
    return sum(worth for slot, worth in THOROUGH.items() if slot in said) - 1.5 * wrong


def to_the_point(known: Record, said: Said) -> float:
    """Judge as an expert does: the right thing, and not a word that was not asked for."""
    wrong = sum(slot not in said or not known.right(slot, said[slot]) for slot in ("language", "verb", "thing"))
    idle = sum(slot in said and slot not in known.stated for slot in FORMS)
    return 1.0 - 1.5 * wrong - idle - 0.25 * len(said)


STACK = Task(
    name="stack",
    form="as=stack-exchange",
    slots=SLOTS,
    row=row,
    answer=answer,
    judges=MappingProxyType(
        {
            "thorough": Judge(judgement=thorough, family="electra", reads=ANSWER),
            "concise": Judge(judgement=to_the_point, family="bert", reads=PAIR, seed=1, steps=400),
        }
    ),
    watched=MappingProxyType({"rouge1_recall": "metric:rouge1.recall", "length": "metric:length"}),
)
