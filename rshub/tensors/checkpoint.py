"""A base checkpoint: one safetensors file or many with an index, of which only the headers are in memory.

It says where each tensor lies and what the config says. A base on a hub is known by its headers alone; that is enough
for adapters. Pickled weights are never read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rshub.errors import IntegrityError, RshubError
from rshub.formats.header import TensorSpan, parse_header
from rshub.tensors.model_config import CONFIG, parse_config
from rshub.tensors.plain_file import file_names, read_plain
from rshub.tensors.tensor_file import TensorFile
from rshub.tensors.weight_files import weight_files
from rshub.types import TensorName


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
            NotFound: When the folder or its weights are not there, or may not be read.
            IntegrityError: When a header, the index or the config is not sound, or the weights are pickles.
        """
        there = file_names(folder)
        found = weight_files(there, lambda name: read_plain(folder / name), source=str(folder))
        files = {shard: TensorFile.open(folder / shard) for shard in found.shards}
        for name, shard in found.placed.items():
            if name not in files[shard].tensors:
                raise IntegrityError(
                    f"{folder}: the index puts {name} into {shard}, which does not hold it",
                    where=name,
                    remedy="fetch the checkpoint again",
                )
        return cls(
            source=str(folder),
            folder=folder,
            shards=found.shards,
            index=found.index,
            prefixes={shard: file.prefix for shard, file in files.items()},
            sizes={shard: file.size for shard, file in files.items()},
            tensors=_placed({shard: file.tensors for shard, file in files.items()}, str(folder)),
            config=parse_config(read_plain(folder / CONFIG), source=str(folder / CONFIG)) if CONFIG in there else {},
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
