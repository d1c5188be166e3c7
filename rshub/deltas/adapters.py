"""A PEFT adapter in a folder, read into low-rank changes by module.

Every tensor is consumed or refused by name, every pair is complete, and the ranks of the tensors and of the config
agree. Only ``adapter_config.json`` and ``adapter_model.safetensors`` are read; pickles are never opened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from rshub.deltas.delta import Kind, LowRank
from rshub.deltas.matching import Placement, match
from rshub.deltas.peft_config import LoraSettings, lora_settings
from rshub.errors import Incompatible, IntegrityError, NotFound
from rshub.formats.canonical import digest, load_json
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.dtypes import FLOATS
from rshub.tensors.plain_file import file_names, read_plain
from rshub.tensors.tensor_file import TensorFile, refuse_pickles
from rshub.types import Digest, TensorName

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."

WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""Path parts that compilers and parallel wrappers add anywhere in a name."""

FACTOR = re.compile(
    r"(?P<module>.+)\.(?:lora_(?P<linear>[AB])(?:\.default)?\.weight|lora_embedding_(?P<embedding>[AB])(?:\.default)?)"
)

NOT_MIXED = (
    (".lora_magnitude_vector", "DoRA is not linear in what is stored"),
    (".modules_to_save", "whole modules saved beside the adapter are not mixed yet"),
    (".base_layer.", "weights saved beside the adapter are not mixed yet"),
    ("token_adapter", "trained token rows are not mixed yet"),
    (".bias", "biases are not mixed yet"),
    ("v_head.", "a value head is no part of the base"),
)
"""Parts of tensor names that say why a tensor cannot be mixed."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """An adapter whose header and config are read, and whose factors are still on disk."""

    folder: Path
    label: str
    config: Mapping[str, Any] = field(repr=False)
    settings: LoraSettings
    modules: Mapping[str, LowRank] = field(repr=False)
    file: TensorFile = field(repr=False)

    @property
    def rank(self) -> int:
        """The largest rank of any module."""
        return max(module.rank for module in self.modules.values())

    @property
    def size(self) -> int:
        """The size of the weights (bytes)."""
        return self.file.size

    @cached_property
    def content_key(self) -> Digest:
        """A name for what the adapter does: equal for equal tensors and scales, whatever the folder is called."""
        scales = {name: [module.scale.hex(), module.rank] for name, module in self.modules.items()}
        return digest({"tensors": self.file.sha256(), "scales": scales, "fan_in_fan_out": self.settings.fan_in_fan_out})

    def check_finite(self) -> None:
        """Read every factor once.

        Raises:
            IntegrityError: For the first tensor that holds NaN or an infinity.
        """
        for module in self.modules.values():
            module.factors("plain")

    def place(self, base: Checkpoint) -> tuple[Placement, ...]:
        """Find the base's tensor for every delta.

        Raises:
            Incompatible: For a tensor that matches nothing, or does not fit what it matches; named.
        """
        found = match(self.modules, base, fan_in_fan_out=self.settings.fan_in_fan_out, label=self.label)
        return tuple(found.values())


def read_adapter(folder: Path, *, label: str | None = None) -> Adapter:
    """Read an adapter's config and header.

    Args:
        folder: Where ``adapter_config.json`` and ``adapter_model.safetensors`` lie.
        label: What to call the adapter in errors and reports; the folder if absent.

    Raises:
        NotFound: When the folder or its files are not there, or may not be read.
        IntegrityError: For a truncated or hostile file, half a pair, or weights that are pickles only.
        Incompatible: For a tensor or a config field that cannot be mixed; named.
    """
    label = label or str(folder)
    there = file_names(folder)
    if WEIGHTS not in there:
        refuse_pickles(folder, "the weights of the adapter")
        raise NotFound(f"{label}: no {WEIGHTS} in {folder}", where=str(folder), remedy="save the adapter with PEFT")
    if CONFIG not in there:
        raise NotFound(f"{label}: no {CONFIG} in {folder}", where=str(folder), remedy="save the adapter with PEFT")
    source = f"{label}: {CONFIG}"
    config = load_json(read_plain(folder / CONFIG), source=source, error=IntegrityError)
    settings = lora_settings(config, label=label)
    file = TensorFile.open(folder / WEIGHTS)
    modules = {
        module: _low_rank(module, kind, names, file, settings)
        for module, (kind, names) in sorted(_pairs(file, label).items())
    }
    if not modules:
        raise IntegrityError(
            f"{label}: {WEIGHTS} holds no tensors", where=str(folder), remedy="publish the adapter again"
        )
    return Adapter(folder=folder, label=label, config=config, settings=settings, modules=modules, file=file)


def plain_name(name: str) -> str:
    """Strip what wrappers put into a tensor's name: ``base_model.model.``, compilers, parallel training."""
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    name = name.removeprefix("module.")
    return name.removeprefix(PREFIX).removeprefix("module.")


def _pairs(file: TensorFile, label: str) -> dict[str, tuple[Kind, dict[str, TensorName]]]:
    """Sort the tensors into pairs by module; anything that is no factor is refused by name."""
    pairs: dict[str, tuple[Kind, dict[str, TensorName]]] = {}
    for name, span in file.tensors.items():
        parts = FACTOR.fullmatch(plain_name(name))
        if parts is None:
            why = next((why for part, why in NOT_MIXED if part in name), "it is no factor of a LoRA pair")
            raise Incompatible(
                f"{label}: the tensor {name} cannot be mixed: {why}",
                where=name,
                remedy="leave this expert out, or train it without this part",
            )
        if span.dtype not in FLOATS:
            raise Incompatible(
                f"{label}: the tensor {name} is {span.dtype}, not floating point of 16 bits or more",
                where=name,
                remedy="save the adapter in float32 or bfloat16",
            )
        kind: Kind = "embedding" if parts["embedding"] else "conv" if len(span.shape) > 2 else "linear"
        known, names = pairs.setdefault(parts["module"], (kind, {}))
        side = parts["linear"] or parts["embedding"]
        if side in names or known != kind:
            _broken(label, name, f"does not pair with {next(iter(names.values()))}")
        names[side] = name
    for kind_and_names in pairs.values():
        names = kind_and_names[1]
        if len(names) != 2:
            _broken(label, next(iter(names.values())), "has no partner: its pair is not complete")
    return pairs


def _low_rank(
    module: str, kind: Kind, names: Mapping[str, TensorName], file: TensorFile, settings: LoraSettings
) -> LowRank:
    """Check a pair's shapes against each other and against the config."""
    a, b = file.tensors[names["A"]].shape, file.tensors[names["B"]].shape
    label = settings.label
    if kind == "conv" and len(a) == len(b) and 0 < b[1] < a[0] and a[0] % b[1] == 0:
        raise Incompatible(
            f"{label}: the tensor {names['B']} belongs to a convolution in groups, whose delta fits no weight",
            where=names["B"],
            remedy="leave this expert out, or train it without this layer",
        )
    if len(a) < 2 or len(b) != len(a) or 0 in a or 0 in b or any(size != 1 for size in b[2:]) or a[0] != b[1]:
        _broken(label, names["A"], f"of shape {list(a)} does not go with {names['B']} of shape {list(b)}")
    rank = a[0]
    expected = settings.expected_rank(module)
    if rank != expected:
        raise Incompatible(
            f"{label}: the tensor {names['A']} has rank {rank}, but adapter_config.json says {expected}",
            where=names["A"],
            remedy="use the adapter_config.json that was saved with these tensors",
        )
    return LowRank(
        module=module,
        kind=kind,
        rank=rank,
        scale=settings.scale(module, rank),
        file=file,
        a_name=names["A"],
        b_name=names["B"],
        label=label,
    )


def _broken(label: str, name: str, why: str) -> NoReturn:
    raise IntegrityError(f"{label}: the tensor {name} {why}", where=name, remedy="publish the adapter again")
