"""Reading a recipe strictly: a YAML file or a mapping of the same shape. Nothing in it is executed.

Unknown keys are refused with their path and the nearest key that exists, values with what was expected; all faults are
gathered before one error is raised. ``key.sub=value`` overrides a key of the file and is read by the same rules.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput, NotFound
from rshub.experts.manifest import ADAPTER_INITS, INIT_KINDS
from rshub.formats.address import parse_address
from rshub.formats.fields import Fields
from rshub.formats.names import REWARD_NAME
from rshub.formats.strict_yaml import MAX_BYTES, load_yaml
from rshub.preferences.preference import INIT
from rshub.rewards.spec import Reward, reward_from_spec
from rshub.training.recipe import BETAS, KEYS, METHODS, REINFORCEMENT, LoraSettings, Recipe, why_not

LARGEST_WEIGHT = 1e9
KEY = re.compile(r"[a-z0-9_][a-z0-9._-]*")

ARTEFACTS = ("lora", "full")
DTYPES = ("float32", "bfloat16")
SCHEDULES = ("constant", "linear", "cosine")
OPTIMIZERS = ("adam", "adamw", "sgd", "adafactor")
SCALES = ("none", "group", "batch")
TRACKERS = ("tensorboard", "trackio", "wandb")


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
    method = fields.choice("method", METHODS)
    method = method if method in KEYS else METHODS[0]
    read = _recipe(fields, method)
    _refuse_clashes(fields, read)
    for key in sorted(set(value) - KEYS[method]):
        fields.fault(str(key), why_not(str(key), method))
    fields.finish()
    return read


def _recipe(fields: Fields, method: str) -> Recipe:
    reinforced = method in REINFORCEMENT
    rewards = _rewards(fields, required=reinforced)
    epochs = _optional(fields, "epochs")
    return Recipe(
        method=method,
        base=fields.text("base"),
        dataset=fields.text("dataset"),
        rewards=rewards,
        reward_weights=_weights(fields, rewards),
        init=_init(fields),
        artefact=fields.choice("artefact", ARTEFACTS, default=Recipe.artefact),
        dtype=fields.choice("dtype", DTYPES, default=Recipe.dtype),
        lora=_lora(fields.inner("lora", required=False)),
        seed=fields.integer("seed", default=Recipe.seed, most=2**32 - 1),
        steps=None if epochs is not None else fields.integer("steps", default=Recipe.steps, least=1),
        epochs=epochs,
        learning_rate=_positive(fields, "learning_rate", Recipe.learning_rate),
        warmup_steps=fields.integer("warmup_steps", default=Recipe.warmup_steps),
        schedule=fields.choice("schedule", SCHEDULES, default=Recipe.schedule),
        optimizer=fields.choice("optimizer", OPTIMIZERS, default=Recipe.optimizer),
        weight_decay=_positive(fields, "weight_decay", Recipe.weight_decay, zero=True),
        max_grad_norm=_positive(fields, "max_grad_norm", Recipe.max_grad_norm, zero=True),
        beta=_positive(fields, "beta", BETAS[method], zero=method != "dpo"),
        batch=fields.integer("batch", default=Recipe.batch, least=2 if reinforced else 1),
        mini_batch=_whole(fields, "mini_batch"),
        micro_batch=_whole(fields, "micro_batch"),
        num_generations=fields.integer("num_generations", default=Recipe.num_generations, least=2),
        num_iterations=fields.integer("num_iterations", default=Recipe.num_iterations, least=1),
        min_completion_length=_whole(fields, "min_completion_length"),
        max_completion_length=fields.integer("max_completion_length", default=Recipe.max_completion_length, least=1),
        max_prompt_length=_whole(fields, "max_prompt_length"),
        max_length=_whole(fields, "max_length"),
        temperature=_positive(fields, "temperature", Recipe.temperature),
        normalize_advantages=fields.flag("normalize_advantages", default=Recipe.normalize_advantages),
        scale_rewards=fields.choice("scale_rewards", SCALES, default=Recipe.scale_rewards),
        kl_budget=_optional(fields, "kl_budget"),
        stop_at=_targets(fields, rewards),
        log_steps=fields.integer("log_steps", default=Recipe.log_steps, least=1),
        save_steps=fields.integer("save_steps", default=Recipe.save_steps),
        report_to=_trackers(fields),
        eval_prompts=fields.optional_text("eval_prompts"),
        eval_limit=_whole(fields, "eval_limit"),
    )


def _refuse_clashes(fields: Fields, read: Recipe) -> None:
    """Note what each key allows by itself and another one does not."""
    if read.epochs is not None and fields.has("steps"):
        fields.fault("epochs", "give steps or epochs, not both")
    if read.reinforced:
        _refuse_uneven(fields, "batch", read.batch, "num_generations", read.num_generations)
        _refuse_uneven(fields, "batch", read.batch, "mini_batch", read.per_update)
    _refuse_uneven(fields, "mini_batch" if read.mini_batch else "batch", read.per_update, "micro_batch", read.at_once)
    if read.save_steps:  # a checkpoint between two lines, or within the use of a batch, could not be resumed exactly
        _refuse_uneven(fields, "save_steps", read.save_steps, "log_steps", read.log_steps)
        if read.save_steps % read.updates:
            fields.fault(
                "save_steps", f"{read.save_steps} is no multiple of the {read.updates} steps that one batch is used for"
            )
    if (read.min_completion_length or 0) > read.max_completion_length:
        fields.fault("min_completion_length", f"it is above max_completion_length, {read.max_completion_length}")
    if read.kl_budget is not None and read.beta == 0:
        fields.fault("kl_budget", "with beta 0 no divergence is measured; give beta a small value")
    if read.optimizer == "adam" and read.weight_decay:
        fields.fault("weight_decay", "adam has none that is decoupled from the gradient; adamw has")
    kind = read.init.partition(":")[0]
    if read.artefact == "full" and fields.has("lora"):
        fields.fault("lora", "with artefact full there is no adapter")
    if read.artefact == "full" and kind in ADAPTER_INITS:
        fields.fault("init", f"{kind} starts an adapter; for artefact full name a base that it is merged into")
    if read.eval_prompts is not None and not read.rewards:
        fields.fault("eval_prompts", "there is no reward to measure on them")
    if read.eval_prompts is not None and kind == "stacked":
        fields.fault("eval_prompts", "an adapter that is stacked on another is not what was trained without it")
    if read.dtype != "float32" and (read.artefact == "full" or kind == "stacked"):
        why = "every weight is trained" if read.artefact == "full" else "the adapter below is added to the base"
        fields.fault("dtype", f"{read.dtype} would round what is learned away, because {why}; float32 does not")


def _refuse_uneven(fields: Fields, key: str, number: int, part: str, size: int) -> None:
    if number % size:
        fields.fault(key, f"{number} is no multiple of {part}, {size}")


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return load_yaml(file.read(MAX_BYTES + 1), source=str(path))
    except FileNotFoundError as fault:
        raise NotFound(f"{path}: there is no such recipe", where=str(path), remedy="name a YAML file") from fault
    except OSError as fault:
        raise NotFound(
            f"{path}: the recipe cannot be read: {fault.strerror}",
            where=str(path),
            remedy="name a YAML file that you may read",
        ) from fault


def _override(value: dict[str, Any], key: str, text: str) -> None:
    """Put one ``key.sub=value`` into the recipe; a reward's name may hold dots, so only the first one splits."""
    outer, dot, inner = key.partition(".")
    if not KEY.fullmatch(key) or (dot and (not inner or inner.startswith("."))):
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


def _rewards(fields: Fields, *, required: bool) -> dict[str, Reward]:
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
    if required and fields.raw("rewards") in (None, {}):
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
    used = [name for name, weight in weights.items() if weight]
    if len(used) == 1 and weights[used[0]] < 0:  # its expert would be called by the reward that it gets less of
        inner.fault(used[0], _opposite(used[0], rewards[used[0]]))
    return weights


def _opposite(name: str, reward: Reward) -> str:
    """Say how the opposite of a reward is trained for under a name of its own."""
    least = reward.direction == "min"  # whatever has a factor is to be maximised
    spec = Reward({term: (2.0 if least else -1.0) * factor for term, factor in reward.terms.items()}).spec
    opposite = f"{'more' if least else 'less'}-{name}"
    return (
        f"a negative weight alone trains for the opposite of {name}, which needs a name of its own: "
        f"write rewards: {{{opposite}: {spec!r}}} and give that the weight 1"
    )


def _init(fields: Fields) -> str:
    """Read where the training starts, in the words of ``rshub publish --init``."""
    said = fields.text("init", default=Recipe.init)
    kind, colon, place = said.partition(":")
    try:
        sound = kind in INIT_KINDS and (bool(place) if kind in ADAPTER_INITS or colon else True)
        if sound and place:
            sound = kind != "base" and (not isinstance(parse_address(place), Path) or kind in ADAPTER_INITS)
    except InvalidInput:
        sound = False
    if not sound:
        places = "OWNER/NAME[@REVISION]"
        fields.fault(
            "init",
            f"{said!r} is no start; say base, merged[:{places}], or adapter: or stacked: with {places} or ./DIR",
        )
        return Recipe.init
    return said


def _targets(fields: Fields, rewards: Mapping[str, Reward]) -> dict[str, float]:
    inner = fields.inner("stop_at", required=False)
    targets = {name: inner.number(name) for name in rewards if inner.has(name)}
    inner.refuse_unknown()
    return targets


def _trackers(fields: Fields) -> tuple[str, ...]:
    named: Any = fields.raw("report_to") or []
    named = [named] if isinstance(named, str) else named
    if not isinstance(named, Sequence) or not all(name in TRACKERS for name in named) or len({*named}) < len(named):
        fields.fault("report_to", f"a list out of {', '.join(TRACKERS)} is expected")
        return ()
    return tuple(named)


def _lora(fields: Fields) -> LoraSettings:
    targets: Any = fields.raw("target_modules")
    if targets is not None:
        named = isinstance(targets, Sequence) and not isinstance(targets, str)
        if named and targets and all(isinstance(target, str) and target for target in targets):
            targets = tuple(targets)
        elif targets != "all-linear":
            fields.fault("target_modules", "all-linear or a list of module names is expected")
    settings = LoraSettings(
        r=fields.integer("r", least=1, most=4096) if fields.has("r") else None,
        alpha=_optional(fields, "alpha"),
        dropout=_positive(fields, "dropout", 0.0, zero=True) if fields.has("dropout") else None,
        target_modules=targets,
    )
    if (settings.dropout or 0) >= 1:
        fields.fault("dropout", f"{settings.dropout} is not below 1")
    fields.refuse_unknown()
    return settings


def _positive(fields: Fields, key: str, default: float, *, zero: bool = False) -> float:
    value = fields.number(key, default=default)
    if not fields.sound(key):
        return default
    if value < 0 or (value == 0 and not zero):
        fields.fault(key, f"{value} is {'below' if zero else 'not above'} zero")
    return value


def _optional(fields: Fields, key: str) -> float | None:
    return _positive(fields, key, 0.0) if fields.has(key) else None


def _whole(fields: Fields, key: str) -> int | None:
    return fields.integer(key, least=1) if fields.has(key) else None
