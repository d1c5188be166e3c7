"""Whole tensors as an expert: a fine-tuned checkpoint, or a part of one, in plain safetensors files.

Each tensor takes the place of the base's tensor of its name; what the expert lacks stays as it is. Names are those of
the base on disk, but for what wrappers add and for one body name that only one side has. A tensor of an unknown name or
another shape, a changed integer, quantised weights and the weights of another architecture are refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from rshub.deltas.adapter_names import plain_name
from rshub.deltas.components import in_pipeline, place_in_one
from rshub.deltas.delta import check_finite
from rshub.deltas.expert_files import ExpertFiles
from rshub.deltas.matching import Placement, Wanted, match, refuse_quantised
from rshub.deltas.naming import Spot, find_spots
from rshub.deltas.replaced import Replaced
from rshub.deltas.same_model import refuse_other_model
from rshub.deltas.saved_tensors import Saved, check_carried, check_shape, refuse_unmatched
from rshub.deltas.tying import tied_pair
from rshub.errors import Incompatible, IntegrityError
from rshub.formats.canonical import digest
from rshub.tensors.checkpoint import Checkpoint, Placed
from rshub.tensors.dtypes import FLOATS
from rshub.tensors.file_digest import file_digest
from rshub.tensors.model_config import CONFIG, parse_config
from rshub.tensors.plain_file import read_plain
from rshub.tensors.tensor_file import TensorFile
from rshub.tensors.weight_index import hold_to_index
from rshub.types import Digest, TensorName

VALUE_HEADS = ("v_head.", "value_head.")
"""What reinforcement learning adds to a model for itself: no part of what the model says."""


@dataclass(frozen=True, kw_only=True)
class WeightSet:
    """Whole tensors of an expert by component and name; the component is empty for what lies at the top.

    ``heads`` are the tensors of value heads, which only training needs; ``notes`` say what was left out.
    """

    folder: Path
    label: str
    files: ExpertFiles
    configs: Mapping[str, Mapping[str, Any]] = field(repr=False)
    saved: Mapping[str, Mapping[TensorName, Saved]] = field(repr=False)
    heads: tuple[TensorName, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def config(self) -> Mapping[str, Any]:
        """The config at the top, if there is one."""
        return self.configs.get("", {})

    @property
    def rank(self) -> None:
        """Nothing here is low-rank."""
        return

    @property
    def modules(self) -> tuple[str, ...]:
        """The paths of the modules that the tensors belong to."""
        names = (plain_name(name) for inside in self.saved.values() for name in inside)
        return tuple(sorted({name.rpartition(".")[0] or name for name in names}))

    @property
    def size(self) -> int:
        """The size of the files (bytes)."""
        return sum((self.folder / name).stat().st_size for name in self.files.weights)

    @cached_property
    def content_key(self) -> Digest:
        """A name for what the expert does: the digests of its files by their names."""
        digests = {name: file_digest(self.folder / name) for name in self.files.weights}
        return digest({"kind": "weights", "files": digests})

    @property
    def format(self) -> str:
        """How the files are laid out: as diffusers saves models, or plainly."""
        names = (PurePosixPath(name).name for name in self.files.weights)
        known = any(component for component in self.saved) or any("_class_name" in c for c in self.configs.values())
        return "diffusers" if known or any(name.startswith("diffusion_pytorch_model") for name in names) else "plain"

    def kind(self, base: Checkpoint) -> str:
        """Say whether every tensor of the base is there, or only a part of them."""
        return "full" if self._held(base) >= base.tensors.keys() else "partial"

    def place(self, base: Checkpoint) -> tuple[Placement, ...]:
        """Find the base's tensor for every tensor.

        Raises:
            Incompatible: For a tensor that matches nothing, or does not fit what it matches; named.
        """
        refuse_quantised(base)
        for head in self.heads:
            if _in_base(head, base) in base.tensors:
                raise Incompatible(
                    f"{self.label}: the tensor {head} looks like a value head of training, but the base has one",
                    where=head,
                    remedy="use an expert that was trained without a value head, or a base that has none",
                )
        if not base.components:
            folder = next((component for component in self.saved if component), None)
            if folder is not None:
                raise Incompatible(
                    f"{self.label}: its weights lie in the folder {folder}, but {base.source} has no components",
                    where=folder,
                    remedy="check that the expert was trained on this base",
                )
            return self._place(base, "")
        if "" in self.saved:
            return self._alone(base)[1]
        placed: list[Placement] = []
        for component, inside in self.saved.items():
            if component not in base.components:
                raise Incompatible(
                    f"{self.label}: the tensor {next(iter(inside))} lies in the folder {component}, which is no "
                    f"component of {base.source}",
                    where=component,
                    remedy="check that the expert was trained on this base",
                )
            inner = self._place(base.component(component), component)
            placed += in_pipeline(inner, base, component, label=self.label)
        return tuple(placed)

    def check_finite(self) -> None:
        """Read every number once.

        Raises:
            IntegrityError: For the first tensor that holds NaN or an infinity.
        """
        for saved in chain.from_iterable(inside.values() for inside in self.saved.values()):
            if saved.span.dtype in FLOATS:
                check_finite(saved.file, saved.name, self.label)

    def carried(self, base: Checkpoint) -> tuple[tuple[Saved, Placed], ...]:
        """Give every tensor that is no number to mix, with the base's, whose bytes it must have."""
        models = {place: base.component(place) if place else base for place in self.saved}
        if base.components and "" in self.saved:
            models[""] = base.component(self._alone(base)[0])
        return tuple(
            (self.saved[place][name], spot.placed)
            for place, model in models.items()
            for name, spot in self._spots(model, place).items()
            if self.saved[place][name].span.dtype not in FLOATS
        )

    def _alone(self, base: Checkpoint) -> tuple[str, tuple[Placement, ...]]:
        """Place what lies at the top in the one component that it fits."""
        names = self.saved[""]
        return place_in_one(base, lambda model: self._place(model, ""), names=names, label=self.label)

    def _held(self, base: Checkpoint) -> set[TensorName]:
        """Give the tensors of the base that the expert holds."""
        if not base.components:
            return {spot.tensor for spot in self._spots(base, "").values()}
        at = {component: component for component in self.saved} if "" not in self.saved else {"": self._alone(base)[0]}
        return {
            TensorName(f"{component}/{spot.tensor}")
            for place, component in at.items()
            for spot in self._spots(base.component(component), place).values()
        }

    def _place(self, base: Checkpoint, component: str) -> tuple[Placement, ...]:
        """Place the tensors of one folder on a model."""
        saved = self.saved[component]
        spots = self._spots(base, component)
        renamed = any(spot.rename for spot in spots.values())
        refuse_other_model(self.configs.get(component, {}), base, renamed=renamed, label=self.label)
        changed: list[TensorName] = []
        for name, spot in spots.items():
            check_shape(saved[name], spot, base, self.label)
            if {saved[name].span.dtype, spot.placed.dtype} <= FLOATS.keys():
                changed.append(name)
            else:
                check_carried(saved[name], spot, base, self.label)
        same = self._unchanged_files(base, component)
        tied = tied_pair(base)
        both = tied is not None and {tied.head, tied.embedding} <= {spot.tensor for spot in spots.values()}
        wanted = [
            Wanted(
                path=_in_base(name, base),
                delta=Replaced(label=self.label, file=saved[name].file, name=name),
                in_place=not both,
            )
            for name in changed
            if saved[name].file.path not in same
        ]
        return match(wanted, base, fan_in_fan_out=False, label=self.label)

    def _spots(self, base: Checkpoint, component: str) -> dict[TensorName, Spot]:
        """Give the place in the base of every tensor of a folder, by its name in its file.

        Raises:
            Incompatible: For a name that matches nothing, or more than one thing.
        """
        spots: dict[TensorName, Spot] = {}
        for name in self.saved[component]:
            found = find_spots(_in_base(name, base), base)
            if len(found) != 1:
                refuse_unmatched(name, sorted(spot.tensor for spot in found), base, self.label)
            spots[name] = found[0]
        return spots

    def _unchanged_files(self, base: Checkpoint, component: str) -> set[Path]:
        """Find the files that are files of the base, byte for byte; what they hold does not change.

        Headers are compared first; digests of large files are remembered, and taken anyway when something is fetched.
        """
        if base.folder is None:
            return set()
        shards = {prefix: shard for shard, prefix in base.prefixes.items()}
        files = {saved.file.path: saved.file for saved in self.saved[component].values()}
        return {
            path
            for path, file in files.items()
            if (shard := shards.get(file.prefix)) is not None
            and base.sizes[shard] == file.size
            and file_digest(base.path(shard)) == file_digest(path)
        }


def read_weights(folder: Path, files: ExpertFiles, *, label: str) -> WeightSet:
    """Read the headers and configs of an expert that is whole tensors.

    Args:
        folder: Where its files lie.
        files: Which of them count.
        label: What to call the expert in errors and reports.

    Raises:
        NotFound: When a file is not there, or may not be read.
        IntegrityError: For a truncated or hostile file, a tensor that is there twice, or an index that does not fit.
        Incompatible: For quantised weights.
    """
    configs = {
        _folder_of(name): parse_config(read_plain(folder / name), source=f"{label}: {name}")
        for name in files.beside
        if PurePosixPath(name).name == CONFIG
    }
    saved: dict[str, dict[TensorName, Saved]] = {}
    heads: list[TensorName] = []
    opened = {path: TensorFile.open(folder / path) for path in files.weights}
    hold_to_index(files.placed, {path: file.tensors for path, file in opened.items()}, source=label)
    for path, file in opened.items():
        inside = saved.setdefault(_folder_of(path), {})
        for name in file.tensors:
            if plain_name(name).startswith(VALUE_HEADS):
                heads.append(name)
                continue
            if name in inside:
                raise IntegrityError(
                    f"{label}: the tensor {name} is in {inside[name].file.path.name} and in {path}",
                    where=name,
                    remedy="keep one of them, or add the index that says which files belong together",
                )
            inside[name] = Saved(file=file, name=name)
    if not any(saved.values()):
        raise IntegrityError(f"{label}: its files hold no tensors", where=label, remedy="publish it again")
    for place, config in configs.items():
        if config.get("quantization_config"):
            raise Incompatible(
                f"{label}: these weights are quantised, which {place or 'its'} config.json says",
                where="quantization_config",
                remedy="publish them again in bfloat16, float16 or float32",
            )
    left_out = [f"{label}: the value head ({heads[0]}) is no part of the model and was left out"] if heads else []
    return WeightSet(
        folder=folder,
        label=label,
        files=files,
        configs=configs,
        saved=saved,
        heads=tuple(heads),
        notes=tuple(left_out),
    )


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _in_base(name: TensorName, base: Checkpoint) -> TensorName:
    """Give a name as the base may have it: without what wrappers put around it."""
    return name if name in base.tensors else TensorName(plain_name(name))
