"""How texts are sampled: what decides them beside the model and the prompts. No torch here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rshub.errors import InvalidInput

BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The settings of a measurement; scores compare only where ``facts`` and the dtype are the same.

    The full softmax is sampled, without top-k and top-p, whatever an expert was trained by. Every prompt has random
    numbers of its own, so the batch decides how much memory is needed and, but for rounding, not what is written.

    Args:
        seeds: Completions for each prompt, with seeds 0, 1, ...
        max_new_tokens: Tokens in a completion at most.
        temperature: Of the softmax; 0 takes the most probable token.
        batch: Prompts that are generated together.

    Raises:
        InvalidInput: A number is out of its range.
    """

    seeds: int = 1
    max_new_tokens: int = 128
    temperature: float = 1.0
    batch: int = BATCH

    def __post_init__(self) -> None:
        counts = (self.seeds, self.max_new_tokens, self.batch)
        if min(counts) < 1 or not 0 <= self.temperature < math.inf:
            raise InvalidInput(
                "seeds, max_new_tokens and batch are at least 1, temperature at least 0",
                where="seeds, max_new_tokens, batch, temperature",
                remedy="choose other numbers",
            )

    @property
    def facts(self) -> dict[str, Any]:
        """Say what decides the texts."""
        return {
            "seeds": self.seeds,
            "max_new_tokens": self.max_new_tokens,
            "temperature": float(self.temperature),
            "top_k": 0,
            "top_p": 1.0,
        }
