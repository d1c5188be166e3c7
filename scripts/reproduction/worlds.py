"""A task's tiny twin, ready to be trained and measured on: base, prompts, rewards, and the recipe that runs share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rshub.demo.recipes import REWARDS, recipe
from rshub.demo.tiny_base import train_base
from rshub.demo.world import corpus, jsonl
from rshub.prompts.prompt import PromptSet
from rshub.prompts.read import read_prompts
from rshub.rewards.spec import Reward, reward_from_spec


@dataclass(frozen=True, kw_only=True)
class World:
    """What there is of one task.

    Args:
        task: Its name.
        base: Every run's start: a repo at a commit, or a folder.
        prompts: The held-out prompts that everything is measured on.
        rewards: What experts are trained for; the first two are a picture's axes.
        extras: Metrics that nobody trains on.
        recipe: What all runs share.
        max_new_tokens: Tokens in a completion at most.
        facts: Lines that say what the twin is made of.
        endpoint: The hub that holds it all.
        token: Who asks there.
    """

    task: str
    base: str
    prompts: PromptSet
    rewards: Mapping[str, Reward]
    extras: Mapping[str, Reward]
    recipe: Mapping[str, Any]
    max_new_tokens: int
    facts: tuple[str, ...] = ()
    endpoint: str | None = None
    token: str | None = None

    @property
    def judged(self) -> dict[str, Reward]:
        """All that every point is measured in."""
        return {**self.rewards, **self.extras}


def open_world(task: str, work: Path, *, prompts: int, fast: bool) -> World:
    base = work / "demo-base"
    if not base.exists():
        train_base(base, steps=40 if fast else 300)
    for name, seed, count in (("train", 7, 2000), ("test", 1, 512)):
        (work / f"{name}.jsonl").write_bytes(jsonl(corpus(count, seed=seed, references=4)))
    shared = recipe("morl", base=str(base), dataset=str(work / "train.jsonl"))
    extras = {"rouge_l": "metric:rouge_l", "length": "metric:length", "bleu4": "metric:bleu4"}
    return World(
        task=task,
        base=str(base),
        prompts=read_prompts(work / "test.jsonl", limit=prompts),
        rewards={name: reward_from_spec(spec) for name, spec in REWARDS.items()},
        extras={name: reward_from_spec(spec) for name, spec in extras.items()},
        recipe=shared,
        max_new_tokens=32,
    )
