"""How many tokens a model has room for: prompt and completion together must fit."""

from __future__ import annotations

from typing import Any


def room_of(config: Any) -> int | None:
    """Give the most tokens that a causal language model takes, as its transformers config says; None for no limit."""
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    return positions if isinstance(positions, int) and positions > 0 else None


def overflow(room: int | None, longest: int, completion: int) -> str:
    """Say that the longest prompt leaves no room for a completion; nothing where it does (all in tokens)."""
    if room is None or longest + completion <= room:
        return ""
    return f"it has room for {room} tokens; the longest prompt has {longest}, and a completion may have {completion}"
