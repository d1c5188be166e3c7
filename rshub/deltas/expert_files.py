"""Which files of a folder or repo are an expert's tensors: one rule for both, on file names and indices alone.

An adapter goes first; then whole tensors, as the weights of a model or of a pipeline are found; then any safetensors
files at the top, or in folders that are called as the components of the base. Pickles are never an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rshub.deltas.adapters import CONFIG as ADAPTER_CONFIG
from rshub.deltas.adapters import WEIGHTS as ADAPTER_WEIGHTS
from rshub.errors import NotFound
from rshub.tensors.model_config import CONFIG
from rshub.tensors.pipeline import MODEL_INDEX, components, model_files
from rshub.tensors.plain_file import file_names
from rshub.tensors.tensor_file import PICKLES
from rshub.tensors.weight_files import SINGLE_FILES, folder_weights
from rshub.tensors.weight_index import INDEX_SUFFIX, refuse_parts
from rshub.types import TensorName

ENDING = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class ExpertFiles:
    """The files of an expert, by their path: those that hold tensors, and those that are read with them.

    ``placed`` is what indices say: tensor to file, both with the folder that they lie in.
    """

    weights: tuple[str, ...]
    beside: tuple[str, ...] = ()
    placed: Mapping[TensorName, str] = field(default_factory=dict, repr=False)

    @property
    def is_adapter(self) -> bool:
        """Say whether this is a PEFT adapter."""
        return self.weights == (ADAPTER_WEIGHTS,)

    @property
    def names(self) -> tuple[str, ...]:
        """Every file that counts."""
        return tuple(sorted((*self.weights, *self.beside)))


def expert_files(names: Collection[str], read: Callable[[str], bytes], *, source: str) -> ExpertFiles:
    """Choose the files of an expert among the file names of a folder or repo.

    Args:
        names: Every file by its path.
        read: Gives the bytes of one of them; called for indices only.
        source: What to call the expert in an error.

    Raises:
        IntegrityError: There are pickles only, or an index that does not fit.
        NotFound: There are no tensors at all.
    """
    if ADAPTER_WEIGHTS in names:
        return ExpertFiles(weights=(ADAPTER_WEIGHTS,), beside=_there([ADAPTER_CONFIG], names))
    if MODEL_INDEX in names:
        named = components(read(MODEL_INDEX), source=f"{source}/{MODEL_INDEX}")
        places = [f"{component}/" for component in named if _any(f"{component}/", names, (ENDING, *PICKLES))]
    elif not _any("", names, (ENDING,)):
        below = [name for name in names if name.count("/") == 1 and not name.startswith(".")]
        places = sorted({f"{name.partition('/')[0]}/" for name in below if name.endswith(ENDING)})
    else:
        places = [""]
    found = [_of_folder(place, names, read, source) for place in places or [""]]
    return ExpertFiles(
        weights=tuple(name for part in found for name in part.weights),
        beside=(*_there([MODEL_INDEX], names), *(name for part in found for name in part.beside)),
        placed={name: file for part in found for name, file in part.placed.items()},
    )


def _any(start: str, names: Collection[str], endings: tuple[str, ...]) -> bool:
    """Say whether a file that ends in one of these lies right in a folder."""
    return any(name.startswith(start) and "/" not in name[len(start) :] and name.endswith(endings) for name in names)


def files_in(folder: Path) -> list[str]:
    """List the files of a folder that may be an expert's, by their path: at its top and one folder down.

    Raises:
        NotFound: There is no such folder, or it may not be read.
    """
    names = file_names(folder)
    if MODEL_INDEX in names:
        return model_files(folder)
    if not any(name.endswith(ENDING) for name in names):
        below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        names += [f"{path.name}/{name}" for path in below for name in file_names(path)]
    return names


def _of_folder(start: str, names: Collection[str], read: Callable[[str], bytes], source: str) -> ExpertFiles:
    """Choose among the files of one folder: those of a whole model, else every safetensors file there is."""
    own = [name.removeprefix(start) for name in names if name.startswith(start)]
    tops = sorted(name for name in own if "/" not in name)
    several = [name for name in tops if name.endswith(ENDING)]
    indices: tuple[str, ...] = ()
    placed: dict[TensorName, str] = {}
    if len(several) < 2 or any(name in SINGLE_FILES or name.endswith(INDEX_SUFFIX) for name in tops):
        found = folder_weights(tops, read, f"{source}/{start}".rstrip("/"), start=start)
        if found is None:
            raise NotFound(
                f"{source}: no tensors of an expert: neither {ADAPTER_WEIGHTS} nor other safetensors files",
                where=source,
                remedy="name a folder or repo that holds an adapter, or weights in safetensors",
            )
        several, indices = list(found.shards), found.indices
        placed = {TensorName(start + name): start + file for name, file in found.placed.items()}
    else:
        refuse_parts(several, f"{source}/{start}".rstrip("/"))
    beside = (*indices, *_there([CONFIG], tops))
    return ExpertFiles(
        weights=tuple(start + name for name in several),
        beside=tuple(start + name for name in beside),
        placed=placed,
    )


def _there(wanted: Collection[str], names: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in wanted if name in names)
