"""How long prompts and answers are in tokens of the base, as the trainer gives them to the model, and whether they fit.

A model with learned positions fails on a text that is longer than it has room for, others go on beyond what they were
trained for; so neither is begun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rshub.errors import InvalidInput
from rshub.evaluation.generate import Asked, encoded
from rshub.evaluation.room import overflow
from rshub.training.recipe import Recipe

_ANSWERS = ("completion", "chosen", "rejected")
"""Columns that hold what follows a prompt."""


def refuse_long(recipe: Recipe, rows: Sequence[Mapping[str, Any]], tokenizer: Any, *, room: int | None) -> None:
    """Refuse a training set with a text that the base cannot take.

    Args:
        recipe: How long completions may get, or how much of an answer is learned from.
        rows: The training set in the trainer's own columns.
        tokenizer: The base's.
        room: Tokens that the base takes at most; None for no limit.

    Raises:
        InvalidInput: There is no room for the longest text; with what to lower.
        Incompatible: The base's chat template refuses a conversation.
    """
    if recipe.reinforced:
        longest = max(len(encoded(tokenizer, row["prompt"])) for row in rows)
        if found := overflow(room, longest, recipe.max_completion_length):
            left = (room or 0) - recipe.max_completion_length
            raise InvalidInput(
                f"base: {found}",
                where="max_prompt_length",
                remedy=f"set max_prompt_length: {left}" if left > 0 else f"set max_completion_length below {room}",
            )
        return
    answers = [name for name in _ANSWERS if name in rows[0]]
    longest = max(_answered(row["prompt"], row[name], tokenizer) for name in answers for row in rows)
    if room is not None and min(longest, recipe.max_length or longest) > room:
        raise InvalidInput(
            f"base: it has room for {room} tokens; the longest prompt with its answer has {longest}",
            where="max_length",
            remedy=f"set max_length: {room}",
        )


def _answered(prompt: Asked, answer: Any, tokenizer: Any) -> int:
    """Count the tokens of a prompt with its answer; a text is followed by the token that ends it."""
    if isinstance(prompt, str):
        return len(encoded(tokenizer, prompt + answer)) + 1
    return len(encoded(tokenizer, [*prompt, *answer], begin=False))
