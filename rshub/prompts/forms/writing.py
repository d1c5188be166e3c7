"""An exercise written out as a prompt: as an instruction in plain text, or as a conversation for a chat template.

The text has the heads on which instruction-tuned models of the paper's time were trained, and ends where the answer
begins. A prompt may end in the answer's first words: what is left of the answer is then the reference, and an answer
that was rejected, which begins otherwise, is left out.
"""

from __future__ import annotations

from dataclasses import replace

from rshub.formats.canonical import sha256
from rshub.prompts.forms.form import Exercise
from rshub.prompts.prompt import Prompt, said
from rshub.rewards.samples import Turn

STYLES = ("text", "chat")
FIRST_WORDS = (2, 7)
"""How many words of the answer a prompt ends in where it makes no sense without; the paper's range, in tokens."""


def written(exercise: Exercise, *, style: str = "text", begin: tuple[int, int] | None = None) -> Prompt | None:
    """Write out an exercise.

    Args:
        exercise: What is asked.
        style: ``text``: heads and line ends; ``chat``: turns, for models with a chat template.
        begin: Let the prompt end in this many first words of the answer, the number drawn between the two bounds by the
            answer's digest; None for none, but where an exercise needs some.

    Returns:
        The prompt, or None if the answer is too short to be begun.
    """
    turns = exercise.turns or (
        Turn(role="user", content="\n\n".join(filter(None, [exercise.instruction, exercise.about]))),
    )
    question = exercise.about or exercise.instruction or said(exercise.turns)
    references, rejected, begun = exercise.references, exercise.rejected, ""
    bounds = begin or (FIRST_WORDS if exercise.begins else None)
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
    return replace(prompt, text=_text(exercise) + begun)


def _text(exercise: Exercise) -> str:
    """Write it under heads, ending in the answer's head."""
    if exercise.turns:
        heads = {"user": "### Instruction:", "assistant": "### Response:"}
        parts = [f"{heads[turn.role]}\n{turn.content}" for turn in exercise.turns]
    else:
        parts = [f"### Instruction:\n{exercise.instruction}"] + (
            [f"### Input:\n{exercise.about}"] if exercise.about else []
        )
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
