"""How a soup's tensors are dealt to files: as the base has them, or what changes apart from what does not.

Split files take their tensors from one file of the base each, so that they are no larger than the base's own and an
untouched one depends on nothing but which tensors of that file the experts change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from rshub.soups.plan import ComposePlan
from rshub.tensors.checkpoint import Placed
from rshub.tensors.weight_files import INDEX_SUFFIX
from rshub.types import TensorName

UNTOUCHED = "untouched"
"""The kind, in the name of a split file, of what no expert changes."""

TOUCHED = "touched"


@dataclass(frozen=True, kw_only=True)
class OutputShard:
    """One file of weights by its path in the soup, the base's file that it is made of, and its tensors in order.

    ``untouched`` says that no expert changes any of them.
    """

    name: str
    source: str
    tensors: Sequence[tuple[TensorName, Placed]]
    untouched: bool

    @property
    def folder(self) -> PurePosixPath:
        """The folder of the soup that it lies in."""
        return PurePosixPath(self.name).parent


def output_shards(plan: ComposePlan) -> tuple[OutputShard, ...]:
    """Deal the tensors of a soup to its files."""
    touched = {one.tensor for one in plan.touched}
    inside: dict[str, list[tuple[TensorName, Placed]]] = {shard: [] for shard in plan.base.shards}
    for name, placed in plan.tensors.items():
        inside[placed.shard].append((name, placed))
    for tensors in inside.values():
        tensors.sort(key=lambda item: (item[1].start, item[1].end, item[0]))
    if plan.layout == "split":
        return tuple(_split(plan, inside, touched))
    return tuple(
        OutputShard(
            name=shard, source=shard, tensors=tensors, untouched=not any(name in touched for name, _ in tensors)
        )
        for shard, tensors in inside.items()
    )


def index_name(plan: ComposePlan, folder: PurePosixPath) -> str:
    """Give the path of the index of a folder of weights, as the base has it or as loaders look for it."""
    for index in plan.base.indices:
        if PurePosixPath(index).parent == folder:
            return index
    first = next(shard for shard in plan.base.shards if PurePosixPath(shard).parent == folder)
    return str(folder / (PurePosixPath(first).stem + INDEX_SUFFIX))


def _split(
    plan: ComposePlan, inside: dict[str, list[tuple[TensorName, Placed]]], touched: set[TensorName]
) -> Iterator[OutputShard]:
    """Give each file of the base as two, numbered within their folder; a file without tensors is left out."""
    for folder in dict.fromkeys(PurePosixPath(shard).parent for shard in inside):
        stem = PurePosixPath(index_name(plan, folder)).name.removesuffix(INDEX_SUFFIX)
        for untouched in (False, True):
            parts = [
                (shard, kept)
                for shard, tensors in inside.items()
                if PurePosixPath(shard).parent == folder
                and (kept := [item for item in tensors if (item[0] not in touched) is untouched])
            ]
            kind = UNTOUCHED if untouched else TOUCHED
            for number, (shard, kept) in enumerate(parts, 1):
                name = f"{stem}-{kind}-{number:05d}-of-{len(parts):05d}.safetensors"
                yield OutputShard(name=str(folder / name), source=shard, tensors=kept, untouched=untouched)
