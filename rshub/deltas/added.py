"""A tensor that an expert adds to the stored one of the same shape: delta = scale * tensor.

This is what a trained bias inside an adapter does to the base's bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rshub.deltas.delta import Layout, open_tensor
from rshub.tensors.changes import Part
from rshub.tensors.dtypes import Array
from rshub.tensors.stored import StoredTensor
from rshub.tensors.tensor_file import TensorFile
from rshub.tensors.tiles import Scratch, Tile
from rshub.types import TensorName


@dataclass(frozen=True, kw_only=True)
class Added:
    """A tensor that is added, scaled, to the stored one."""

    label: str
    file: TensorFile
    name: TensorName
    scale: float

    @property
    def first_name(self) -> TensorName:
        """The tensor's name in the expert's file."""
        return self.name

    def open(self, stored: StoredTensor | None, layout: Layout, work: np.dtype[Any]) -> Part:  # noqa: ARG002 - one form for all
        """Open the expert's file."""
        label = f"{self.label}: the tensor {self.name}"
        return AddedPart(label=label, saved=open_tensor(self.file, self.name), scale=self.scale)


@dataclass(frozen=True, kw_only=True)
class AddedPart:
    """The scaled tensor."""

    label: str
    saved: StoredTensor
    scale: float

    def delta(self, tile: Tile, stored: Array, scratch: Scratch) -> Array:
        """Read the tile and scale it."""
        values = self.saved.values(tile, stored.dtype, scratch, "adding")
        values *= self.scale
        return values
