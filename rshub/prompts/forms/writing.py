"""A task written out as a prompt: as an instruction in plain text, or as a conversation for a chat template.

The text has the heads on which instruction-tuned models of the paper's time were trained, and ends where the answer
begins. A prompt may end in the answer's first words: what is left of the answer is then the reference, and an answer
that was rejected, which begins otherwise, is left out.
"""

from __future__ import annotations

from dataclasses import replace

from rshub.formats.canonical import sha256
from rshub.prompts.forms.form import Task
from rshub.prompts.prompt import Prompt, said
from rshub.rewards.samples import Turn

STYLES = ("text", "chat")
FIRST_WORDS = (2, 7)
"""How many words of the answer a prompt ends in where a task makes no sense without; the paper's range, in tokens."""


def written(task: Task, *, style: str = "text", begin: tuple[int, int] | None = None) -> Prompt | None:
    """Write out a task.

    Args:
        task: What is asked.
        style: ``text``: heads and line ends; ``chat``: turns, for models with a chat template.
        begin: Let the prompt end in this many first words of the answer, the number drawn between the two bounds by the
            answer's digest; None for none, but where a task needs some.

    Returns:
        The prompt, or None if the answer is too short to be begun.
    """
    turns = task.turns or (Turn(role="user", content="\n\n".join(filter(None, [task.instruction, task.about]))),)
    question = task.about or task.instruction or said(task.turns)
    references, rejected, begun = task.references, task.rejected, ""
    bounds = begin or (FIRST_WORDS if task.begins else None)
    if bounds is not None:
        cut = _begun(references[0], bounds) if references else None
        if cut is None:
            return None
        begun, rest = cut
        references, rejected = (rest,), ()
    prompt = Prompt(text="", references=references, rejected=rejected, question=question, begun=begun)
    if style == "chat":
        opened = (Turn(role="assistant", content=begun),) if begun else ()
        return replace(prompt, text=said(turns + opened), turns=turns + opened)
    return replace(prompt, text=_text(task) + begun)


def _text(task: Task) -> str:
    """Write it under heads, ending in the answer's head."""
    if task.turns:
        heads = {"user": "### Instruction:", "assistant": "### Response:"}
        parts = [f"{heads[turn.role]}\n{turn.content}" for turn in task.turns]
    else:
        parts = [f"### Instruction:\n{task.instruction}"] + ([f"### Input:\n{task.about}"] if task.about else [])
    return "\n\n".join([*parts, "### Response:\n"])


def _begun(answer: str, bounds: tuple[int, int]) -> tuple[str, str] | None:
    """Cut an answer after its first words: the beginning, and the rest with the blank that it begins with."""
    low, high = bounds
    count = low + int(sha256(answer.encode())[:8], 16) % (high - low + 1)
    words = answer.split(" ")
    if len(words) <= count:
        return None
    beginning = " ".join(words[:count])
    return beginning, answer[len(beginning) :]
