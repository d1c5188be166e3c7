"""A PEFT adapter in a folder, read into the changes that it makes to a base.

Every tensor is read, left out and said, or refused by name; every pair is complete, and the tensors agree with the
config. Only ``adapter_config.json`` and ``adapter_model.safetensors`` are read; pickles are never opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rshub.deltas.adapter_extras import read_extras
from rshub.deltas.adapter_names import by_role, plain_name
from rshub.deltas.adapter_pairs import ByRole, read_pairs
from rshub.deltas.components import place_in_one
from rshub.deltas.decomposed import Decomposed
from rshub.deltas.delta import LowRank, check_finite
from rshub.deltas.matching import WEIGHT, Placement, Wanted, match
from rshub.deltas.peft_config import LoraSettings, lora_settings
from rshub.deltas.replaced import ReplacedRows
from rshub.errors import Incompatible, IntegrityError, NotFound
from rshub.formats.canonical import digest, load_json
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.dtypes import FLOATS
from rshub.tensors.file_digest import file_digest
from rshub.tensors.plain_file import file_names, read_plain
from rshub.tensors.tensor_file import TensorFile, refuse_pickles
from rshub.types import Digest, TensorName

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """An adapter whose header and config are read, and whose numbers are still on disk.

    ``modules`` are the low-rank changes by their module's path, ``extras`` all others, ``notes`` what was left out, and
    ``heads`` the names of value heads, which only training needs.
    """

    folder: Path
    label: str
    config: Mapping[str, Any] = field(repr=False)
    settings: LoraSettings
    modules: Mapping[str, LowRank | Decomposed] = field(repr=False)
    file: TensorFile = field(repr=False)
    extras: tuple[Wanted, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()

    @property
    def rank(self) -> int | None:
        """The largest rank of any module; None when nothing is low-rank."""
        return max((module.rank for module in self.modules.values()), default=None)

    @property
    def plain(self) -> bool:
        """Whether there is nothing but plain factors."""
        return not self.extras and all(isinstance(module, LowRank) for module in self.modules.values())

    @property
    def size(self) -> int:
        """The size of the weights (bytes)."""
        return self.file.size

    @cached_property
    def content_key(self) -> Digest:
        """A name for what the adapter does: equal for equal tensors and scales, whatever the folder is called."""
        scales = {name: [module.scale.hex(), module.rank] for name, module in self.modules.items()}
        key: dict[str, Any] = {
            "tensors": file_digest(self.file.path),
            "scales": scales,
            "fan_in_fan_out": self.settings.fan_in_fan_out,
        }
        for extra in self.extras:
            rows = list(extra.delta.rows) if isinstance(extra.delta, ReplacedRows) else []
            key.setdefault("extras", []).append([extra.path, type(extra.delta).__name__, extra.in_place, rows])
        return digest(key)

    def check_finite(self) -> None:
        """Read every number once.

        Raises:
            IntegrityError: For the first tensor that holds NaN or an infinity.
        """
        for module in self.modules.values():
            (module.low_rank if isinstance(module, Decomposed) else module).factors("plain")
            if isinstance(module, Decomposed):
                module.lengths()
        for extra in self.extras:
            check_finite(self.file, extra.delta.first_name, self.label)

    def place(self, base: Checkpoint) -> tuple[Placement, ...]:
        """Find the base's tensor for every delta.

        Raises:
            Incompatible: For a tensor that matches nothing, or does not fit what it matches; named.
        """
        if base.components:
            names = {TensorName(module + WEIGHT) for module in self.modules}
            return place_in_one(base, self.place, names=names, label=self.label)[1]
        for head in self.heads:
            if TensorName(plain_name(head)) in base.tensors:
                raise Incompatible(
                    f"{self.label}: the tensor {head} looks like a value head of training, but the base has one",
                    where=head,
                    remedy="leave this expert out, or publish it with its whole modules named in modules_to_save",
                )
        pairs = [Wanted(path=module + WEIGHT, delta=delta) for module, delta in self.modules.items()]
        wanted = [*pairs, *self.extras]
        return match(wanted, base, fan_in_fan_out=self.settings.fan_in_fan_out, label=self.label)


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
    roles, unknown = by_role(file)
    _refuse_unknown(unknown, file, roles, label)
    modules = read_pairs(roles, file, settings)
    extras = read_extras(roles, file, settings, modules)
    if not modules and not extras:
        raise IntegrityError(
            f"{label}: {WEIGHTS} holds no tensors", where=str(folder), remedy="publish the adapter again"
        )
    heads = tuple(name for names in roles["value head"].values() for name in names)
    copies = [name for names in roles["copy"].values() for name in names]
    return Adapter(
        folder=folder,
        label=label,
        config=config,
        settings=settings,
        modules=modules,
        file=file,
        extras=extras,
        notes=(
            *_left_out(label, heads, "a value head, which only training needs"),
            *_left_out(label, copies, "originals of modules that are saved whole, which nothing uses"),
        ),
        heads=heads,
    )


def _refuse_unknown(unknown: Sequence[TensorName], file: TensorFile, roles: ByRole, label: str) -> None:
    """Refuse tensors without a meaning, and those that are no numbers to mix."""
    for name in unknown:
        raise Incompatible(
            f"{label}: the tensor {name} cannot be mixed: nobody here knows what it does",
            where=name,
            remedy="leave this expert out, or train it without this part",
        )
    left_out = {name for role in ("value head", "copy") for names in roles[role].values() for name in names}
    for name, span in file.tensors.items():
        if span.dtype not in FLOATS and name not in left_out:
            raise Incompatible(
                f"{label}: the tensor {name} is {span.dtype}, not floating point of 16 bits or more",
                where=name,
                remedy="save the adapter in float32 or bfloat16",
            )


def _left_out(label: str, names: Sequence[str], what: str) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [f"{label}: left out {', '.join(names[:3])}{more}: {what}"]
