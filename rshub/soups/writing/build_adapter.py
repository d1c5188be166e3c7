"""A soup as one adapter that any PEFT loads: coefficients and scales are folded in, the rank is the same everywhere.

``lora_alpha`` equals ``r``, so the scale is one; there are no patterns. Ranks are stacked exactly, or cut to the best
approximation with the lost energy reported, and filled up with zeros. ``target_modules`` names exactly the modules that
change. What experts saved whole beside their factors is there as mixed absolute values. Only what is no factor needs
the base's weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rshub.deltas.adapter_names import PREFIX
from rshub.deltas.adapters import CONFIG, WEIGHTS
from rshub.errors import Incompatible
from rshub.formats.canonical import file_bytes, sha256
from rshub.formats.header import render_header
from rshub.soups.adapter_form import BIAS, Form, Kept
from rshub.soups.honesty import truncation_figures
from rshub.soups.ingredients import Touched
from rshub.soups.plan import ComposePlan
from rshub.soups.writing.adapter_config import adapter_config
from rshub.soups.writing.change_tiles import change_tiles, changes, dense_change
from rshub.tensors.blas import one_thread
from rshub.tensors.changes import Change
from rshub.tensors.dense_rank import nearest_of_rank
from rshub.tensors.dtypes import SINGLE, Array
from rshub.tensors.factors import Factors, truncated
from rshub.tensors.stored import StoredTensor
from rshub.tensors.tiles import Scratch
from rshub.types import Digest


@dataclass(kw_only=True)
class Energy:
    """Sums of squares while writing: by module what was lost and what there was, and what was written exactly."""

    modules: dict[str, tuple[float, float]] = field(default_factory=dict)
    exact: float = 0.0


def write_adapter(
    plan: ComposePlan,
    staging: Path,
    *,
    base_model: str,
    base_revision: str | None,
    change: Callable[[Touched], Change] | None = None,
    digests: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, tuple[Digest | None, int]], dict[str, Any]]:
    """Write ``adapter_config.json`` and ``adapter_model.safetensors``.

    Args:
        plan: What to write.
        staging: An existing folder that has none of the files.
        base_model: The base's repo or path.
        base_revision: The base's commit.
        change: Opens and mixes the deltas of one tensor; the plan's own way if absent.
        digests: Whether to take the sha256 of each file.
        progress: Called now and then with the bytes done and the bytes in all.

    Returns:
        Each file's sha256 and size (bytes), and the figures of the rank.

    Raises:
        Incompatible: When nothing changes, the changed modules cannot be named without naming others, or a change turns
            out to be one that an adapter cannot hold.
        IntegrityError: When an expert or the base holds NaN or an infinity.
        OSError: When a file cannot be written.
    """
    pairs, whole = _pairs(plan), plan.kept_whole
    if not pairs:
        raise Incompatible(
            "this soup changes nothing that is held as factors, and an adapter of no modules cannot be loaded",
            where="coefficients",
            remedy="use the base itself, or write a checkpoint",
        )
    rank = plan.adapter_rank
    forms = [plan.forms[one.tensor] for one in pairs]
    config = file_bytes(adapter_config(plan, pairs, whole, base_model=base_model, base_revision=base_revision))
    factored = {form.layer for form in forms}
    shapes = [entry for one, form in zip(pairs, forms, strict=True) for entry in _tensors(one, form, rank)]
    shapes += [(_saved_name(kept, factored, whole), kept.placed.shape) for kept in whole]
    header = render_header(((name, "F32", shape) for name, shape in shapes), metadata={"format": "pt"})
    sha, size, energy = hashlib.sha256(), 0, Energy()
    with (staging / WEIGHTS).open("xb") as file, one_thread():
        for data in _blocks(plan, pairs, whole, header, energy, change=change or plan.change):
            file.write(data)
            size += len(data)
            if digests:
                sha.update(data)
            if progress is not None:
                progress(size, len(header) + plan.adapter_bytes())
    (staging / CONFIG).write_bytes(config)
    files = {
        WEIGHTS: (Digest(sha.hexdigest()) if digests else None, size),
        CONFIG: (sha256(config) if digests else None, len(config)),
    }
    return files, truncation_figures(plan, energy.modules, energy.exact)


def _pairs(plan: ComposePlan) -> list[Touched]:
    """Give the changes that become factors, without those that turn out to be none.

    Raises:
        Incompatible: For a vector that changes, by name.
    """
    pairs = []
    for one in plan.touched:
        form = plan.forms[one.tensor]
        if form.how == "vector" and changes(plan, one):
            raise Incompatible(
                f"{one.tensor}: an adapter cannot hold a change of this tensor, of shape {list(one.placed.shape)}",
                where=one.tensor,
                remedy="use --format checkpoint",
            )
        if form.how == "factors" or (form.how == "dense" and changes(plan, one)):
            pairs.append(one)
    return pairs


def _blocks(
    plan: ComposePlan,
    pairs: Sequence[Touched],
    whole: Sequence[Kept],
    header: bytes,
    energy: Energy,
    *,
    change: Callable[[Touched], Change],
) -> Iterator[bytes]:
    """Give the bytes of the weights in order, noting the energy that each module loses and has."""
    yield header
    for one in pairs:
        form = plan.forms[one.tensor]
        mixed, lost, there = _cut(plan, change, one, form)
        energy.modules[form.layer] = (lost, there)
        for values, (_, shape) in zip(_sides(mixed, one, form), _tensors(one, form, plan.adapter_rank), strict=True):
            filled = np.zeros(shape, np.float32)
            filled[tuple(slice(size) for size in values.shape)] = values
            yield filled.tobytes()
    for kept in whole:
        yield from _absolute(plan, kept, energy)


def _cut(
    plan: ComposePlan, opened: Callable[[Touched], Change], one: Touched, form: Form
) -> tuple[Factors, float, float]:
    """Give a change as factors of at most the rank that was asked for, the energy it loses and has."""
    if form.how == "dense":
        assert plan.rank is not None
        return nearest_of_rank(dense_change(plan, one), plan.rank)
    change = opened(one).factors
    assert change is not None
    return (change, 0.0, 0.0) if plan.rank is None else truncated(change, plan.rank)


def _absolute(plan: ComposePlan, kept: Kept, energy: Energy) -> Iterator[bytes]:
    """Give theta_0 + D of a parameter, or theta_0 of one that does not change, in float32."""
    if kept.touched is None:
        stored = StoredTensor(plan.base.path(kept.placed.shard), kept.tensor, kept.placed)
        for _, values in stored.walk(SINGLE, Scratch()):
            yield values.tobytes()
        return
    for _, values, wanted in change_tiles(plan, kept.touched):
        energy.exact += float(np.sum(wanted.astype(np.float64) ** 2))
        yield (values + wanted).astype(np.float32).tobytes()


def _saved_name(kept: Kept, factored: set[str], whole: Sequence[Kept]) -> str:
    """Give the name under which PEFT saves a parameter: a bias beside factors lies in the layer that they wrap."""
    layer, _, last = kept.path.rpartition(".")
    in_module = any(other.path.rpartition(".")[0] == layer and not other.path.endswith(BIAS) for other in whole)
    return f"{PREFIX}{layer}.base_layer.{last}" if layer in factored and not in_module else PREFIX + kept.path


def _sides(change: Factors, one: Touched, form: Form) -> tuple[Array, Array]:
    """Give A and B as PEFT stores them, without padding."""
    left, right = (change.right.T, change.left.T) if form.layout == "transposed" else (change.left, change.right)
    if form.kind != "conv":
        return right, left
    return right.reshape(-1, *one.placed.shape[1:]), left.reshape(*left.shape, *(1 for _ in one.placed.shape[2:]))


def _tensors(one: Touched, form: Form, rank: int) -> tuple[tuple[str, tuple[int, ...]], tuple[str, tuple[int, ...]]]:
    """Give the names and shapes of A and B."""
    shape = one.placed.shape
    path = f"{PREFIX}{form.layer}"
    if form.kind == "embedding":
        return (f"{path}.lora_embedding_A", (rank, shape[0])), (f"{path}.lora_embedding_B", (shape[1], rank))
    if form.kind == "conv":
        ones = tuple(1 for _ in shape[2:])
        return (f"{path}.lora_A.weight", (rank, *shape[1:])), (f"{path}.lora_B.weight", (shape[0], rank, *ones))
    outputs, inputs = shape[::-1] if form.layout == "transposed" else shape
    return (f"{path}.lora_A.weight", (rank, inputs)), (f"{path}.lora_B.weight", (outputs, rank))
