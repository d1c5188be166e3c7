"""A base checkpoint: one safetensors file or many with an index, of which only the headers are in memory.

It says where each tensor lies and what the config says. A base on a hub is known by its headers alone; that is enough
for adapters. Pickled weights are never read.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from rshub.errors import IntegrityError, NotFound, RshubError
from rshub.formats.canonical import load_json
from rshub.formats.header import TensorSpan, parse_header
from rshub.tensors.dtypes import Array
from rshub.tensors.tensor_file import TensorFile, refuse_pickles
from rshub.types import TensorName

SINGLE_FILES = ("model.safetensors", "diffusion_pytorch_model.safetensors")
INDEX_SUFFIX = ".safetensors.index.json"
MAX_CONFIG_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Placed(TensorSpan):
    """A tensor of a checkpoint: its span and the shard that holds it."""

    shard: str


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A base model's weights; ``folder`` is None when only the headers are known."""

    source: str
    folder: Path | None
    shards: tuple[str, ...]
    index: str | None
    prefixes: Mapping[str, bytes] = field(repr=False)
    sizes: Mapping[str, int]
    tensors: Mapping[TensorName, Placed] = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> Checkpoint:
        """Read the headers of a checkpoint in a folder.

        Raises:
            NotFound: When the folder or its weights are not there.
            IntegrityError: When a header, the index or the config is not sound, or the weights are pickles.
        """
        if not folder.is_dir():
            raise NotFound(f"{folder}: no such folder", where=str(folder), remedy="check the path of the base")
        index = _index_name(folder)
        names = _indexed(folder / index) if index else {}
        shards = tuple(sorted(set(names.values()))) or (_single(folder),)
        files: dict[str, TensorFile] = {}
        for shard in shards:
            if not (folder / shard).is_file():
                raise IntegrityError(
                    f"{folder}: the index names {shard}, which is not there",
                    where=str(folder / shard),
                    remedy="fetch the whole checkpoint",
                )
            files[shard] = TensorFile.open(folder / shard)
        for name, shard in names.items():
            if name not in files[shard].tensors:
                raise IntegrityError(
                    f"{folder}: the index puts {name} into {shard}, which does not hold it",
                    where=name,
                    remedy="fetch the checkpoint again",
                )
        return cls(
            source=str(folder),
            folder=folder,
            shards=shards,
            index=index,
            prefixes={shard: file.prefix for shard, file in files.items()},
            sizes={shard: file.size for shard, file in files.items()},
            tensors=_placed({shard: file.tensors for shard, file in files.items()}, str(folder)),
            config=_config(folder / "config.json"),
        )

    @classmethod
    def from_headers(
        cls, headers: Mapping[str, tuple[bytes, int]], *, config: Mapping[str, Any] | None, source: str
    ) -> Checkpoint:
        """Make a checkpoint of what is known about a remote one.

        Args:
            headers: Shard name to the beginning of the file (length bytes and header) and its size (bytes).
            config: The model's config, if there is one.
            source: What to call the base in an error.

        Raises:
            IntegrityError: When a header is not sound.
        """
        spans = {
            shard: parse_header(prefix, file_size=size, source=f"{source}/{shard}")
            for shard, (prefix, size) in sorted(headers.items())
        }
        return cls(
            source=source,
            folder=None,
            shards=tuple(spans),
            index=None,
            prefixes={shard: prefix for shard, (prefix, _) in sorted(headers.items())},
            sizes={shard: size for shard, (_, size) in sorted(headers.items())},
            tensors=_placed(spans, source),
            config=dict(config or {}),
        )

    def path(self, shard: str) -> Path:
        """Give the path of a shard.

        Raises:
            RshubError: When only the headers of the base are at hand.
        """
        if self.folder is None:
            raise RshubError(
                f"{self.source}: only the headers of this base are at hand",
                where=self.source,
                remedy="download the base, or compose with --format adapter",
            )
        return self.folder / shard

    def read(self, name: TensorName) -> Array:
        """Read a floating-point tensor as float32.

        Raises:
            NotFound: When the checkpoint has no such tensor.
            IntegrityError: When it is no floating-point tensor.
        """
        if name not in self.tensors:
            raise NotFound(f"{self.source}: no tensor {name}", where=name)
        values = TensorFile.open(self.path(self.tensors[name].shard)).read(name)
        return values.astype(np.float32, copy=False)


def _placed(spans: Mapping[str, Mapping[TensorName, TensorSpan]], source: str) -> Mapping[TensorName, Placed]:
    """Gather the tensors of all shards; a name in two shards is refused."""
    tensors: dict[TensorName, Placed] = {}
    for shard, inside in spans.items():
        for name, span in inside.items():
            if name in tensors:
                raise IntegrityError(
                    f"{source}: the tensor {name} is in {tensors[name].shard} and in {shard}",
                    where=name,
                    remedy="remove the duplicate, or fetch the checkpoint again",
                )
            tensors[name] = Placed(dtype=span.dtype, shape=span.shape, start=span.start, end=span.end, shard=shard)
    return MappingProxyType(tensors)


def _index_name(folder: Path) -> str | None:
    """Find the index; a whole file under the usual name goes first, as for the libraries that load it."""
    if any((folder / name).is_file() for name in SINGLE_FILES):
        return None
    found = sorted(path.name for path in folder.iterdir() if path.name.endswith(INDEX_SUFFIX))
    if len(found) > 1:
        raise IntegrityError(
            f"{folder}: there is more than one index: {', '.join(found)}",
            where=str(folder),
            remedy="keep the one that belongs to the model",
        )
    return found[0] if found else None


def _indexed(path: Path) -> dict[TensorName, str]:
    """Read tensor name to shard name out of an index."""
    weight_map = load_json(path.read_bytes(), source=str(path), error=IntegrityError, max_bytes=MAX_CONFIG_BYTES).get(
        "weight_map"
    )
    if not isinstance(weight_map, dict) or not weight_map:
        raise IntegrityError(f"{path}: no weight_map", where=str(path), remedy="fetch the index again")
    for name, shard in weight_map.items():
        plain = isinstance(shard, str) and shard == Path(shard).name and shard.endswith(".safetensors")
        if not plain or "\\" in shard:
            raise IntegrityError(
                f"{path}: {name} lies in {shard!r}, which is no plain name of a safetensors file",
                where=name,
                remedy="fetch the index again",
            )
    return {TensorName(name): shard for name, shard in weight_map.items()}


def _single(folder: Path) -> str:
    """Find the one file of a checkpoint without an index."""
    for name in SINGLE_FILES:
        if (folder / name).is_file():
            return name
    found = sorted(path.name for path in folder.iterdir() if path.suffix == ".safetensors")
    if len(found) == 1:
        return found[0]
    if found:
        raise IntegrityError(
            f"{folder}: {len(found)} safetensors files and no index that says which belong together",
            where=str(folder),
            remedy="add model.safetensors.index.json, or keep one file",
        )
    refuse_pickles(folder, "the weights of the base")
    raise NotFound(f"{folder}: no safetensors weights", where=str(folder), remedy="check the path of the base")


def _config(path: Path) -> Mapping[str, Any]:
    """Read the config; a checkpoint without one has an empty config.

    Some model classes write infinities into theirs, which is no JSON but is read everywhere, so it is read here too.
    """
    if not path.is_file():
        return {}
    data = path.read_bytes()
    with contextlib.suppress(ValueError, RecursionError):
        config = json.loads(data) if len(data) <= MAX_CONFIG_BYTES else None
        if isinstance(config, dict):
            return config
    raise IntegrityError(f"{path}: no JSON object", where=str(path), remedy="fetch the config again")
