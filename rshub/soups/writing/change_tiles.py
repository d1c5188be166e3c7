"""The change of one tensor outside a checkpoint: tile by tile with the stored values, checked to be finite."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rshub.errors import Incompatible, IntegrityError
from rshub.soups.ingredients import Touched
from rshub.soups.plan import ComposePlan
from rshub.tensors.dtypes import Array
from rshub.tensors.tiles import Scratch, Tile


def change_tiles(plan: ComposePlan, touched: Touched) -> Iterator[tuple[Tile, Array, Array]]:
    """Give the tiles of a change with what is stored and what is wanted; both are valid until the next tile.

    Where all deltas are low-rank nothing is read, and zeros stand for what is stored.

    Raises:
        IntegrityError: When an expert or the base holds NaN or an infinity.
        Incompatible: When the change overflows, or theta_0 is needed and not at hand.
    """
    stored, work = plan.stored(touched), plan.work(touched)
    shares, setting = plan.shares(touched, stored, work), plan.setting(touched, stored, work)
    change, scratch = plan.method.mix(shares, setting), Scratch()
    for tile, values in setting.walk([share.part for share in shares], scratch):
        if not np.isfinite(values).all():
            raise IntegrityError(
                f"the base's tensor {touched.tensor} holds NaN or an infinity",
                where=touched.tensor,
                remedy="compose on a healthy base",
            )
        with np.errstate(over="ignore", invalid="ignore"):
            wanted = change.wanted(tile, values, scratch)
            if not np.isfinite(wanted).all():
                change.refuse_unsound(tile, values, scratch)
                raise Incompatible(
                    f"{touched.tensor}: the change overflows {work}",
                    where=touched.tensor,
                    remedy="use smaller coefficients",
                )
        yield tile, values, wanted


def changes(plan: ComposePlan, touched: Touched) -> bool:
    """Say whether anything changes; a tensor that does is known by its first tiles."""
    return any(wanted.any() for _, _, wanted in change_tiles(plan, touched))


def dense_change(plan: ComposePlan, touched: Touched) -> Array:
    """Give a whole change as a matrix, in the dtype that the tensor is worked on in."""
    dense = np.empty(touched.rows * touched.columns, plan.work(touched))
    for tile, _, wanted in change_tiles(plan, touched):
        dense[tile.low : tile.high] = wanted
    return dense.reshape(touched.rows, touched.columns)
