"""A recipe: what is trained, on what, for which rewards, with which settings. Read strictly, never executed.

A recipe is a YAML file or a mapping of the same shape. Unknown keys are refused with their path and the nearest key
that exists, values with what was expected; all faults are gathered before one error is raised. ``key.sub=value``
overrides a key of the file and is read by the same rules.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput, NotFound
from rshub.formats.fields import Fields
from rshub.formats.names import REWARD_NAME
from rshub.formats.strict_yaml import MAX_BYTES, load_yaml
from rshub.preferences.preference import INIT
from rshub.rewards.spec import Reward, reward_from_spec

LARGEST_WEIGHT = 1e9
KEY = re.compile(r"[a-z0-9_][a-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class LoraSettings:
    """The adapter that is trained: rank, scale numerator, share of inputs dropped, and which modules get one."""

    r: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    target_modules: str | tuple[str, ...] = "all-linear"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run.

    Args:
        method: ``rloo``: REINFORCE with a leave-one-out baseline.
        base: The base model: ``owner/repo``, ``owner/repo@revision`` or a directory.
        dataset: The prompts: a JSONL file, or ``owner/repo[@revision]:split``; columns ``prompt`` and ``references``.
        rewards: Name to reward; all are logged.
        reward_weights: Name to weight: one of them 1 trains an expert, several train on their mixture.
        lora: The adapter.
        seed: Decides the adapter's start, the order of the prompts and what is sampled. Experts that share it start
            from the same adapter.
        steps: Optimiser steps.
        learning_rate: The rate after the warm-up.
        warmup_steps: Steps over which the rate rises from zero.
        schedule: What the rate does after the warm-up.
        beta: How much the divergence from the base costs, per nat of a whole completion.
        batch: Completions in a step; a multiple of ``num_generations``.
        num_generations: Completions of one prompt.
        max_completion_length: Tokens in a completion at most.
        temperature: Of the sampling.
        normalize_advantages: Whether advantages are scaled to unit variance within a batch.
        log_steps: A line in the log every so many steps.
        save_steps: A checkpoint to resume from every so many steps; 0 for none.
    """

    method: str
    base: str
    dataset: str
    rewards: Mapping[str, Reward]
    reward_weights: Mapping[str, float]
    lora: LoraSettings = LoraSettings()
    seed: int = 0
    steps: int = 100
    learning_rate: float = 1e-4
    warmup_steps: int = 0
    schedule: str = "constant"
    beta: float = 0.05
    batch: int = 64
    num_generations: int = 8
    max_completion_length: int = 128
    temperature: float = 1.0
    normalize_advantages: bool = True
    log_steps: int = 1
    save_steps: int = 0

    def mixture(self) -> dict[str, float]:
        """Give the share of each reward that is trained on; the sizes of the shares sum to 1."""
        total = sum(abs(weight) for weight in self.reward_weights.values())
        return {name: weight / total for name, weight in sorted(self.reward_weights.items()) if weight}

    def to_json(self) -> dict[str, Any]:
        """Write the recipe as a mapping that reads back as the same recipe."""
        plain = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        targets = self.lora.target_modules
        return plain | {
            "rewards": {name: reward.spec for name, reward in sorted(self.rewards.items())},
            "reward_weights": dict(sorted(self.reward_weights.items())),
            "lora": dataclasses.asdict(self.lora)
            | {"target_modules": targets if isinstance(targets, str) else list(targets)},
        }


METHODS = ("rloo",)
SCHEDULES = ("constant", "linear", "cosine")


def read_recipe(recipe: Path | str | Mapping[str, Any], *, overrides: Mapping[str, str] | None = None) -> Recipe:
    """Read a recipe.

    Args:
        recipe: A YAML file, or a mapping of the same shape.
        overrides: Dotted key to value, as written after ``--set``; ``{"lora.r": "4"}``.

    Raises:
        InvalidInput: With every unknown key, wrong value and clash that was found.
        NotFound: If there is no such file.
    """
    if isinstance(recipe, Mapping):
        value, source = copy.deepcopy(dict(recipe)), "recipe"
    else:
        value, source = _load(Path(recipe)), str(recipe)
    for key, text in (overrides or {}).items():
        _override(value, key, text)
    fields = Fields(value, source=source)
    rewards = _rewards(fields)
    weights = _weights(fields, rewards)
    read = Recipe(
        method=fields.choice("method", METHODS),
        base=fields.text("base"),
        dataset=fields.text("dataset"),
        rewards=rewards,
        reward_weights=weights,
        lora=_lora(fields.inner("lora", required=False)),
        seed=fields.integer("seed", default=Recipe.seed, most=2**32 - 1),
        steps=fields.integer("steps", default=Recipe.steps, least=1),
        learning_rate=_positive(fields, "learning_rate", Recipe.learning_rate),
        warmup_steps=fields.integer("warmup_steps", default=Recipe.warmup_steps),
        schedule=fields.choice("schedule", SCHEDULES, default=Recipe.schedule),
        beta=_positive(fields, "beta", Recipe.beta, zero=True),
        batch=fields.integer("batch", default=Recipe.batch, least=2),
        num_generations=fields.integer("num_generations", default=Recipe.num_generations, least=2),
        max_completion_length=fields.integer("max_completion_length", default=Recipe.max_completion_length, least=1),
        temperature=_positive(fields, "temperature", Recipe.temperature),
        normalize_advantages=fields.flag("normalize_advantages", default=Recipe.normalize_advantages),
        log_steps=fields.integer("log_steps", default=Recipe.log_steps, least=1),
        save_steps=fields.integer("save_steps", default=Recipe.save_steps),
    )
    if read.num_generations and read.batch % read.num_generations:
        fields.fault("batch", f"{read.batch} is no multiple of num_generations, {read.num_generations}")
    fields.refuse_unknown()
    fields.finish()
    return read


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return load_yaml(file.read(MAX_BYTES + 1), source=str(path))
    except FileNotFoundError as fault:
        raise NotFound(f"{path}: there is no such recipe", where=str(path), remedy="name a YAML file") from fault
    except OSError as fault:
        raise NotFound(f"{path}: the recipe cannot be read: {fault.strerror}", where=str(path)) from fault


def _override(value: dict[str, Any], key: str, text: str) -> None:
    """Put one ``key.sub=value`` into the recipe; a reward's name may hold dots, so only the first one splits."""
    outer, dot, inner = key.partition(".")
    if not KEY.fullmatch(key) or (dot and not inner):
        raise InvalidInput(f"--set {key}={text}: {key!r} is no key", where=key, remedy="write --set lora.r=4")
    try:
        new = _value(text)
    except InvalidInput as fault:
        raise InvalidInput(f"--set {key}={text}: no plain value", where=key, remedy="write --set lora.r=4") from fault
    if not dot:
        value[outer] = new
        return
    place = value.setdefault(outer, {})
    if not isinstance(place, dict):
        raise InvalidInput(f"--set {key}={text}: {outer!r} holds no keys", where=key, remedy=f"write --set {outer}=...")
    place[inner] = new


def _value(text: str) -> Any:
    """Read one value as the file would hold it after a key."""
    written = load_yaml(f"value: {text}\n".encode(), source="value")
    if len(written) > 1:
        raise InvalidInput("more than one value")
    return written["value"]


def _rewards(fields: Fields) -> dict[str, Reward]:
    rewards: dict[str, Reward] = {}
    for name, spec in fields.mapping(
        "rewards", lambda item: isinstance(item, str), "a reward like metric:length"
    ).items():
        if not REWARD_NAME.fullmatch(name) or name == INIT:
            fields.fault(f"rewards.{name}", "a name is lower-case letters, digits, '.', '_' and '-', and not 'init'")
        elif isinstance(spec, str):
            try:
                rewards[name] = reward_from_spec(spec)
            except InvalidInput as fault:
                fields.fault(f"rewards.{name}", fault.message)
    if fields.raw("rewards") in (None, {}):
        fields.fault("rewards", "missing; name at least one reward with its spec")
    return rewards


def _weights(fields: Fields, rewards: Mapping[str, Reward]) -> dict[str, float]:
    """Read the weights; a single reward needs none."""
    inner = fields.inner("reward_weights", required=False)
    weights = {name: inner.number(name, default=0.0) for name in rewards}
    for name, weight in weights.items():
        if abs(weight) > LARGEST_WEIGHT:
            inner.fault(name, f"{weight:g} is beyond {LARGEST_WEIGHT:g}")
    inner.refuse_unknown()
    if not fields.has("reward_weights") and len(weights) == 1:
        weights = dict.fromkeys(weights, 1.0)
    if rewards and not any(weights.values()):
        fields.fault("reward_weights", f"give a weight to one of {', '.join(rewards)}")
    return weights


def _lora(fields: Fields) -> LoraSettings:
    targets: Any = fields.raw("target_modules", LoraSettings.target_modules)
    named = isinstance(targets, Sequence) and not isinstance(targets, str)
    if named and targets and all(isinstance(target, str) and target for target in targets):
        targets = tuple(targets)
    elif targets != "all-linear":
        fields.fault("target_modules", "all-linear or a list of module names is expected")
    settings = LoraSettings(
        r=fields.integer("r", default=LoraSettings.r, least=1, most=4096),
        alpha=_positive(fields, "alpha", LoraSettings.alpha),
        dropout=_positive(fields, "dropout", LoraSettings.dropout, zero=True),
        target_modules=targets,
    )
    if settings.dropout >= 1:
        fields.fault("dropout", f"{settings.dropout} is not below 1")
    fields.refuse_unknown()
    return settings


def _positive(fields: Fields, key: str, default: float, *, zero: bool = False) -> float:
    value = fields.number(key, default=default)
    if value < 0 or (value == 0 and not zero):
        fields.fault(key, f"{value} is {'below' if zero else 'not above'} zero")
    return value
