"""What a PEFT adapter config says about the arithmetic, through an allow-list.

Every field is known to be harmless, needed, or refused unless it is at its default; an unknown field that is not null
is refused by name, because it may change what the tensors mean. ``target_modules`` is never evaluated: the tensors say
what was adapted, and a hostile pattern is never run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rshub.errors import Incompatible, IntegrityError
from rshub.formats.fields import short

HARMLESS = frozenset({
    "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode",
    "target_modules", "exclude_modules", "lora_dropout", "layers_to_transform", "layers_pattern", "megatron_core",
    "eva_config", "qalora_group_size", "runtime_config", "ensure_weight_tying",
})  # fmt: skip
"""Fields that say where, how or by whom an adapter was trained, but not what its tensors mean."""

NEEDED = frozenset({
    "peft_type", "r", "lora_alpha", "use_rslora", "fan_in_fan_out", "init_lora_weights", "rank_pattern",
    "alpha_pattern", "bias", "modules_to_save", "trainable_token_indices", "lora_bias", "use_dora",
})  # fmt: skip
"""Fields that are read here."""

REFUSED: Mapping[str, str] = {
    "target_parameters": "adapters on bare parameters, such as fused experts, are not read",
    "megatron_config": "tensors of a parallel layer may be parts of a whole",
    "loftq_config": "LoftQ is relative to a quantised base",
    "corda_config": "CorDA is relative to a changed base",
    "lora_ga_config": "LoRA-GA is relative to a changed base",
    "velora_config": "VeLoRA trains another layer",
    "alora_invocation_tokens": "an activated LoRA works only after certain tokens",
    "use_qalora": "QALoRA pools its inputs",
    "monteclora_config": "MonteCLoRA samples its weights",
    "layer_replication": "replicated layers are not in the base",
    "use_bdlora": "block-diagonal factors are not plain ones",
    "arrow_config": "a router between adapters is not linear",
    "kasa_config": "KaSA is relative to a changed base",
}
"""Fields that are refused unless they are null, false, empty or ``none``, with the reason."""

PLAIN_INITS = (True, False, "gaussian", "eva", "orthogonal", "mica")
"""Values of ``init_lora_weights`` that leave the base as it is; all others train against a changed base."""

PATTERN = re.compile(r"(?P<start>\^)?(?P<name>(?:[\w-]|\\?\.)+)(?P<end>\$)?", re.ASCII)
MAX_RANK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class LoraSettings:
    """The part of a config that decides the arithmetic.

    ``rows`` are the numbers of trained rows by the tail of their module's path, which is empty when the config only
    means the embedding. ``saved`` are the tails of the paths of modules that are saved whole.
    """

    rank: int
    alpha: float
    rslora: bool
    fan_in_fan_out: bool
    ranks: Mapping[str, int]
    alphas: Mapping[str, float]
    label: str
    lora_bias: bool = False
    decomposed: bool = False
    saved: tuple[str, ...] = ()
    rows: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def expected_rank(self, module: str) -> int:
        """Give the rank that the config promises for a module."""
        return self.ranks.get(_first_match(self.ranks, module), self.rank)

    def scale(self, module: str, rank: int) -> float:
        """Give the scale of a module's delta: alpha / r, or alpha / sqrt(r) when rank-stabilised."""
        alpha = self.alphas.get(_first_match(self.alphas, module), self.alpha)
        return alpha / math.sqrt(rank) if self.rslora else alpha / rank

    def is_saved(self, path: str) -> bool:
        """Say whether a parameter belongs to a module that is saved whole: trained as a copy of the original."""
        parts = path.split(".")
        return any(".".join(parts[:end]).endswith(self.saved) for end in range(1, len(parts)))


def lora_settings(config: Mapping[str, Any], *, label: str) -> LoraSettings:
    """Check a config field by field and take out what the arithmetic needs.

    Args:
        config: The parsed ``adapter_config.json``.
        label: What to call the adapter in an error.

    Raises:
        Incompatible: For another kind of adapter, or a field that changes what the tensors mean; named.
        IntegrityError: For a field of the wrong type.
    """
    kind = config.get("peft_type")
    if kind != "LORA":
        _refuse(label, "peft_type", kind, "only LoRA adapters are mixed")
    for name, value in config.items():
        if name in REFUSED and value not in (None, False, "none") and value not in ([], {}):
            _refuse(label, name, value, REFUSED[name])
        if name not in HARMLESS and name not in NEEDED and name not in REFUSED and value is not None:
            _refuse(label, name, value, "nobody here knows what this field does to the tensors")
    init = config.get("init_lora_weights", True)
    if not any(init is plain or (isinstance(init, str) and init.lower() == plain) for plain in PLAIN_INITS):
        _refuse(label, "init_lora_weights", init, "such an adapter is relative to a base that was changed at its start")
    bias = config.get("bias")
    if bias not in (None, "none", "all", "lora_only"):
        _malformed(label, "bias", bias, "none, all or lora_only")
    return LoraSettings(
        rank=_rank(config.get("r", 8), "r", label),
        alpha=_alpha(config.get("lora_alpha", 8), "lora_alpha", label),
        rslora=_flag(config, "use_rslora", label),
        fan_in_fan_out=_flag(config, "fan_in_fan_out", label),
        ranks={
            key: _rank(value, f"rank_pattern.{key}", label) for key, value in _patterns(config, "rank_pattern", label)
        },
        alphas={
            key: _alpha(value, f"alpha_pattern.{key}", label)
            for key, value in _patterns(config, "alpha_pattern", label)
        },
        label=label,
        lora_bias=_flag(config, "lora_bias", label),
        decomposed=_flag(config, "use_dora", label),
        saved=_saved(config, label),
        rows=_rows(config, label),
    )


def matches(pattern: str, module: str) -> bool:
    """Say whether a plain pattern names a module: its whole path or a dotted tail of it.

    The answer is the one that PEFT's regular expression gives: an unescaped dot stands for any character, ``^`` asks
    for the whole path.
    """
    parts = PATTERN.fullmatch(pattern)
    if parts is None:
        return False
    wanted = re.findall(r"\\\.|.", parts["name"])
    before, tail = module[: -len(wanted)], module[-len(wanted) :]
    if len(tail) != len(wanted) or (before and (parts["start"] or not before.endswith("."))):
        return False
    return all(want in {".", have} or (want == "\\." and have == ".") for want, have in zip(wanted, tail, strict=True))


def _first_match(patterns: Mapping[str, Any], module: str) -> str:
    return next((pattern for pattern in patterns if matches(pattern, module)), "")


def _patterns(config: Mapping[str, Any], field: str, label: str) -> list[tuple[str, Any]]:
    value = config.get(field) or {}
    if not isinstance(value, dict):
        _malformed(label, field, value, "an object")
    for pattern in value:
        if not PATTERN.fullmatch(pattern):
            _refuse(
                label, f"{field}.{pattern}", value[pattern], "only plain module names and their dotted tails are read"
            )
    return list(value.items())


def _saved(config: Mapping[str, Any], label: str) -> tuple[str, ...]:
    saved = config.get("modules_to_save") or []
    if not isinstance(saved, list) or not all(isinstance(name, str) and name for name in saved):
        _malformed(label, "modules_to_save", saved, "a list of names")
    return tuple(saved)


def _rows(config: Mapping[str, Any], label: str) -> dict[str, tuple[int, ...]]:
    """Give the rows by module; PEFT writes a list for the embedding, or an object."""
    value = config.get("trainable_token_indices") or {}
    modules = value if isinstance(value, dict) else {"": value}
    for rows in modules.values():
        fine = isinstance(rows, list) and all(type(row) is int and row >= 0 for row in rows)
        if not fine or len(set(rows)) != len(rows) or not rows:
            _malformed(label, "trainable_token_indices", value, "lists of different row numbers")
    return {module: tuple(rows) for module, rows in modules.items()}


def _rank(value: Any, field: str, label: str) -> int:
    if type(value) is not int or not 0 < value <= MAX_RANK:
        _malformed(label, field, value, f"a whole number from 1 to {MAX_RANK}")
    return int(value)


def _alpha(value: Any, field: str, label: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e30:
        _malformed(label, field, value, "a finite number of sensible size")
    return float(value)


def _flag(config: Mapping[str, Any], field: str, label: str) -> bool:
    value = config.get(field)
    if value is not None and not isinstance(value, bool):
        _malformed(label, field, value, "true or false")
    return bool(value)


def _refuse(label: str, field: str, value: Any, why: str) -> None:
    raise Incompatible(
        f"{label}: adapter_config.json has {field} = {short(value)}: {why}",
        where=field,
        remedy="leave this expert out, or merge it and publish it in a plain form",
    )


def _malformed(label: str, field: str, value: Any, wanted: str) -> None:
    raise IntegrityError(
        f"{label}: adapter_config.json has {field} = {short(value)}, where {wanted} is expected",
        where=field,
        remedy="ask the publisher to mend and publish it again",
    )
