"""What a form is: a rule that gives what a row of one data set asks, and what people answered. Values only.

A form reads a row into an ``Exercise``: an instruction, what it is about, and the answers that were liked and rejected.
How that is written out as a prompt is not its business (`rshub.prompts.forms.writing`), nor is where the row came from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rshub.prompts.forms.row import Row
from rshub.rewards.samples import Turn

Lengths = tuple[int, int | None]
"""More characters than the first and, where it is given, fewer than the second."""


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """What one row asks.

    Args:
        instruction: What is to be done; it stands for itself when there is nothing that it is about.
        about: What it is done to.
        turns: A conversation that asks for its next turn; then there is no instruction.
        measured: The text whose length decides whether the row is used.
        references: Good answers.
        rejected: Answers that were judged worse than the first reference.
        identity: Rows that share it ask the same; only the first of them is used. None: a row of its own.
        begins: Whether a prompt makes sense only with the first words of the answer in it.
    """

    instruction: str = ""
    about: str = ""
    turns: tuple[Turn, ...] = ()
    measured: str = ""
    references: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    identity: str | None = None
    begins: bool = False


@dataclass(frozen=True, kw_only=True)
class Form:
    """The form of one public data set.

    Args:
        name: As it stands after ``#as=``.
        exercise: Reads a row; None where it has nothing to ask.
        lengths: Of the text that is measured, unless the user says otherwise.
    """

    name: str
    exercise: Callable[[Row], Exercise | None]
    lengths: Lengths = (0, None)
