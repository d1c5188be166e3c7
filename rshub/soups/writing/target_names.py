"""Names in an adapter's config that lead to the modules that are meant and to no others.

PEFT takes a module for its factors when its path is an entry, or ends in a dot and the entry; and one that is saved
whole when its path ends in an entry, with or without a dot. Where a short name would lead elsewhere the whole path is
said; where that leads elsewhere too it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from rshub.deltas.matching import WEIGHT
from rshub.deltas.naming import BODIES
from rshub.errors import Incompatible
from rshub.tensors.checkpoint import Checkpoint
from rshub.types import TensorName


def target_names(modules: Collection[str], tensors: Collection[TensorName], base: Checkpoint) -> list[str]:
    """Name the modules that have factors; ``tensors`` are theirs in the base.

    Raises:
        Incompatible: When a full path also is the tail of a module that is not meant.
    """
    return _names(modules, _paths(base, tensors) - set(modules), _ends_in_part)


def saved_names(layers: Collection[str], tensors: Collection[TensorName], base: Checkpoint) -> list[str]:
    """Name the modules that are saved whole.

    Raises:
        Incompatible: When a full path also is the tail of a module that is not meant.
    """
    layered = {path.rpartition(".")[0] for path in _paths(base, tensors, "")}
    return _names(layers, layered - set(layers), str.endswith)


def _names(modules: Collection[str], others: Collection[str], leads: Callable[[str, str], bool]) -> list[str]:
    names: set[str] = set()
    for module in sorted(modules):
        fitting = [name for name in (_tail(module), module) if not any(leads(other, name) for other in others)]
        if not fitting:
            raise Incompatible(
                f"the module {module} cannot be named without also naming another whose path ends in it",
                where=module,
                remedy="write a checkpoint instead",
            )
        names.add(fitting[0])
    return sorted(names)


def _tail(module: str) -> str:
    """Give the shortest tail of a path that is a name: a number alone is a place in a list, which many modules have."""
    parts = module.split(".")
    named = [number for number, part in enumerate(parts) if not part.isdecimal()]
    return ".".join(parts[named[-1] :]) if named else module


def _ends_in_part(path: str, name: str) -> bool:
    return path == name or path.endswith("." + name)


def _paths(base: Checkpoint, meant: Collection[TensorName], tail: str = WEIGHT) -> set[str]:
    """Give the paths that what is not meant may have in memory, layers and what holds them: with and without a body.

    Of a pipeline only the components count that something is meant of: an adapter is loaded into one of them.
    """
    folders = {placed.shard.rpartition("/")[0] for name, placed in base.tensors.items() if name in meant}
    paths = {
        placed.name.removesuffix(tail)
        for name, placed in base.tensors.items()
        if name not in meant and placed.name.endswith(tail)
        if not base.components or placed.shard.rpartition("/")[0] in folders
    }
    holders = {path[:at] for path in paths for at, letter in enumerate(path) if letter == "."}
    shorter = {path.partition(".")[2] for path in paths | holders if path.partition(".")[0] in BODIES}
    return (paths | holders | shorter) - {""}
