"""The tensors of an expert in a folder, whatever they are saved as: an adapter, or a set of whole tensors."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from rshub.deltas.adapters import read_adapter
from rshub.deltas.expert_files import ENDING, ExpertFiles, expert_files, files_in
from rshub.deltas.matching import Placement
from rshub.deltas.weight_sets import read_weights
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.plain_file import read_plain
from rshub.types import Digest


class ExpertTensors(Protocol):
    """An expert whose headers are read, and whose numbers are still on disk."""

    @property
    def label(self) -> str:
        """What to call the expert in errors and reports."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The config that lies beside the tensors: an adapter's or a model's."""

    @property
    def rank(self) -> int | None:
        """The largest rank of any module; None when nothing is low-rank."""

    @property
    def modules(self) -> Collection[str]:
        """The paths of the modules that have deltas."""

    @property
    def size(self) -> int:
        """The size of the tensors (bytes)."""

    @property
    def notes(self) -> Sequence[str]:
        """What was left out of the files, and why that is no loss: told with every soup."""

    @property
    def content_key(self) -> Digest:
        """A name for what the expert does: equal for equal contents, whatever the folder is called."""

    def place(self, base: Checkpoint) -> tuple[Placement, ...]:
        """Find the tensor of the base that each delta changes.

        Raises:
            Incompatible: For a tensor that matches nothing, or does not fit what it matches; named.
        """

    def check_finite(self) -> None:
        """Read every number once.

        Raises:
            IntegrityError: For the first tensor that holds NaN or an infinity.
        """


def read_expert(folder: Path, *, label: str | None = None, names: Collection[str] | None = None) -> ExpertTensors:
    """Read the headers of an expert, by what lies in its folder.

    Args:
        folder: Where its files lie.
        label: What to call the expert in errors and reports; the folder if absent.
        names: The files that count, by their path; every one that lies there, if absent.

    Raises:
        NotFound: When there are no tensors, or they may not be read.
        IntegrityError: When a file is not sound, or there are pickles only.
        Incompatible: When the expert is of a kind that cannot be mixed.
    """
    label = label or str(folder)
    found = files_in(folder)
    there = [name for name in found if names is None or name in names]
    files = expert_files(there, lambda name: read_plain(folder / name), source=label)
    expert = read_adapter(folder, label=label) if files.is_adapter else read_weights(folder, files, label=label)
    folders = {name.rpartition("/")[0] for name in files.weights}
    spare = [name for name in found if name.endswith(ENDING) and name.rpartition("/")[0] in folders]
    spare = sorted(set(spare) - set(files.weights))
    return replace(expert, notes=(*expert.notes, _beside(label, files, spare))) if spare else expert


def _beside(label: str, files: ExpertFiles, spare: Sequence[str]) -> str:
    more = f" and {len(spare) - 1} more" if len(spare) > 1 else ""
    chosen = "the adapter" if files.is_adapter else files.weights[0]
    return f"{label}: left out {spare[0]}{more}, which lies beside the expert: {chosen} is the expert"
