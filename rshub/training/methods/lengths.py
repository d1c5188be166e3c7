"""How long prompts and answers are in tokens of the base, as the trainer gives them to the model, and whether they fit.

A model with learned positions fails on a text that is longer than it has room for, others go on beyond what they were
trained for; so neither is begun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rshub.errors import Incompatible, InvalidInput
from rshub.prompts.prompt import Prompt
from rshub.training.recipe import Recipe

Said = str | Sequence[Mapping[str, str]]
"""A text, or the messages of a conversation."""

_ANSWERS = ("completion", "chosen", "rejected")
"""Columns that hold what follows a prompt."""


def lengths(prompts: Sequence[Prompt], tokenizer: Any) -> list[int]:
    """Count the tokens of prompts.

    Raises:
        Incompatible: The base's chat template refuses a conversation.
    """
    return _counted([prompt.asked() for prompt in prompts], tokenizer, begin=True)


def refuse_long(recipe: Recipe, rows: Sequence[Mapping[str, Any]], tokenizer: Any, *, room: int | None) -> None:
    """Refuse a training set with a text for which the base has no room.

    Args:
        recipe: How long completions may get, or how much of an answer is learned from.
        rows: The training set in the trainer's own columns.
        tokenizer: The base's.
        room: Tokens that the base takes at most; None for no limit.

    Raises:
        InvalidInput: With the longest text, and what to lower.
        Incompatible: The base's chat template refuses a conversation.
    """
    if room is None:
        return
    if recipe.reinforced:
        longest = max(_counted([row["prompt"] for row in rows], tokenizer, begin=True))
        left = room - recipe.max_completion_length
        if longest > left:
            raise InvalidInput(
                f"base: it has room for {room} tokens; the longest prompt has {longest}, and a completion may have "
                f"{recipe.max_completion_length}",
                where="max_prompt_length",
                remedy=f"set max_prompt_length: {left}" if left > 0 else f"set max_completion_length below {room}",
            )
        return
    answers = [name for name in _ANSWERS if name in rows[0]]
    whole = [_after(row["prompt"], row[name]) for name in answers for row in rows]
    ending = 1 if isinstance(rows[0]["prompt"], str) else 0  # the token that ends a text; templates bring their own
    longest = max(_counted(whole, tokenizer, begin=False)) + ending
    if min(longest, recipe.max_length or longest) > room:
        raise InvalidInput(
            f"base: it has room for {room} tokens; the longest prompt with its answer has {longest}",
            where="max_length",
            remedy=f"set max_length: {room}",
        )


def _after(prompt: Any, answer: Any) -> Said:
    return prompt + answer if isinstance(prompt, str) else [*prompt, *answer]


def _counted(texts: Sequence[Said], tokenizer: Any, *, begin: bool) -> list[int]:
    """Count tokens; a conversation is followed by what begins the next turn, if asked."""
    plain = [text for text in texts if isinstance(text, str)]
    if len(plain) == len(texts):
        return [len(ids) for ids in tokenizer(plain)["input_ids"]]
    return [_of_messages(text, tokenizer, begin=begin) for text in texts]


def _of_messages(messages: Said, tokenizer: Any, *, begin: bool) -> int:
    try:
        return len(tokenizer.apply_chat_template(messages, add_generation_prompt=begin, return_dict=True)["input_ids"])
    except Exception as fault:  # a template of a repo may raise anything
        raise Incompatible(
            f"the base's chat template refuses a conversation: {fault}",
            where="base",
            remedy="check the roles of the turns in the prompts",
        ) from fault
