"""Prompts as the rows that each method's trainer takes; prompts that a method cannot learn from are refused before.

Reinforcement takes prompts and references, supervised training the first reference as the completion, preferences the
first reference against the first rejected answer. Where neither a prompt ends with white space nor its answer begins
with it, a space goes between them.
"""

from __future__ import annotations

from typing import Any

from rshub.errors import InvalidInput
from rshub.prompts.prompt import Prompt, PromptSet
from rshub.training.recipe import Recipe

_FORMS = {
    "references": '{"prompt": "...", "references": ["..."]}',
    "rejected": '{"prompt": "...", "references": ["..."], "rejected": ["..."]}',
}


def rows_of(recipe: Recipe, asked: PromptSet) -> list[dict[str, Any]]:
    """Give the training set of a method."""
    prompts = asked.prompts
    if recipe.method == "sft":
        return [{"prompt": one.asked(), "completion": _answer(one, one.references[0])} for one in prompts]
    if recipe.method == "dpo":
        return [
            {
                "prompt": one.asked(),
                "chosen": _answer(one, one.references[0]),
                "rejected": _answer(one, one.rejected[0]),
            }
            for one in prompts
        ]
    return asked.rows()


def refuse_bare(recipe: Recipe, prompts: PromptSet) -> None:
    """Refuse prompts that lack what the method or a reward in use needs, before an hour is spent on them.

    Raises:
        InvalidInput: Texts and conversations are mixed, or answers are missing; with how many.
    """
    if len({bool(one.turns) for one in prompts.prompts}) > 1:
        raise InvalidInput(
            f"{prompts.name}: texts and conversations are mixed",
            where=prompts.name,
            remedy="write all prompts as texts, or all as lists of messages",
        )
    for column in {"sft": ("references",), "dpo": ("references", "rejected")}.get(recipe.method, ()):
        bare = [number for number, one in enumerate(prompts.prompts, start=1) if not getattr(one, column)]
        if bare:
            raise InvalidInput(
                f"{prompts.name}: {len(bare)} of {len(prompts.prompts)} prompts have no {column}, which "
                f"{recipe.method} learns from; the first is prompt {bare[0]}",
                where=prompts.name,
                remedy=f"write lines like {_FORMS[column]}",
            )
    if not recipe.reinforced or any(one.references for one in prompts.prompts):
        return
    needy = [name for name in recipe.mixture() if recipe.rewards[name].needs_references]
    if needy:
        raise InvalidInput(
            f"{prompts.name}: no prompt has references, which {needy[0]} needs",
            where=prompts.name,
            remedy=f"write lines like {_FORMS['references']}",
        )


def scored(recipe: Recipe, prompts: PromptSet) -> list[Prompt]:
    """Give the prompts that every reward in use can score: from others nothing is learned."""
    bare = recipe.reinforced and any(recipe.rewards[name].needs_references for name in recipe.mixture())
    return [one for one in prompts.prompts if one.references or not bare]


def refuse_few(recipe: Recipe, count: int, name: str) -> None:
    """Refuse prompts that do not fill one batch.

    Raises:
        InvalidInput: With the batch that they would fill, if any is left.
    """
    if not count:
        raise InvalidInput(
            f"{name}: no prompt is left",
            where="max_prompt_length",
            remedy=f"raise max_prompt_length, {recipe.max_prompt_length} now, or leave it out",
        )
    if recipe.reinforced and count * recipe.num_generations < recipe.batch:
        raise InvalidInput(
            f"{name}: {count} prompts are too few for a batch of {recipe.batch} completions",
            where="batch",
            remedy=f"lower batch to {count * recipe.num_generations}, or give more prompts",
        )


def _answer(prompt: Prompt, answer: str) -> str | list[dict[str, str]]:
    if prompt.turns:
        return [{"role": "assistant", "content": answer}]
    apart = prompt.text[-1:].isspace() or answer[:1].isspace()
    return answer if apart else f" {answer}"
