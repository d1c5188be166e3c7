"""Which files of a model repo are its weights: one rule for a folder and for a hub, on file names and the index alone.

A whole file under a usual name goes first, as for the libraries that load it; then the shards of the one index; then
the only safetensors file there is. A pipeline is judged component by component: what lies at its top are copies.
Pickles are never an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from rshub.errors import IntegrityError, NotFound
from rshub.tensors.pipeline import MODEL_INDEX, components
from rshub.tensors.tensor_file import PICKLES
from rshub.tensors.weight_index import INDEX_SUFFIX, MAX_INDEX_BYTES, parse_index, refuse_parts
from rshub.types import TensorName

__all__ = ["INDEX_SUFFIX", "MAX_INDEX_BYTES", "SINGLE_FILES", "WeightFiles", "folder_weights", "weight_files"]

SINGLE_FILES = ("model.safetensors", "diffusion_pytorch_model.safetensors")


@dataclass(frozen=True, kw_only=True)
class WeightFiles:
    """The weight files of a model, by their path in it; with indices, their names and where they put each tensor.

    ``components`` are the folders of a pipeline, with weights or without; its tensors are named ``component/name``.
    """

    shards: tuple[str, ...]
    indices: tuple[str, ...] = ()
    placed: Mapping[TensorName, str] = field(default_factory=dict)
    components: tuple[str, ...] = ()


def weight_files(names: Collection[str], read: Callable[[str], bytes], *, source: str) -> WeightFiles:
    """Choose the weight files among the file names of a model.

    Args:
        names: Every file of the folder or repo, by its path in it.
        read: Gives the bytes of one of them; called for indices only.
        source: What to call the model in an error.

    Raises:
        IntegrityError: There are pickles only, several candidates, or an index that does not fit.
        NotFound: There are no weights at all.
    """
    if MODEL_INDEX in names:
        return _of_pipeline(names, read, source)
    found = folder_weights([name for name in names if "/" not in name], read, source)
    if found is None:
        raise NotFound(f"{source}: no safetensors weights", where=source, remedy="check that this is the base model")
    return found


def _of_pipeline(names: Collection[str], read: Callable[[str], bytes], source: str) -> WeightFiles:
    """Gather the weight files of all components."""
    shards: list[str] = []
    indices: list[str] = []
    placed: dict[TensorName, str] = {}
    named = components(read(MODEL_INDEX), source=f"{source}/{MODEL_INDEX}")
    for component in named:
        start = f"{component}/"
        inside = [name.removeprefix(start) for name in names if name.startswith(start)]
        if not inside:
            raise IntegrityError(
                f"{source}: {MODEL_INDEX} names the component {component}, but none of its files is there",
                where=f"{source}/{component}",
                remedy="fetch the whole pipeline",
            )
        found = folder_weights([name for name in inside if "/" not in name], read, f"{source}/{component}", start=start)
        if found is not None:
            shards += [start + shard for shard in found.shards]
            indices += [start + index for index in found.indices]
            placed |= {TensorName(start + name): start + shard for name, shard in found.placed.items()}
    if not shards:
        raise NotFound(f"{source}: no safetensors weights in any component", where=source, remedy="check the base")
    return WeightFiles(shards=tuple(sorted(shards)), indices=tuple(indices), placed=placed, components=named)


def folder_weights(
    tops: Collection[str], read: Callable[[str], bytes], source: str, *, start: str = ""
) -> WeightFiles | None:
    """Choose among the files of one folder.

    Args:
        tops: Their names in that folder.
        read: See ``weight_files``.
        source: What to call the folder in an error.
        start: What goes before the names for ``read``: the folder and a slash.

    Returns:
        The files by their names in the folder; None when there are no weights of any kind.

    Raises:
        IntegrityError: See ``weight_files``.
    """
    for single in SINGLE_FILES:
        if single in tops:
            return WeightFiles(shards=(single,))
    indices = sorted(name for name in tops if name.endswith(INDEX_SUFFIX))
    if len(indices) > 1:
        raise IntegrityError(
            f"{source}: there is more than one index: {', '.join(indices)}",
            where=source,
            remedy="keep the one that belongs to the model",
        )
    if indices:
        index = indices[0]
        placed = parse_index(read(start + index), tops, source=source, place=f"{source}/{index}")
        return WeightFiles(shards=tuple(sorted(set(placed.values()))), indices=(index,), placed=placed)
    found = sorted(name for name in tops if name.endswith(".safetensors"))
    if len(found) == 1:
        refuse_parts(found, source)
        return WeightFiles(shards=(found[0],))
    if found:
        refuse_parts(found, source)
        raise IntegrityError(
            f"{source}: {len(found)} safetensors files and no index that says which belong together",
            where=source,
            remedy="add model.safetensors.index.json, or keep one file",
        )
    pickles = sorted(name for name in tops if name.endswith(PICKLES))
    if pickles:
        raise IntegrityError(
            f"{source}: the weights are there only as {pickles[0]}, a pickle, which is never opened",
            where=f"{source}/{pickles[0]}",
            remedy="save them as safetensors: save_pretrained(..., safe_serialization=True)",
        )
    return None
