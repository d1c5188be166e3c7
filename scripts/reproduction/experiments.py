"""What is trained: experts, models for mixtures of rewards, second seeds, and experts of which every weight is trained.

All runs of a task share its base, its prompts and its recipe; only what a ``Run`` says differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WHOLE: Mapping[str, Any] = {"artefact": "full", "lora": None, "learning_rate": 3e-4}
"""What differs when all weights are trained: no adapter, and a rate that suits weights rather than factors."""

UNIFORM = "morl-uniform"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One model to train: its name, the share of each reward, and what it does not have from the task's recipe."""

    name: str
    mixture: Mapping[str, float]
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def preference(self) -> str:
        """The mixture as a preference string."""
        return ", ".join(f"{name}={share:g}" for name, share in self.mixture.items())


def second_seed(reward: str) -> str:
    """Name the expert of another seed."""
    return f"{reward}.seed1"


def whole(reward: str) -> str:
    """Name the expert of which every weight was trained."""
    return f"{reward}.full"


def mixed(second: str, tenths: int) -> str:
    """Name the model trained on a mixture, so many tenths of it for the second reward."""
    return f"morl-{second}-0.{tenths}"


def between(first: str, second: str, tenths: int) -> dict[str, float]:
    """Divide 1 between two names, so many tenths of it for the second."""
    return {first: (10 - tenths) / 10, second: tenths / 10}


def runs(rewards: Sequence[str], morl: Sequence[int]) -> dict[str, Run]:
    """List every run that a claim may ask for; only those that one does are trained.

    Args:
        rewards: The task's rewards; the first two make the pictures.
        morl: Mixtures of these two, in tenths of the second.
    """
    first, second = rewards[:2]
    every = [Run(name=reward, mixture={reward: 1.0}) for reward in rewards]
    every += [Run(name=second_seed(reward), mixture={reward: 1.0}, seed=1) for reward in (first, second)]
    every += [Run(name=whole(reward), mixture={reward: 1.0}, settings=WHOLE) for reward in (first, second)]
    every += [Run(name=mixed(second, tenths), mixture=between(first, second, tenths)) for tenths in morl]
    every += [Run(name=UNIFORM, mixture=dict.fromkeys(rewards, 1.0 / len(rewards)))]
    return {run.name: run for run in every}


def recipe(run: Run, *, task: Mapping[str, Any], steps: int | None) -> dict[str, Any]:
    """Give the recipe of one run: the task's, with what differs; None takes a key away."""
    wanted = {
        **task,
        **run.settings,
        "seed": run.seed,
        "reward_weights": dict(run.mixture),
        **({} if steps is None else {"steps": steps, "warmup_steps": 0}),
    }
    return {key: value for key, value in wanted.items() if value is not None}
