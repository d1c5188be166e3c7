"""What a reward looks at, one type for each modality. Values only: no scoring, no loading."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TextSample:
    """One generated text with what it answers and what good answers look like.

    Args:
        prompt: The text that the model was given.
        completion: The text that the model wrote, without special tokens.
        references: Texts that people wrote for the prompt; empty when there are none.
    """

    prompt: str
    completion: str
    references: tuple[str, ...] = ()
