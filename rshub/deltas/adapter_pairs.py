"""The factors in an adapter's file: pairs that are complete, fit each other and have the rank that the config says.

A pair may come with lengths (DoRA) and with a bias, each only where the config says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from rshub.deltas.adapter_names import Role
from rshub.deltas.decomposed import Decomposed
from rshub.deltas.delta import Kind, LowRank
from rshub.deltas.peft_config import LoraSettings
from rshub.errors import Incompatible, IntegrityError
from rshub.tensors.tensor_file import TensorFile
from rshub.types import TensorName

ByRole = Mapping[Role, Mapping[str, list[TensorName]]]
FACTORS: tuple[Role, ...] = ("A", "B", "embedding A", "embedding B")
PARTS: tuple[Role, ...] = (*FACTORS, "magnitude", "bias")


def read_pairs(roles: ByRole, file: TensorFile, settings: LoraSettings) -> dict[str, LowRank | Decomposed]:
    """Give the low-rank change of each module.

    Raises:
        IntegrityError: For half a pair, or parts of one that do not go together.
        Incompatible: For a rank that the config does not say, or a layer that is not read.
    """
    names: dict[str, dict[Role, TensorName]] = {}
    for role in PARTS:
        for module, found in roles[role].items():
            if len(found) > 1:
                broken(settings.label, found[1], f"does not pair: {found[0]} is the same")
            names.setdefault(module, {})[role] = found[0]
    return {module: _pair(module, parts, file, settings) for module, parts in sorted(names.items())}


def _pair(
    module: str, names: Mapping[Role, TensorName], file: TensorFile, settings: LoraSettings
) -> LowRank | Decomposed:
    """Put one module's factors together."""
    label = settings.label
    sides = [role for role in FACTORS if role in names]
    if sides not in ([*FACTORS[:2]], [*FACTORS[2:]]):
        first = names[sides[0]] if sides else next(iter(names.values()))
        if len(sides) < 2:
            broken(label, first, "has no partner: its pair is not complete")
        broken(label, names[sides[2 if len(sides) > 2 else 1]], f"does not pair with {first}")
    a, b = (names[side] for side in sides)
    low_rank = _low_rank(module, a, b, file, settings, embedding=sides[0] != "A")
    _check_bias(low_rank, names, settings)
    magnitude = names.get("magnitude")
    if (magnitude is not None) != settings.decomposed:
        wrong = magnitude or a
        raise IntegrityError(
            f"{label}: the tensor {wrong} {'is of DoRA' if magnitude else 'has no lengths'}, but adapter_config.json "
            f"has use_dora = {str(settings.decomposed).lower()}",
            where=wrong,
            remedy="use the adapter_config.json that was saved with these tensors",
        )
    if magnitude is None:
        return low_rank
    shape = file.tensors[magnitude].shape
    if sorted(shape) != sorted((*(1 for _ in shape[1:]), low_rank.b_shape[0])):
        broken(label, magnitude, f"of shape {list(shape)} does not go with {b} of shape {list(low_rank.b_shape)}")
    return Decomposed(low_rank=low_rank, magnitude=magnitude)


def _check_bias(low_rank: LowRank, names: Mapping[Role, TensorName], settings: LoraSettings) -> None:
    """Refuse a bias that the config does not know, one that is missing, and one that does not fit."""
    bias = names.get("bias")
    wanted = settings.lora_bias and low_rank.kind != "embedding"
    if bias is None and not wanted:
        return
    if bias is None or not wanted:
        wrong = bias or low_rank.b_name
        raise IntegrityError(
            f"{settings.label}: the tensor {wrong} {'is a bias' if bias else 'has no bias'}, but adapter_config.json "
            f"has lora_bias = {str(settings.lora_bias).lower()}",
            where=wrong,
            remedy="use the adapter_config.json that was saved with these tensors",
        )
    if low_rank.file.tensors[bias].shape != low_rank.b_shape[:1]:
        broken(settings.label, bias, f"does not go with {low_rank.b_name} of shape {list(low_rank.b_shape)}")


def _low_rank(
    module: str, a_name: TensorName, b_name: TensorName, file: TensorFile, settings: LoraSettings, *, embedding: bool
) -> LowRank:
    """Check a pair's shapes against each other and against the config."""
    a, b = file.tensors[a_name].shape, file.tensors[b_name].shape
    label = settings.label
    kind: Kind = "embedding" if embedding else "conv" if len(a) > 2 else "linear"
    if kind == "conv" and len(a) == len(b) and 0 < b[1] < a[0] and a[0] % b[1] == 0:
        raise Incompatible(
            f"{label}: the tensor {b_name} belongs to a convolution in groups, whose delta fits no weight",
            where=b_name,
            remedy="leave this expert out, or train it without this layer",
        )
    if len(a) < 2 or len(b) != len(a) or 0 in a or 0 in b or any(size != 1 for size in b[2:]) or a[0] != b[1]:
        broken(label, a_name, f"of shape {list(a)} does not go with {b_name} of shape {list(b)}")
    rank = a[0]
    expected = settings.expected_rank(module)
    if rank != expected:
        raise Incompatible(
            f"{label}: the tensor {a_name} has rank {rank}, but adapter_config.json says {expected}",
            where=a_name,
            remedy="use the adapter_config.json that was saved with these tensors",
        )
    scale = settings.scale(module, rank)
    return LowRank(
        module=module, kind=kind, rank=rank, scale=scale, file=file, a_name=a_name, b_name=b_name, label=label
    )


def broken(label: str, name: str, why: str) -> NoReturn:
    """Refuse a file whose parts do not go together.

    Raises:
        IntegrityError: Always.
    """
    raise IntegrityError(f"{label}: the tensor {name} {why}", where=name, remedy="publish the adapter again")
