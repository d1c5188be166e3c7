"""One whole tensor of an expert, and whether it may take the place of the base's tensor that it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from rshub.deltas.naming import Spot
from rshub.deltas.tying import HEADS, STORED_HEADS
from rshub.errors import Incompatible
from rshub.formats.header import TensorSpan
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.tensor_file import TensorFile, same_stored
from rshub.types import TensorName


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A tensor in an expert's file."""

    file: TensorFile
    name: TensorName

    @property
    def span(self) -> TensorSpan:
        """Where it lies in the file, its dtype and shape."""
        return self.file.tensors[self.name]


def check_shape(saved: Saved, spot: Spot, base: Checkpoint, label: str) -> None:
    """Refuse a tensor of another shape than the base's.

    Raises:
        Incompatible: With both shapes.
    """
    mine, its = list(saved.span.shape), list(spot.placed.shape)
    if mine == its:
        return
    words = spot.tensor in HEADS or spot.tensor in STORED_HEADS
    if words and len(mine) == len(its) == 2 and mine[1] == its[1]:
        why = f"has {mine[0]} rows and {spot.tensor} of the base {its[0]}: the vocabulary was resized"
        remedy = "use an expert that was trained with the base's own tokenizer"
    else:
        why = f"of shape {mine} does not fit {spot.tensor} {its} of the base"
        remedy = f"check that the expert was trained on {base.source}"
    raise Incompatible(f"{label}: the tensor {saved.name} {why}", where=saved.name, remedy=remedy)


def check_carried(saved: Saved, spot: Spot, base: Checkpoint, label: str) -> None:
    """Refuse a tensor that is no number to mix, unless it is the base's own; without its bytes that is checked later.

    Raises:
        Incompatible: It is another one.
    """
    mine, its = saved.span.dtype, spot.placed.dtype
    if mine == its:
        if base.folder is None or same_stored(saved.file.path, saved.span, base.path(spot.placed.shard), spot.placed):
            return
        refuse_changed(saved, spot.tensor, label)
    _refuse(saved, f"is {mine}, but {spot.tensor} of the base is {its}: quantised weights are not mixed", label)


def refuse_changed(saved: Saved, tensor: TensorName, label: str) -> NoReturn:
    """Refuse a tensor that should be the base's own and is not.

    Raises:
        Incompatible: Always.
    """
    what = f"is {saved.span.dtype} and differs from {tensor} of the base"
    _refuse(saved, f"{what}; only floating point of 16 bits or more is mixed", label)


def _refuse(saved: Saved, why: str, label: str) -> NoReturn:
    raise Incompatible(
        f"{label}: the tensor {saved.name} {why}",
        where=saved.name,
        remedy="leave it out of the expert if the base's own will do, or use another expert",
    )


def refuse_unmatched(name: TensorName, found: list[TensorName], base: Checkpoint, label: str) -> NoReturn:
    """Refuse a tensor whose name leads nowhere, or to several tensors.

    Raises:
        Incompatible: Saying what it probably is.
    """
    if found:
        why = f"matches more than one thing or breaks the naming of the others: {', '.join(found)}"
    elif name.startswith("lora_") or any(part in name for part in (".lora_", ".lora.", ".base_layer.")):
        why = "belongs to an adapter, which is read as PEFT saves it: adapter_config.json and adapter_model.safetensors"
    elif name.endswith(".weight") and not any(part in name for part in (".layers.", ".h.", ".block")):
        why = "is not in the base: a head or a layer that the base does not have cannot be mixed into it"
    else:
        why = "is not in the base"
    raise Incompatible(
        f"{label}: the tensor {name} {why}",
        where=name,
        remedy=f"check that the expert was trained on {base.source}, and saved under the base's own names",
    )
