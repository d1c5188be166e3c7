r"""Conversations to be answered: the rows of ``Anthropic/hh-rlhf``.

Columns: ``chosen`` and ``rejected``, each a whole dialogue in one text, its turns headed "\n\nHuman: " and
"\n\nAssistant: ". What both share up to the assistant's turn in which they part is asked; that turn of each is the
liked and the rejected answer. A dialogue of another shape asks nothing.

``assistant-opening`` asks only the first question of each dialogue, as the experiments of the paper did, when it is
short; its answer is the first one that was given, which both dialogues often share, so there is mostly no rejected one.
"""

from __future__ import annotations

import re

from rshub.prompts.forms.form import Exercise, Form
from rshub.prompts.forms.row import Row, one_line
from rshub.rewards.samples import Turn

_HEAD = re.compile(r"\n\n(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def exercise(row: Row) -> Exercise | None:
    """Ask for the turn in which the two dialogues part."""
    chosen, rejected = (turns(row.text(column) or "") for column in ("chosen", "rejected"))
    place = next((at for at, (one, other) in enumerate(zip(chosen, rejected, strict=False)) if one != other), None)
    if place is None:
        place = min(len(chosen), len(rejected)) - 1
    before = chosen[:place]
    if place < 1 or chosen[place].role != "assistant" or not chosen[place].content or not _alternate(before):
        return None
    liked, other = chosen[place].content, rejected[place]
    said = other.role == "assistant" and other.content and other.content != liked
    return Exercise(
        turns=before,
        measured=before[0].content,
        references=(liked,),
        rejected=(other.content,) if said else (),
    )


def opening(row: Row) -> Exercise | None:
    """Ask the first question."""
    chosen, rejected = (turns(row.text(column) or "")[:2] for column in ("chosen", "rejected"))
    if [turn.role for turn in chosen] != ["user", "assistant"] or not all(turn.content for turn in chosen):
        return None
    question, answer = chosen
    parted = [turn.content for turn in rejected[1:] if rejected[0] == question and turn not in {question, answer}]
    return Exercise(
        instruction=question.content,
        measured=f"\n\nHuman: {question.content}\n\n",
        references=(answer.content,),
        rejected=tuple(filter(None, parted)),
    )


def turns(dialogue: str) -> tuple[Turn, ...]:
    """Take a dialogue apart; what stands before the first head belongs to nobody and is left out."""
    pieces = _HEAD.split("\n\n" + dialogue.lstrip())
    return tuple(
        Turn(role=_ROLES[head], content=one_line(said)) for head, said in zip(pieces[1::2], pieces[2::2], strict=True)
    )


def _alternate(said: tuple[Turn, ...]) -> bool:
    """Say whether a user begins and ends, and the assistant speaks between; nobody says nothing."""
    roles = [turn.role for turn in said]
    wanted = ["user" if number % 2 == 0 else "assistant" for number in range(len(said))]
    return roles == wanted and roles[-1] == "user" and all(turn.content for turn in said)


FORM = Form(name="assistant", exercise=exercise)
OPENING = Form(name="assistant-opening", exercise=opening, lengths=(5, 100))
