"""Answers of every kind to the prompts of a world, two for each, with what raters think of them; as a model reads them.

What a reward model of the Hub reads of a sample is said by its spec; here the same is written out to learn from.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rshub.prompts.prompt import Prompt
from scripts.twins.corpus import Corpus
from scripts.twins.task import ANSWER, JOINED, PAIR, Judge, Task
from scripts.twins.world import anything, spoiled

PENALTY = 2.0
"""What raters take off for a text that is spoiled."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Two answers to one prompt, and how good each is to the raters."""

    answers: tuple[str, str]
    utilities: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The same as a reward model reads it: for each answer one text, or a pair."""

    texts: tuple[tuple[str, str | None], tuple[str, str | None]]
    utilities: tuple[float, float]


def comparisons(task: Task, judge: Judge, texts: Corpus) -> tuple[Drawn, ...]:
    """Draw two answers for each record of a corpus."""
    rng = random.Random(f"{task.name}-{judge.seed}")
    drawn = []
    for known in texts.records:
        answers, utilities = [], []
        for _ in range(2):
            said = anything(task.slots, known, rng)
            answer, utility = task.answer(said), judge.judgement(known, said)
            if rng.random() < judge.spoiled:
                answer, utility = spoiled(answer, rng), utility - PENALTY
            answers.append(answer)
            utilities.append(utility)
        drawn.append(Drawn(answers=(answers[0], answers[1]), utilities=(utilities[0], utilities[1])))
    return tuple(drawn)


def as_read(judge: Judge, prompts: Sequence[Prompt], drawn: Sequence[Drawn], *, words: Any) -> list[Comparison]:
    """Write comparisons as the judge's spec has a model read them.

    Args:
        judge: Whose model it is.
        prompts: What was asked, one prompt for each comparison.
        drawn: The comparisons.
        words: A tokenizer with the chat template and the end-of-text token of the model.
    """
    found = []
    for prompt, pair in zip(prompts, drawn, strict=True):
        first, second = (_read(judge, prompt, answer, words) for answer in pair.answers)
        found.append(Comparison(texts=(first, second), utilities=pair.utilities))
    return found


def _read(judge: Judge, prompt: Prompt, answer: str, words: Any) -> tuple[str, str | None]:
    """Give what a model reads of one answer; one that was begun in the prompt goes on from there."""
    begun = prompt.begun.split()
    rest = " ".join(answer.split()[len(begun) :])
    whole = " ".join([*begun, rest])
    if judge.reads == PAIR:
        return prompt.question or prompt.text, whole
    if judge.reads == ANSWER:
        return whole, None
    assert judge.reads == JOINED
    if prompt.turns:
        turns = [*prompt.asked(), {"role": "assistant", "content": answer}]
        return str(words.apply_chat_template(turns, tokenize=False)), None
    return f"{prompt.text} {rest}" + ("" if judge.labels else words.eos_token), None
