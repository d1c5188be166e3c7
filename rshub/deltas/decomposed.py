"""Weight-decomposed low-rank adaptation (DoRA), materialised exactly as W' - W.

A unit is what makes one output: a row of a plain matrix or of a convolution, a column of what is stored transposed or
of an embedding. Each unit of W + s B A is brought to the length that is saved for it: W' = m (W + s B A) / |W + s B A|.
The lengths need the whole stored tensor; it is streamed, and one number for each unit is kept. That is not linear in
anything that is stored, so there is no adapter of plain factors that does the same.

Source: Liu et al., DoRA: Weight-Decomposed Low-Rank Adaptation (ICML 2024), equation 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rshub.deltas.delta import Layout, LowRank, open_tensor, read_finite
from rshub.errors import Incompatible, IntegrityError
from rshub.tensors.changes import Part
from rshub.tensors.dtypes import Array
from rshub.tensors.factors import Factors
from rshub.tensors.stored import StoredTensor
from rshub.tensors.tiles import Scratch, Tile
from rshub.types import TensorName


@dataclass(frozen=True, kw_only=True)
class Decomposed:
    """A low-rank delta and the name of the lengths, in the same file, that its units are brought to.

    ``under`` is the name of a tensor in that file which was saved in place of the stored one, under the factors.
    """

    low_rank: LowRank
    magnitude: TensorName
    under: TensorName | None = None

    @property
    def label(self) -> str:
        """What to call the expert in an error."""
        return self.low_rank.label

    @property
    def rank(self) -> int:
        """The rank of the low-rank delta."""
        return self.low_rank.rank

    @property
    def scale(self) -> float:
        """The scale of the low-rank delta."""
        return self.low_rank.scale

    @property
    def first_name(self) -> TensorName:
        """The name of A."""
        return self.low_rank.first_name

    def open(self, stored: StoredTensor | None, layout: Layout, work: np.dtype[Any]) -> Part:
        """Read factors and lengths, and stream the stored tensor for the lengths that it has.

        Raises:
            IntegrityError: When a tensor of the expert or the stored one holds NaN or an infinity, or a unit whose
                length is zero.
            Incompatible: When the stored tensor is not at hand.
        """
        if stored is None:
            raise Incompatible(
                f"{self.label}: the tensor {self.magnitude} belongs to DoRA, which needs the weights of the base",
                where=self.magnitude,
                remedy="compose with the base's weights at hand, to a checkpoint",
            )
        factors = self.low_rank.factors(layout, work)
        saved = None if self.under is None else open_tensor(self.low_rank.file, self.under)
        squares = _squares(saved or stored, factors, self.low_rank.scale, layout, work)
        if not np.isfinite(squares).all():
            raise IntegrityError(
                f"the tensor {(saved or stored).name} of {(saved or stored).path} holds NaN or an infinity",
                where=(saved or stored).name,
                remedy="compose on a healthy base" if saved is None else "leave this expert out",
            )
        if not squares.all():
            raise IntegrityError(
                f"{self.label}: the tensor {self.magnitude} scales {stored.name} where its length is zero",
                where=self.magnitude,
                remedy="leave this expert out, or publish it again from a healthy checkpoint",
            )
        ratio = self.lengths() / np.sqrt(squares)
        return DecomposedPart(
            label=f"{self.label}: the tensor {self.magnitude}",
            factors=factors,
            transposed=layout == "transposed",
            product_scale=(ratio * self.low_rank.scale).astype(work),
            under_scale=(ratio - 1).astype(work),
            under=saved,
        )

    def lengths(self) -> Array:
        """Read the lengths, float64.

        Raises:
            IntegrityError: When one is NaN or infinite.
        """
        return read_finite(self.low_rank.file, self.magnitude, np.dtype(np.float64), self.label).reshape(-1)


@dataclass(frozen=True, kw_only=True)
class DecomposedPart:
    """W' - W = ratio * scale * left @ right + (ratio - 1) * U + (U - W), with one ratio for each unit.

    U is what lies under the factors: a saved tensor, else the stored one. Written so, nothing cancels when the ratio is
    near one. The scales hold one number for each unit.
    """

    label: str
    factors: Factors
    transposed: bool
    product_scale: Array
    under_scale: Array
    under: StoredTensor | None

    def delta(self, tile: Tile, stored: Array, scratch: Scratch) -> Array:
        """Form the tile's product whole, scale both terms, and give the part that is asked for."""
        wanted = _product(self.factors, tile, stored.dtype, scratch)
        under = scratch.take("decomposed base", tile.stop - tile.start, stored.dtype).reshape(tile.rows, tile.columns)
        if tile.count < under.size:
            under[:] = 0
        lying = stored if self.under is None else self.under.values(tile, stored.dtype, scratch, "decomposed saved")
        tile.cut(under)[:] = lying
        units = _units(tile, transposed=self.transposed)
        across = (1, -1) if self.transposed else (-1, 1)
        wanted *= self.product_scale[units].reshape(across)
        under *= self.under_scale[units].reshape(across)
        wanted += under
        delta = tile.cut(wanted)
        if self.under is not None:
            lying -= stored
            delta += lying
        return delta


def _squares(stored: StoredTensor, factors: Factors, scale: float, layout: Layout, work: np.dtype[Any]) -> Array:
    """Give the squared length of each unit of W + scale * left @ right, float64."""
    transposed = layout == "transposed"
    squares = np.zeros(stored.grid.columns if transposed else stored.grid.rows)
    scratch = Scratch()
    with np.errstate(over="ignore", invalid="ignore"):
        for tile, values in stored.walk(work, scratch):
            changed = _product(factors, tile, work, scratch)
            changed *= scale
            changed += values.reshape(changed.shape)
            sums = "ij,ij->j" if transposed else "ij,ij->i"
            squares[_units(tile, transposed=transposed)] += np.einsum(sums, changed, changed, dtype=np.float64)
    return squares


def _product(factors: Factors, tile: Tile, work: np.dtype[Any], scratch: Scratch) -> Array:
    """Form left @ right for a whole tile."""
    whole = scratch.take("decomposed", tile.stop - tile.start, work).reshape(tile.rows, tile.columns)
    left = factors.left[tile.row : tile.row + tile.rows]
    right = factors.right[:, tile.column : tile.column + tile.columns]
    np.matmul(left.astype(work, copy=False), right.astype(work, copy=False), out=whole)
    return whole


def _units(tile: Tile, *, transposed: bool) -> slice:
    """Say which units a tile has parts of."""
    return slice(tile.column, tile.column + tile.columns) if transposed else slice(tile.row, tile.row + tile.rows)
