"""The tensors of an expert in a folder, whatever they are saved as: an adapter, or a set of whole tensors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from rshub.deltas.adapters import read_adapter
from rshub.deltas.matching import Placement
from rshub.tensors.checkpoint import Checkpoint
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


def read_expert(folder: Path, *, label: str | None = None) -> ExpertTensors:
    """Read the config and the headers of an expert.

    Args:
        folder: Where its files lie.
        label: What to call it in errors and reports; the folder if absent.

    Raises:
        NotFound: When the folder or its files are not there, or may not be read.
        IntegrityError: For damaged or hostile files, or weights that are pickles only.
        Incompatible: For a tensor or a config that cannot be mixed; named.
    """
    return read_adapter(folder, label=label)
