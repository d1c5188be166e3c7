"""What an expert stores for one tensor of the base, of which only the headers are read: the kinds of deltas.

A delta is opened against the stored tensor when its first tile is needed, and from then on says tile by tile what it
wants. This is the plain low-rank kind; the others lie in files of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NoReturn, Protocol

import numpy as np

from rshub.errors import IntegrityError
from rshub.tensors.changes import LowRankPart, Part
from rshub.tensors.dtypes import SINGLE, Array, working
from rshub.tensors.factors import Factors
from rshub.tensors.stored import StoredTensor
from rshub.tensors.tensor_file import TensorFile
from rshub.tensors.tiles import Scratch
from rshub.types import TensorName

Kind = Literal["linear", "conv", "embedding"]
Layout = Literal["plain", "transposed"]


class Delta(Protocol):
    """What one expert stores for one tensor of the base."""

    @property
    def label(self) -> str:
        """What to call the expert in an error."""

    @property
    def first_name(self) -> TensorName:
        """The name, in the expert's file, of a tensor that this is made of: for errors."""

    def open(self, stored: StoredTensor | None, layout: Layout, work: np.dtype[Any]) -> Part:
        """Get ready to give tiles of the change, in a working dtype.

        Args:
            stored: The base's tensor; None where only its header is at hand, which is enough for low-rank deltas.
            layout: How the layer's factors lie in it.
            work: float32 or float64.

        Raises:
            IntegrityError: When what is read now holds NaN or an infinity.
        """


@dataclass(frozen=True, kw_only=True)
class LowRank:
    """One module of an adapter: delta = scale * B A, with the factors still on disk.

    ``a_name`` and ``b_name`` are the tensors' names in ``file``; ``label`` is what to call the adapter in an error.
    """

    module: str
    kind: Kind
    rank: int
    scale: float
    file: TensorFile
    a_name: TensorName
    b_name: TensorName
    label: str

    @property
    def a_shape(self) -> tuple[int, ...]:
        """The shape of A as stored: (rank, inputs, ...)."""
        return self.file.tensors[self.a_name].shape

    @property
    def b_shape(self) -> tuple[int, ...]:
        """The shape of B as stored: (outputs, rank, ...)."""
        return self.file.tensors[self.b_name].shape

    def layouts(self, shape: tuple[int, ...]) -> set[Layout]:
        """Say in which layouts this change fits a stored tensor: none, one, or both when a matrix is square."""
        out, inputs = self.b_shape[0], self.a_shape[1:]
        fits: set[Layout] = set()
        if self.kind != "embedding" and shape == (out, *inputs):
            fits.add("plain")
        if self.kind != "conv" and shape == (*inputs, out):
            fits.add("transposed")
        return fits

    def factors(self, layout: Layout, work: np.dtype[Any] | None = None) -> Factors:
        """Read the factors, unscaled, in the layout of the stored tensor and in a working dtype (float32 if absent).

        Raises:
            IntegrityError: When a factor holds NaN or an infinity.
        """
        a = read_finite(self.file, self.a_name, work or SINGLE, self.label).reshape(self.rank, -1)
        b = read_finite(self.file, self.b_name, work or SINGLE, self.label).reshape(-1, self.rank)
        return Factors(left=a.T, right=b.T) if layout == "transposed" else Factors(left=b, right=a)

    @property
    def first_name(self) -> TensorName:
        """The name of A."""
        return self.a_name

    def open(self, stored: StoredTensor | None, layout: Layout, work: np.dtype[Any]) -> Part:  # noqa: ARG002 - one form for all
        """Read the factors."""
        return LowRankPart(label=self.label, factors=self.factors(layout, work), scale=self.scale)


def open_tensor(file: TensorFile, name: TensorName) -> StoredTensor:
    """Open one tensor of an expert's file, to be read by ranges."""
    return StoredTensor(file.path, name, file.tensors[name])


def read_finite(file: TensorFile, name: TensorName, work: np.dtype[Any], label: str) -> Array:
    """Read a whole tensor of an expert: a factor, or a vector.

    Raises:
        IntegrityError: When it holds NaN or an infinity.
    """
    with np.errstate(over="ignore"):
        values = file.read(name).astype(work, copy=False)
    if not np.isfinite(values).all():
        _refuse_not_finite(name, label)
    return values


def check_finite(file: TensorFile, name: TensorName, label: str) -> None:
    """Read a tensor of an expert once, of any size.

    Raises:
        IntegrityError: When it holds NaN or an infinity.
    """
    tensor = open_tensor(file, name)
    for _, values in tensor.walk(working(tensor.dtype), Scratch()):
        if not np.isfinite(values).all():
            _refuse_not_finite(name, label)


def _refuse_not_finite(name: TensorName, label: str) -> NoReturn:
    raise IntegrityError(
        f"{label}: the tensor {name} holds NaN or an infinity",
        where=name,
        remedy="leave this expert out, or publish it again from a healthy checkpoint",
    )
