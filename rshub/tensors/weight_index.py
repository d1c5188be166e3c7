"""An index: which shard holds which tensor. It is held against the shards, because it alone knows what is missing.

Both must say the same: a tensor that only one of them knows, or that lies in another shard, is refused by name. So is
a shard without an index, which is a part of a whole that nobody describes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from rshub.errors import IntegrityError
from rshub.formats.canonical import load_json
from rshub.types import TensorName

INDEX_SUFFIX = ".safetensors.index.json"
MAX_INDEX_BYTES = 32 * 1024 * 1024
SHARD = re.compile(r"(.+)-(\d{1,9})-of-(\d{1,9})\.safetensors", re.DOTALL)


def parse_index(data: bytes, names: Collection[str], *, source: str, place: str) -> dict[TensorName, str]:
    """Read which shard holds which tensor.

    Args:
        data: The bytes of the index.
        names: The files that lie beside it.
        source: What to call the folder in an error.
        place: What to call the index in an error.

    Raises:
        IntegrityError: It is no index, or names a file that is not there or lies elsewhere.
    """
    weight_map = load_json(data, source=place, error=IntegrityError, max_bytes=MAX_INDEX_BYTES).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise IntegrityError(f"{place}: no weight_map", where=place, remedy="fetch the index again")
    sound: set[str] = set()  # maps are long and shards are few: each shard is looked at once
    for name, shard in weight_map.items():
        if isinstance(shard, str) and shard in sound:
            continue
        plain = isinstance(shard, str) and shard == PurePosixPath(shard).name and shard.endswith(".safetensors")
        if not plain or "\\" in shard:
            raise IntegrityError(
                f"{place}: {name[:200]} lies in {shard!r:.200}, which is no plain name of a safetensors file",
                where=name,
                remedy="fetch the index again",
            )
        if shard not in names:
            raise IntegrityError(
                f"{source}: the index names {shard}, which is not there",
                where=f"{source}/{shard}",
                remedy="fetch the whole checkpoint",
            )
        sound.add(shard)
    _refuse_forgotten(sound, names, source, place)
    return {TensorName(name): shard for name, shard in weight_map.items()}


def refuse_parts(shards: Collection[str], source: str) -> None:
    """Refuse shards that no index describes.

    Raises:
        IntegrityError: For the first file whose name says that it is one of several.
    """
    for shard in shards:
        part = SHARD.fullmatch(shard)
        if part is not None and int(part[3]) > 1:
            raise IntegrityError(
                f"{source}: {shard} is one part of {int(part[3])}, and the index that says what belongs to the whole "
                "is missing",
                where=f"{source}/{shard}",
                remedy=f"add {part[1]}{INDEX_SUFFIX}, which was saved with it, or save all weights in one file",
            )


def hold_to_index(placed: Mapping[TensorName, str], held: Mapping[str, Collection[TensorName]], *, source: str) -> None:
    """Hold an index against the headers of its shards.

    Args:
        placed: Tensor to shard, as the indices say; those of components as ``component/name``.
        held: Shard to the names of its tensors in it; shards that no index names are left alone.
        source: What to call the model in an error.

    Raises:
        IntegrityError: For the first tensor that one of both does not know.
    """
    inside = {shard: frozenset(names) for shard, names in held.items()}
    for name, shard in placed.items():
        start = shard.rpartition("/")[0]
        own = TensorName(name.removeprefix(f"{start}/")) if start else name
        if own not in inside[shard]:
            raise IntegrityError(
                f"{source}: the index puts {name[:200]} into {shard}, which does not hold it",
                where=name,
                remedy="fetch the checkpoint again: the file, or its index, is not the one that was saved",
            )
    for shard in dict.fromkeys(placed.values()):
        start = shard.rpartition("/")[0]
        for own in held[shard]:
            name = TensorName(f"{start}/{own}") if start else own
            if placed.get(name) != shard:
                raise IntegrityError(
                    f"{source}: {shard} holds {name[:200]}, of which the index says nothing",
                    where=name,
                    remedy="fetch the checkpoint again: the file, or its index, is not the one that was saved",
                )


def _refuse_forgotten(shards: Collection[str], names: Collection[str], source: str, place: str) -> None:
    """Refuse a file that is called as one more shard of the same whole, and that the index does not name."""
    wholes = {part.group(1, 3) for shard in shards if (part := SHARD.fullmatch(shard))}
    for name in sorted(names):
        part = SHARD.fullmatch(name)
        if part is not None and part.group(1, 3) in wholes and name not in shards:
            raise IntegrityError(
                f"{source}: {name} is called as a part of the same whole, but the index does not name it",
                where=place,
                remedy="fetch the index again, or remove the file if it does not belong there",
            )
