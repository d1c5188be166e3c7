"""A soup as one adapter that any PEFT loads: coefficients and scales are folded in, the rank is the same everywhere.

``lora_alpha`` equals ``r``, so the scale is one; there are no patterns. Ranks are stacked exactly, or cut to the best
approximation with the lost energy reported, and filled up with zeros. ``target_modules`` names exactly the modules that
change. The base's weights are not needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rshub.deltas.adapters import CONFIG, PREFIX, WEIGHTS
from rshub.deltas.matching import BODIES, WEIGHT
from rshub.errors import Incompatible
from rshub.formats.canonical import file_bytes, sha256
from rshub.formats.header import render_header
from rshub.soups.honesty import tidy
from rshub.soups.ingredients import Touched
from rshub.soups.plan import ComposePlan
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.dtypes import Array
from rshub.tensors.factors import Factors, truncated
from rshub.types import Digest

TASKS = ("CAUSAL_LM", "SEQ_2_SEQ_LM", "SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION")
"""Values of ``task_type`` that PEFT knows."""


def write_adapter(
    plan: ComposePlan,
    staging: Path,
    *,
    base_model: str,
    base_revision: str | None,
    digests: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, tuple[Digest | None, int]], dict[str, Any]]:
    """Write ``adapter_config.json`` and ``adapter_model.safetensors``.

    Returns:
        Each file's sha256 and size (bytes), and the figures of the rank.

    Raises:
        Incompatible: When nothing changes, or the changed modules cannot be named without naming others.
        OSError: When a file cannot be written.
    """
    if not plan.touched:
        raise Incompatible(
            "this soup changes nothing, and an adapter of no modules cannot be loaded",
            where="coefficients",
            remedy="use the base itself, or write a checkpoint",
        )
    rank = plan.adapter_rank
    config = file_bytes(_config(plan, rank, base_model, base_revision))
    header = render_header(
        ((name, "F32", shape) for one in plan.touched for name, shape in _tensors(one, rank)),
        metadata={"format": "pt"},
    )
    sha = hashlib.sha256()
    size = 0
    energy: dict[str, tuple[float, float]] = {}
    with (staging / WEIGHTS).open("xb") as file:
        for data in _blocks(plan, rank, header, energy):
            file.write(data)
            size += len(data)
            if digests:
                sha.update(data)
            if progress is not None:
                progress(size, len(header) + plan.adapter_bytes())
    (staging / CONFIG).write_bytes(config)
    lost, whole = (sum(values[side] for values in energy.values()) for side in (0, 1))
    report: dict[str, Any] = {
        "full": plan.full_rank,
        "written": rank,
        "lost_energy": tidy(lost / whole) if whole else 0.0,
        "modules": {name: tidy(part / of) if of else 0.0 for name, (part, of) in energy.items() if part},
    }
    files = {
        WEIGHTS: (Digest(sha.hexdigest()) if digests else None, size),
        CONFIG: (sha256(config) if digests else None, len(config)),
    }
    return files, report


def target_modules(plan: ComposePlan) -> list[str]:
    """Name the changed modules so that PEFT finds them and no others: by their last name where all bearers change.

    PEFT takes a module whose path equals an entry or ends in a dot and the entry.

    Raises:
        Incompatible: When a full path also is the tail of a module that does not change.
    """
    changed = {one.module for one in plan.touched}
    others = _other_modules(plan.base, {one.tensor for one in plan.touched}) - changed
    names: set[str] = set()
    for module in sorted(changed):
        last = module.rpartition(".")[2]
        name = last if not _hits(last, others) else module
        if _hits(name, others):
            raise Incompatible(
                f"the module {module} cannot be named without also naming another whose path ends in it",
                where=module,
                remedy="write a checkpoint instead",
            )
        names.add(name)
    return sorted(names)


def _hits(name: str, modules: set[str]) -> bool:
    return any(module == name or module.endswith("." + name) for module in modules)


def _other_modules(base: Checkpoint, changed: set[Any]) -> set[str]:
    """Give the paths that an unchanged module may have in memory: as on disk, with and without a body's name."""
    paths = {name.removesuffix(WEIGHT) for name in base.tensors if name not in changed and name.endswith(WEIGHT)}
    shorter = {path.partition(".")[2] for path in paths if path.partition(".")[0] in BODIES}
    return paths | shorter - {""}


def _blocks(plan: ComposePlan, rank: int, header: bytes, energy: dict[str, tuple[float, float]]) -> Iterator[bytes]:
    """Give the bytes of the weights in order, noting the energy that each module loses and has."""
    yield header
    for one in plan.touched:
        change = plan.change(one).factors
        assert change is not None
        if plan.rank is not None:
            change, lost, whole = truncated(change, plan.rank)
            energy[one.module] = (lost, whole)
        else:
            energy[one.module] = (0.0, 0.0)
        for values, (_, shape) in zip(_sides(change, one), _tensors(one, rank), strict=True):
            filled = np.zeros(shape, np.float32)
            filled[tuple(slice(size) for size in values.shape)] = values
            yield filled.tobytes()


def _sides(change: Factors, one: Touched) -> tuple[Array, Array]:
    """Give A and B as PEFT stores them, without padding."""
    left, right = (change.right.T, change.left.T) if one.layout == "transposed" else (change.left, change.right)
    if one.kind != "conv":
        return right, left
    return right.reshape(-1, *one.placed.shape[1:]), left.reshape(*left.shape, *(1 for _ in one.placed.shape[2:]))


def _tensors(one: Touched, rank: int) -> tuple[tuple[str, tuple[int, ...]], tuple[str, tuple[int, ...]]]:
    """Give the names and shapes of A and B."""
    shape = one.placed.shape
    path = f"{PREFIX}{one.module}"
    if one.kind == "embedding":
        return (f"{path}.lora_embedding_A", (rank, shape[0])), (f"{path}.lora_embedding_B", (shape[1], rank))
    if one.kind == "conv":
        ones = tuple(1 for _ in shape[2:])
        return (f"{path}.lora_A.weight", (rank, *shape[1:])), (f"{path}.lora_B.weight", (shape[0], rank, *ones))
    outputs, inputs = shape[::-1] if one.layout == "transposed" else shape
    return (f"{path}.lora_A.weight", (rank, inputs)), (f"{path}.lora_B.weight", (outputs, rank))


def _config(plan: ComposePlan, rank: int, base_model: str, base_revision: str | None) -> dict[str, Any]:
    """Write the config of a plain LoRA adapter of scale one.

    Only the task comes from the experts, and only one that PEFT knows: other fields say how they were trained, or name
    code that a reader would import.
    """
    transposed = any(one.kind == "linear" and one.layout == "transposed" for one in plan.touched)
    return {
        "alpha_pattern": {},
        "auto_mapping": None,
        "base_model_name_or_path": base_model,
        "bias": "none",
        "fan_in_fan_out": transposed,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": rank,
        "rank_pattern": {},
        "revision": base_revision,
        "target_modules": target_modules(plan),
        "task_type": _task(plan),
        "use_dora": False,
        "use_rslora": False,
    }


def _task(plan: ComposePlan) -> str | None:
    """Give the task that all experts name, or null."""
    named = [ingredient.expert.config.get("task_type") for ingredient in plan.ingredients]
    return next((task for task in TASKS if all(name == task for name in named)), None)
