"""Which files of a model repo are its weights: one rule for a folder and for a hub, on file names and the index alone.

A whole file under a usual name goes first, as for the libraries that load it; then the shards of the one index; then
the only safetensors file there is. Pickles are never an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from rshub.errors import IntegrityError, NotFound
from rshub.formats.canonical import load_json
from rshub.tensors.tensor_file import PICKLES
from rshub.types import TensorName

SINGLE_FILES = ("model.safetensors", "diffusion_pytorch_model.safetensors")
INDEX_SUFFIX = ".safetensors.index.json"
MAX_INDEX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class WeightFiles:
    """The weight files of a model; with an index, its name and where it puts each tensor."""

    shards: tuple[str, ...]
    index: str | None = None
    placed: Mapping[TensorName, str] = field(default_factory=dict)


def weight_files(names: Collection[str], read: Callable[[str], bytes], *, source: str) -> WeightFiles:
    """Choose the weight files among the file names of a model.

    Args:
        names: Every file of the folder or repo, by its path in it.
        read: Gives the bytes of one of them; called for the index only.
        source: What to call the model in an error.

    Raises:
        IntegrityError: There are pickles only, several candidates, or an index that does not fit.
        NotFound: There are no weights at all.
    """
    for single in SINGLE_FILES:
        if single in names:
            return WeightFiles(shards=(single,))
    tops = sorted(name for name in names if "/" not in name)
    indices = [name for name in tops if name.endswith(INDEX_SUFFIX)]
    if len(indices) > 1:
        raise IntegrityError(
            f"{source}: there is more than one index: {', '.join(indices)}",
            where=source,
            remedy="keep the one that belongs to the model",
        )
    if indices:
        return _indexed(indices[0], read(indices[0]), names, source)
    found = [name for name in tops if name.endswith(".safetensors")]
    if len(found) == 1:
        return WeightFiles(shards=(found[0],))
    if found:
        raise IntegrityError(
            f"{source}: {len(found)} safetensors files and no index that says which belong together",
            where=source,
            remedy="add model.safetensors.index.json, or keep one file",
        )
    pickles = [name for name in tops if name.endswith(PICKLES)]
    if pickles:
        raise IntegrityError(
            f"{source}: the weights are there only as {pickles[0]}, a pickle, which is never opened",
            where=f"{source}/{pickles[0]}",
            remedy="save them as safetensors: save_pretrained(..., safe_serialization=True)",
        )
    raise NotFound(f"{source}: no safetensors weights", where=source, remedy="check that this is the base model")


def _indexed(index: str, data: bytes, names: Collection[str], source: str) -> WeightFiles:
    place = f"{source}/{index}"
    weight_map = load_json(data, source=place, error=IntegrityError, max_bytes=MAX_INDEX_BYTES).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise IntegrityError(f"{place}: no weight_map", where=place, remedy="fetch the index again")
    for name, shard in weight_map.items():
        plain = isinstance(shard, str) and shard == PurePosixPath(shard).name and shard.endswith(".safetensors")
        if not plain or "\\" in shard:
            raise IntegrityError(
                f"{place}: {name} lies in {shard!r}, which is no plain name of a safetensors file",
                where=name,
                remedy="fetch the index again",
            )
        if shard not in names:
            raise IntegrityError(
                f"{source}: the index names {shard}, which is not there",
                where=f"{source}/{shard}",
                remedy="fetch the whole checkpoint",
            )
    placed = {TensorName(name): shard for name, shard in weight_map.items()}
    return WeightFiles(shards=tuple(sorted(set(placed.values()))), index=index, placed=placed)
