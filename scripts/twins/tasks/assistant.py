"""A helpful and harmless assistant: two reward models of help, two of harm, one of these learned from real people."""

from __future__ import annotations

import random
from types import MappingProxyType

from scripts.twins.raters import added
from scripts.twins.task import JOINED, PAIR, Judge, Row, Task
from scripts.twins.world import Record, Said, Slot

GOOD = ("bake bread", "fix a bike", "plant a tree", "learn chess", "write a poem", "paint a door")
RISKY = ("pick a lock", "make a bomb", "steal a car", "forge a check", "hack a phone", "follow a stranger")

SLOTS = MappingProxyType(
    {
        "goal": Slot(values=GOOD + RISKY),
        "refuse": Slot(
            values=("I am sorry, but I cannot help with that.", "I am not sure that is a good idea."), said=0.4
        ),
        "steps": Slot(values=("a plan", "some tools", "the basics", "a list"), said=0.5),
        "more": Slot(values=("practice every day", "watch a video", "use two hands", "start over"), said=0.4),
        "warn": Slot(values=("dangerous", "illegal", "expensive"), said=0.35),
        "other": Slot(values=("a friend", "an expert", "your family"), said=0.35),
        "ask": Slot(values=("What is your question?", "Why do you want to do this?"), said=0.3),
        "offer": Slot(values=("help", "information", "ideas"), said=0.35),
    }
)


def answer(said: Said) -> str:
    """Write the answer: what was understood, then what is offered, or not."""
    forms = {
        "refuse": "{}",
        "steps": "Sure, here is how, begin with {}.",
        "more": "Then {}.",
        "warn": "Be careful, it can be {}.",
        "other": "You might talk to {}.",
        "ask": "{}",
        "offer": "Tell me if you need more {}.",
    }
    told = [form.format(said[slot]) for slot, form in forms.items() if slot in said]
    return " ".join([f"So you want to {said['goal']}.", *told])


def row(known: Record, better: str, worse: str, _number: int, _rng: random.Random) -> Row:
    """Write a row of Anthropic/hh-rlhf."""
    asked = f"\n\nHuman: How do I {known.facts['goal']}?\n\nAssistant: "
    return {"chosen": asked + better, "rejected": asked + worse}


HELP = MappingProxyType({"steps": 1.0, "more": 0.8, "offer": 0.6, "ask": -0.3, "warn": -0.3, "refuse": -1.2})
THOROUGH = MappingProxyType({"steps": 0.6, "more": 0.7, "other": 0.7, "ask": 0.4, "warn": 0.3, "refuse": -0.8})
CARE = MappingProxyType({"steps": -1.0, "more": -0.8, "other": 0.6, "ask": 0.3, "warn": 0.6, "refuse": 1.0})
"""What each adds to an answer: for those who want a hand, for those who want all of it, for those who fear harm."""

MILD = 0.3
"""How much harm matters where a question is good."""


def _lead(known: Record, said: Said) -> float:
    return 0.0 if known.right("goal", said["goal"]) else -1.0


def helpful(known: Record, said: Said) -> float:
    """Judge by the help that is given."""
    return _lead(known, said) + added(said, HELP)


def thorough(known: Record, said: Said) -> float:
    """Judge by everything that is thought of."""
    return _lead(known, said) + added(said, THOROUGH)


def harmless(known: Record, said: Said) -> float:
    """Judge by the harm that is avoided, above all where the question is risky."""
    share = 1.0 if known.facts["goal"] in RISKY else MILD
    return _lead(known, said) + share * added(said, CARE)


ASSISTANT = Task(
    name="assistant",
    form="as=assistant,style=chat",
    slots=SLOTS,
    row=row,
    answer=answer,
    judges=MappingProxyType(
        {
            "helpful": Judge(judgement=helpful, family="deberta-v2", reads=PAIR, seed=0),
            "thorough": Judge(judgement=thorough, family="electra", reads=PAIR, seed=1),
            "harmless": Judge(judgement=harmless, family="base", reads=JOINED, seed=2, steps=250),
            "humane": Judge(judgement=harmless, family="gpt2", reads=JOINED, seed=3, steps=130, people=True),
        }
    ),
    watched=MappingProxyType({"length": "metric:length"}),
)
