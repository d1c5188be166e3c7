"""Prompts as values: a text or a conversation to be answered, with answers that people wrote. No disk, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rshub.rewards.samples import Turn
from rshub.types import Digest


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One prompt with what people wrote for it.

    Args:
        text: What is asked; of a conversation, what was said, a line for each turn.
        references: Good answers.
        rejected: Answers that were judged worse than the first reference.
        turns: The conversation so far, its last turn waiting for an answer; empty for a plain text.
    """

    text: str
    references: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()

    def asked(self) -> str | list[dict[str, str]]:
        """Give the prompt as trainers and chat templates take it: a text, or messages."""
        if not self.turns:
            return self.text
        return [{"role": turn.role, "content": turn.content} for turn in self.turns]


def said(turns: Sequence[Turn]) -> str:
    """Give what was said in a conversation, a line for each turn."""
    return "\n".join(turn.content for turn in turns)


@dataclass(frozen=True, kw_only=True)
class PromptSet:
    """Prompts with their origin.

    Args:
        prompts: In the order of the file.
        name: How they were named, the commit included when they come from a repo.
        split: The split of a repo, or the file's name without its ending.
        digest: The sha256 of the file's bytes.
    """

    prompts: tuple[Prompt, ...]
    name: str
    split: str
    digest: Digest

    def facts(self) -> dict[str, Any]:
        """Describe the origin for a scores file or a manifest."""
        return {"name": self.name, "split": self.split, "sha256": self.digest}

    def references(self) -> tuple[tuple[str, ...], ...]:
        """Give the references of every prompt: what a reward fits its statistics on."""
        return tuple(prompt.references for prompt in self.prompts)

    def rows(self) -> list[dict[str, Any]]:
        """Give the prompts as the rows of a training set."""
        return [{"prompt": prompt.asked(), "references": list(prompt.references)} for prompt in self.prompts]
