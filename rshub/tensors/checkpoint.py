"""A base checkpoint: one safetensors file, many with an index, or a pipeline of such; only the headers are in memory.

It says where each tensor lies and what the config says. The tensors of a pipeline are named ``component/name``, and its
config holds one for each component. A base on a hub is known by its headers alone; that is enough for adapters.
Pickled weights are never read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from rshub.errors import IntegrityError, RshubError
from rshub.formats.header import TensorSpan, parse_header
from rshub.tensors.model_config import CONFIG, parse_config
from rshub.tensors.pipeline import model_files
from rshub.tensors.plain_file import read_plain
from rshub.tensors.tensor_file import TensorFile
from rshub.tensors.weight_files import weight_files
from rshub.tensors.weight_index import hold_to_index
from rshub.types import TensorName


@dataclass(frozen=True, kw_only=True)
class Placed(TensorSpan):
    """A tensor of a checkpoint: its span, the shard that holds it, by its path, and its name in there."""

    shard: str
    name: TensorName


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A base model's weights; ``folder`` is None when only the headers are known.

    ``indices`` are the files that say which shard holds which tensor; ``components`` are the folders of a pipeline.
    """

    source: str
    folder: Path | None
    shards: tuple[str, ...]
    indices: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    prefixes: Mapping[str, bytes] = field(repr=False)
    sizes: Mapping[str, int]
    tensors: Mapping[TensorName, Placed] = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> Checkpoint:
        """Read the headers of a checkpoint in a folder.

        Raises:
            NotFound: When the folder or its weights are not there, or may not be read.
            IntegrityError: When a header, the index or the config is not sound, or the weights are pickles.
        """
        there = model_files(folder)
        found = weight_files(there, lambda name: read_plain(folder / name), source=str(folder))
        files = {shard: TensorFile.open(folder / shard) for shard in found.shards}
        spans = {shard: file.tensors for shard, file in files.items()}
        hold_to_index(found.placed, spans, source=str(folder))
        configs = {
            name: parse_config(read_plain(folder / name), source=str(folder / name))
            for name in config_names(there, found.components)
        }
        return cls(
            source=str(folder),
            folder=folder,
            shards=found.shards,
            indices=found.indices,
            components=found.components,
            prefixes={shard: file.prefix for shard, file in files.items()},
            sizes={shard: file.size for shard, file in files.items()},
            tensors=_placed(spans, str(folder)),
            config=_together(configs, found.components),
        )

    @classmethod
    def from_headers(
        cls,
        headers: Mapping[str, tuple[bytes, int]],
        *,
        configs: Mapping[str, Mapping[str, Any]],
        source: str,
        components: tuple[str, ...] = (),
        placed: Mapping[TensorName, str] | None = None,
    ) -> Checkpoint:
        """Make a checkpoint of what is known about a remote one.

        Args:
            headers: Shard to the beginning of the file (length bytes and header) and its size (bytes).
            configs: The model's configs, by their path: at the top, or of the components.
            source: What to call the base in an error.
            components: The folders of a pipeline.
            placed: Tensor to shard, as the indices say.

        Raises:
            IntegrityError: When a header is not sound, or not what an index says.
        """
        spans = {
            shard: parse_header(prefix, file_size=size, source=f"{source}/{shard}")
            for shard, (prefix, size) in sorted(headers.items())
        }
        hold_to_index(placed or {}, spans, source=source)
        return cls(
            source=source,
            folder=None,
            shards=tuple(spans),
            components=components,
            prefixes={shard: prefix for shard, (prefix, _) in sorted(headers.items())},
            sizes={shard: size for shard, (_, size) in sorted(headers.items())},
            tensors=_placed(spans, source),
            config=_together(configs, components),
        )

    def component(self, name: str) -> Checkpoint:
        """Give one component of a pipeline as a model of its own: its tensors go by their names in their files."""
        start = f"{name}/"
        mine = tuple(shard for shard in self.shards if shard.startswith(start))
        tensors = {placed.name: placed for placed in self.tensors.values() if placed.shard in mine}
        return replace(
            self,
            source=f"{self.source}/{name}",
            shards=mine,
            indices=tuple(index for index in self.indices if index.startswith(start)),
            components=(),
            prefixes={shard: self.prefixes[shard] for shard in mine},
            sizes={shard: self.sizes[shard] for shard in mine},
            tensors=MappingProxyType(tensors),
            config=self.config.get(name, {}),
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


def config_names(names: Collection[str], components: Collection[str]) -> list[str]:
    """Name the configs among the files of a model: that at the top, or those of a pipeline's components."""
    wanted = [f"{component}/{CONFIG}" for component in components] if components else [CONFIG]
    return [name for name in wanted if name in names]


def _together(configs: Mapping[str, Mapping[str, Any]], components: Collection[str]) -> Mapping[str, Any]:
    """Give a model's config; for a pipeline those of its components by their names."""
    if not components:
        return dict(configs.get(CONFIG, {}))
    return {str(PurePosixPath(name).parent): dict(config) for name, config in configs.items()}


def _placed(spans: Mapping[str, Mapping[TensorName, TensorSpan]], source: str) -> Mapping[TensorName, Placed]:
    """Gather the tensors of all shards; a name in two shards is refused."""
    tensors: dict[TensorName, Placed] = {}
    for shard, inside in spans.items():
        start = shard.rpartition("/")[0]
        for own, span in inside.items():
            name = TensorName(f"{start}/{own}") if start else own
            if name in tensors:
                raise IntegrityError(
                    f"{source}: the tensor {name} is in {tensors[name].shard} and in {shard}",
                    where=name,
                    remedy="remove the duplicate, or fetch the checkpoint again",
                )
            tensors[name] = Placed(**vars(span), shard=shard, name=own)
    return MappingProxyType(tensors)
