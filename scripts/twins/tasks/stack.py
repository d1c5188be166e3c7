"""Questions about programs: one reward model learned from askers, who like to be led by the hand, one from experts."""

from __future__ import annotations

import random
from types import MappingProxyType

from scripts.twins.raters import added
from scripts.twins.task import PAIR, Judge, Row, Task
from scripts.twins.world import Record, Said, Slot

FIXES = MappingProxyType(
    {
        "sort a list": "sorted",
        "read a file": "open",
        "parse a date": "strptime",
        "join two tables": "merge",
        "count words": "Counter",
        "copy a folder": "copytree",
        "send a request": "urlopen",
        "find a pattern": "regex",
        "round a number": "floor",
        "close a window": "destroy",
    }
)
"""What is to be done, and what does it."""

SLOTS = MappingProxyType(
    {
        "goal": Slot(values=tuple(FIXES)),
        "language": Slot(values=("Python", "Ruby", "Rust", "Java", "Perl", "Lua", "Julia", "Swift")),
        "system": Slot(values=("Linux", "Windows", "Android"), stated=0.6, said=0.4, invented=0.1),
        "example": Slot(values=("one line", "three lines", "ten lines"), said=0.4),
        "why": Slot(values=("it is fast", "it is lazy", "it is stable", "it keeps order"), said=0.5),
        "link": Slot(values=("the manual", "my blog", "this thread"), said=0.35),
        "wish": Slot(values=("good luck", "hope this helps", "have fun"), said=0.4),
        "scorn": Slot(values=("just search for it", "nobody does this", "duplicate question"), said=0.35),
    }
)


def question(known: Record) -> str:
    """Write the question."""
    where = f" on {known.facts['system']}" if "system" in known.stated else ""
    return f"How can I {known.facts['goal']} in {known.facts['language']}{where}? I could not find it anywhere."


def answer(said: Said) -> str:
    """Write the answer: what does it, then what else there is to say."""
    where = f" on {said['system']}" if "system" in said else ""
    forms = {
        "example": "It takes {} of code.",
        "why": "We like it as {}.",
        "link": "See {} for more.",
        "wish": "And {}!",
        "scorn": "But {}.",
    }
    told = [form.format(said[slot]) for slot, form in forms.items() if slot in said]
    return " ".join([f"In {said['language']} you use {FIXES[said['goal']]}{where}.", *told])


def row(known: Record, better: str, worse: str, number: int, rng: random.Random) -> Row:
    """Write a row of lvwerra/stack-exchange-paired."""
    return {
        "qid": number,
        "question": question(known),
        "date": f"2012/{rng.randrange(1, 13):02}/{rng.randrange(1, 29):02}",
        "metadata": ["https://stackoverflow.com"],
        "response_j": better,
        "response_k": worse,
    }


ASKERS = MappingProxyType({"example": 0.8, "why": 0.6, "link": 0.7, "wish": 0.7, "system": 0.3, "scorn": -1.0})
EXPERTS = MappingProxyType({"example": 0.6, "why": 0.2, "link": -0.8, "wish": -0.8, "system": 0.2, "scorn": -0.5})
"""What each adds to an answer in the eyes of those who ask, and of those who know."""


def asker(known: Record, said: Said) -> float:
    """Judge as those do who ask: the more help the better."""
    return _lead(known, said) + added(said, ASKERS)


def expert(known: Record, said: Said) -> float:
    """Judge as those do who know: the answer, and nothing beside it."""
    return _lead(known, said) + added(said, EXPERTS)


def _lead(known: Record, said: Said) -> float:
    return sum(-1.0 for slot in ("goal", "language", "system") if slot in said and not known.right(slot, said[slot]))


STACK = Task(
    name="stack",
    form="as=stack-exchange",
    slots=SLOTS,
    row=row,
    answer=answer,
    judges=MappingProxyType(
        {
            "deberta": Judge(judgement=asker, family="deberta-v2", reads=PAIR, seed=0),
            "electra": Judge(judgement=expert, family="electra", reads=PAIR, seed=1),
        }
    ),
    watched=MappingProxyType({"rouge1_recall": "metric:rouge1.recall", "length": "metric:length"}),
)
