"""What a reward looks at, one type for each modality, and what it may know beyond. Values only, no scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

Context = Mapping[str, Any]
"""What is known beyond the samples; every key may be absent, and a reward ignores those that it has no use for.

``corpus``: the references of every prompt of the set, one tuple of texts for each prompt; statistics are fitted on it.
``conversational``: whether there are conversations among the samples.
``device``: where models score (``cpu``, ``cuda:1``); by default an accelerator if there is one.
``batch_size``: texts that a model reads at once.
"""

NO_CONTEXT: Context = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One message of a conversation: who speaks (``user``, ``assistant``, ``system``), and what is said."""

    role: str
    content: str


@dataclass(frozen=True, kw_only=True)
class TextSample:
    """One generated text with what it answers and what good answers look like.

    Args:
        prompt: The text that the model was given; of a conversation, what was said, a line for each turn.
        completion: The text that the model wrote, without special tokens.
        references: Texts that people wrote for the prompt; empty when there are none.
        turns: The whole conversation, the completion's turns at its end; empty for plain texts.
        question: What the prompt is about, without the words around it; empty when that is all of it.
        begun: The first words of the answer, where the prompt ended in them and the completion went on.
    """

    prompt: str
    completion: str
    references: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()
    question: str = ""
    begun: str = ""
