"""Rewards as the trainer wants them: callables with a name, a list of floats or None out.

Every reward of a recipe is handed over, those that are only watched with weight zero, so that each training log carries
all of them. A completion that a reward in use leaves unscored is unscored for all: the trainer would otherwise take the
missing score for a zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rshub.rewards.samples import TextSample
from rshub.rewards.spec import Reward

RewardFunction = Callable[..., list[float | None]]


def reward_functions(
    rewards: Mapping[str, Reward], weights: Mapping[str, float]
) -> tuple[list[RewardFunction], list[float]]:
    """Give the callables for a trainer and their weights, in the order of ``rewards``.

    Args:
        rewards: Name to reward; the names are the keys of the training log.
        weights: Name to weight; a reward that is not named is only watched. A reward to be minimised gets the
            opposite sign.
    """
    table = _ScoreTable(rewards, used=frozenset(name for name, weight in weights.items() if weight))
    signs = {name: -1.0 if reward.direction == "min" else 1.0 for name, reward in rewards.items()}
    return [table.function(name) for name in rewards], [signs[name] * weights.get(name, 0.0) for name in rewards]


class _ScoreTable:
    """The scores of the latest batch, worked out once and handed out reward by reward."""

    def __init__(self, rewards: Mapping[str, Reward], used: frozenset[str]) -> None:
        self._rewards = rewards
        self._used = used
        self._batch: Any = None
        self._scores: dict[str, list[float | None]] = {}

    def function(self, name: str) -> RewardFunction:
        """Make the callable for one reward; its ``__name__`` becomes the key in the log."""

        def score(
            prompts: Sequence[Any], completions: Sequence[Any], references: Sequence[Sequence[str]] = (), **_: Any
        ) -> list[float | None]:
            if self._batch is not completions:
                self._scores = self._score(prompts, completions, references)
                self._batch = completions
            return self._scores[name]

        score.__name__ = name
        return score

    def _score(
        self, prompts: Sequence[Any], completions: Sequence[Any], references: Sequence[Sequence[str]]
    ) -> dict[str, list[float | None]]:
        samples = [
            TextSample(prompt=_text(prompt), completion=_text(completion), references=tuple(wanted))
            for prompt, completion, wanted in zip(prompts, completions, references or [()] * len(prompts), strict=True)
        ]
        scores = {name: reward(samples, {}) for name, reward in self._rewards.items()}
        scored = np.ones(len(samples), dtype=bool)
        for name in self._used:
            scored &= np.isfinite(scores[name])
        return {
            name: [
                float(value) if known and np.isfinite(value) else None
                for value, known in zip(column, scored, strict=True)
            ]
            for name, column in scores.items()
        }


def _text(message: str | Sequence[Mapping[str, str]]) -> str:
    """Give the text of a prompt or completion, plain or as a conversation."""
    return message if isinstance(message, str) else "\n".join(str(part["content"]) for part in message)
