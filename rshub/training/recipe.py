"""A recipe as a value: what is trained, on what, from where, for which rewards, with which settings.

Which keys a method has stands here too: a key that a method would not look at is no key of its recipes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rshub.formats.fields import nearest
from rshub.rewards.spec import Reward

_EVERY = (
    "method base init artefact dtype dataset rewards reward_weights lora seed steps epochs learning_rate warmup_steps "
    "schedule optimizer weight_decay max_grad_norm batch micro_batch max_prompt_length log_steps save_steps report_to "
    "eval_prompts eval_limit"
)
_REINFORCED = (
    "beta mini_batch num_generations num_iterations min_completion_length max_completion_length temperature kl_budget "
    "stop_at"
)
KEYS: Mapping[str, frozenset[str]] = {
    "rloo": frozenset(f"{_EVERY} {_REINFORCED} normalize_advantages".split()),
    "grpo": frozenset(f"{_EVERY} {_REINFORCED} scale_rewards".split()),
    "sft": frozenset(f"{_EVERY} max_length".split()),
    "dpo": frozenset(f"{_EVERY} beta max_length".split()),
}
"""The keys of each method's recipes."""

METHODS = tuple(KEYS)
REINFORCEMENT = ("rloo", "grpo")
"""Methods that sample completions and learn from rewards; the others learn from texts that are there."""

OBJECTIVES: Mapping[str, str] = {"rloo": "rl", "grpo": "rl", "sft": "ce", "dpo": "dpo"}
"""What each method optimises, in the manifest's words."""

BETAS: Mapping[str, float] = {"rloo": 0.05, "grpo": 0.05, "sft": 0.0, "dpo": 0.1}


@dataclass(frozen=True, kw_only=True)
class LoraSettings:
    """The adapter that is trained: rank, scale numerator, share of inputs dropped, and which modules get one.

    None is what a recipe left open: the usual value, or that of the adapter which is continued.
    """

    r: int | None = None
    alpha: float | None = None
    dropout: float | None = None
    target_modules: str | tuple[str, ...] | None = None

    def filled(self, others: LoraSettings) -> LoraSettings:
        """Take from others what is open here."""
        said = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return dataclasses.replace(others, **{name: value for name, value in said.items() if value is not None})

    def to_json(self) -> dict[str, Any]:
        """Write what was said as it stands in a recipe."""
        said = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}
        return {name: value for name, value in plain.items() if value is not None}


USUAL_LORA = LoraSettings(r=8, alpha=16.0, dropout=0.0, target_modules="all-linear")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run.

    Args:
        method: ``rloo``: REINFORCE with a leave-one-out baseline; ``grpo``: the mean of a prompt's completions as the
            baseline; ``sft``: supervised, on the first reference of each prompt; ``dpo``: the first reference preferred
            to the first rejected answer.
        base: The base model: ``owner/repo``, ``owner/repo@revision`` or a directory.
        init: Where the training starts: ``base``; ``merged[:repo]``, a base that has something merged into it;
            ``adapter:PLACE``, an adapter that is continued; ``stacked:PLACE``, one that stays frozen below a new one.
            A place is ``owner/repo[@revision]`` or a directory.
        artefact: ``lora`` trains an adapter, ``full`` every weight.
        dtype: The precision in which the base is held; what is trained is float32 in an adapter.
        dataset: The prompts: a JSONL file, or ``owner/repo[@revision]:split``; columns ``prompt``, ``references`` and,
            for pairs, ``rejected``.
        rewards: Name to reward. Reinforcement logs all of them; the other methods only name what an expert is for.
        reward_weights: Name to weight: one of them 1 trains an expert, several train on their mixture.
        lora: The adapter.
        seed: Decides the adapter's start, the order of the prompts and what is sampled. Experts that share it start
            from the same adapter.
        steps: Optimiser steps.
        epochs: Instead of steps: how often the prompts are gone through.
        learning_rate: The rate after the warm-up.
        warmup_steps: Steps over which the rate rises from zero.
        schedule: What the rate does after the warm-up.
        optimizer: ``adam``, ``adamw``, ``sgd`` or ``adafactor``.
        weight_decay: Decoupled from the gradient.
        max_grad_norm: Longer gradients are cut to this length; 0 leaves them.
        beta: How much the divergence from the start costs, per nat: in ``rloo`` of a whole completion, in ``grpo`` of a
            token, in ``dpo`` the inverse of its temperature.
        batch: Completions that are sampled from one policy, a multiple of ``num_generations``; in the other methods the
            rows of a step.
        mini_batch: Completions of an optimiser step; None for the whole batch in one.
        micro_batch: Completions in memory at once, whose gradients are added up; None for a whole step.
        num_generations: Completions of one prompt.
        num_iterations: How often a batch is learned from.
        min_completion_length: With it, each completion is cut off at a length of its own, drawn evenly between this and
            ``max_completion_length``, unless it ends before.
        max_completion_length: Tokens in a completion at most.
        max_prompt_length: Prompts of more tokens are left out, and counted.
        max_length: Tokens of prompt and answer that are learned from at most; None for all.
        temperature: Of the sampling.
        normalize_advantages: Whether advantages are scaled to unit variance within a batch.
        scale_rewards: What advantages are divided by: nothing (``none``), which leaves the weighted sum of the rewards
            as it is, or the deviation within a ``group`` or a ``batch``.
        kl_budget: Stop when the divergence from the start is above this (nats per token).
        stop_at: Reward name to value: stop when one is as good.
        log_steps: A line in the log every so many steps.
        save_steps: A checkpoint to resume from every so many steps; 0 for none.
        report_to: Trackers that are told as well: tensorboard, trackio, wandb.
        eval_prompts: Prompts on which all rewards are measured at the end.
        eval_limit: Only the first so many of them.
    """

    method: str
    base: str
    dataset: str
    rewards: Mapping[str, Reward] = field(default_factory=dict)
    reward_weights: Mapping[str, float] = field(default_factory=dict)
    init: str = "base"
    artefact: str = "lora"
    dtype: str = "float32"
    lora: LoraSettings = LoraSettings()
    seed: int = 0
    steps: int | None = 100
    epochs: float | None = None
    learning_rate: float = 1e-4
    warmup_steps: int = 0
    schedule: str = "constant"
    optimizer: str = "adamw"
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    beta: float = 0.05
    batch: int = 64
    mini_batch: int | None = None
    micro_batch: int | None = None
    num_generations: int = 8
    num_iterations: int = 1
    min_completion_length: int | None = None
    max_completion_length: int = 128
    max_prompt_length: int | None = None
    max_length: int | None = None
    temperature: float = 1.0
    normalize_advantages: bool = True
    scale_rewards: str = "none"
    kl_budget: float | None = None
    stop_at: Mapping[str, float] = field(default_factory=dict)
    log_steps: int = 1
    save_steps: int = 0
    report_to: tuple[str, ...] = ()
    eval_prompts: str | None = None
    eval_limit: int | None = None

    @property
    def reinforced(self) -> bool:
        """Whether completions are sampled and rewards learned from."""
        return self.method in REINFORCEMENT

    @property
    def per_update(self) -> int:
        """Completions or rows of one optimiser step."""
        return self.mini_batch or self.batch

    @property
    def at_once(self) -> int:
        """Completions or rows in memory at once."""
        return self.micro_batch or self.per_update

    @property
    def updates(self) -> int:
        """Optimiser steps that one batch is used for."""
        return self.batch // self.per_update * self.num_iterations if self.reinforced else 1

    def steps_over(self, prompts: int) -> int:
        """Give the optimiser steps of the run over so many prompts."""
        if self.epochs is None:
            return self.steps or 1
        if self.reinforced:
            each = prompts // (self.batch // self.num_generations) * self.updates
        else:
            each = -(-prompts // self.batch)
        return max(1, int(self.epochs * each))

    def mixture(self) -> dict[str, float]:
        """Give the share of each reward that is trained on; the sizes of the shares sum to 1."""
        total = sum(abs(weight) for weight in self.reward_weights.values())
        return {name: weight / total for name, weight in sorted(self.reward_weights.items()) if weight}

    def to_json(self) -> dict[str, Any]:
        """Write the recipe as a mapping that reads back as the same recipe: its method's keys, but for the unset."""
        plain = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        written = plain | {
            "rewards": {name: reward.spec for name, reward in sorted(self.rewards.items())},
            "reward_weights": dict(sorted(self.reward_weights.items())),
            "lora": self.lora.to_json(),
            "stop_at": dict(sorted(self.stop_at.items())),
            "report_to": list(self.report_to),
        }
        return {
            key: value for key, value in written.items() if key in KEYS[self.method] and value not in (None, {}, [])
        }


def why_not(key: str, method: str) -> str:
    """Say why a key is none of a method's recipes."""
    having = [name for name in METHODS if key in KEYS[name]]
    if having:
        return f"{method} has no such key, only {' and '.join(having)}"
    guess = nearest(key, KEYS[method])
    return "no such key" + (f"; did you mean {guess!r}?" if guess else "")
