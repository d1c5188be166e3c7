"""How many tokens a model has room for: prompt and completion together must fit."""

from __future__ import annotations

from typing import Any


def room_of(config: Any) -> int | None:
    """Give the most tokens that a causal language model takes, as its transformers config says; None for no limit."""
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    return positions if isinstance(positions, int) and positions > 0 else None
