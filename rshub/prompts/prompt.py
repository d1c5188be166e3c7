"""Prompts as values: a text or a conversation to be answered, with answers that people wrote. No disk, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rshub.rewards.samples import TextSample, Turn
from rshub.types import Digest


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One prompt with what people wrote for it.

    Args:
        text: What is asked; of a conversation, what was said, a line for each turn.
        references: Good answers.
        rejected: Answers that were judged worse than the first reference.
        turns: The conversation so far, its last turn waiting for an answer; empty for a plain text.
        question: What the prompt is about, without the words that a form put around it; empty when that is all of it.
        begun: The answer's first words, where the prompt ends in them; references and rejected go on from there.
    """

    text: str
    references: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()
    question: str = ""
    begun: str = ""

    def asked(self) -> str | list[dict[str, str]]:
        """Give the prompt as trainers and chat templates take it: a text, or messages."""
        if not self.turns:
            return self.text
        return [{"role": turn.role, "content": turn.content} for turn in self.turns]

    def sample(self, completion: str) -> TextSample:
        """Give what rewards look at when a model answered with this."""
        before = self.turns[:-1] if self.begun else self.turns  # a turn that was begun is one turn with its rest
        said = (*before, Turn(role="assistant", content=self.begun + completion))
        return TextSample(
            prompt=self.text,
            completion=completion,
            references=self.references,
            turns=said if self.turns else (),
            question=self.question,
            begun=self.begun,
        )


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
        digest: The sha256 of the file's bytes; of several files, of the list of theirs.
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
        """Give the prompts as the rows of a training set; what no prompt has is no column."""
        extra = [name for name in ("question", "begun") if any(getattr(prompt, name) for prompt in self.prompts)]
        return [
            {"prompt": prompt.asked(), "references": list(prompt.references)}
            | {name: getattr(prompt, name) for name in extra}
            for prompt in self.prompts
        ]
