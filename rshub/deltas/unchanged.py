"""Whole tensors in an adapter that are the base's own: PEFT saves the embedding or the head under its factors.

They change nothing, so they are no deltas: what is left is what was trained. Only a base whose weights are at hand can
tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from rshub.deltas.delta import Delta, open_tensor
from rshub.deltas.matching import Placement
from rshub.deltas.replaced import Replaced
from rshub.deltas.summed import Summed
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.stored import StoredTensor
from rshub.tensors.tiles import Scratch


def without_unchanged(placements: Sequence[Placement], base: Checkpoint) -> tuple[Placement, ...]:
    """Leave out what replaces a tensor by the numbers that it has.

    Raises:
        IntegrityError: When a file has become shorter.
    """
    return tuple(placements) if base.folder is None else tuple(_left(placements, base))


def _left(placements: Sequence[Placement], base: Checkpoint) -> Iterator[Placement]:
    for placement in placements:
        deltas: tuple[Delta, ...] = (placement.delta,)
        if isinstance(placement.delta, Summed):
            deltas = placement.delta.deltas
        kept = tuple(
            delta for delta in deltas if not (isinstance(delta, Replaced) and _is_stored(delta, placement, base))
        )
        if kept == deltas:
            yield placement
        elif kept:
            yield replace(placement, delta=kept[0] if len(kept) == 1 else Summed(deltas=kept))


def _is_stored(delta: Replaced, placement: Placement, base: Checkpoint) -> bool:
    """Compare a saved tensor with the base's, number by number."""
    saved = open_tensor(delta.file, delta.name)
    stored = StoredTensor(base.path(placement.placed.shard), placement.tensor, placement.placed)
    work = np.dtype(np.float64)
    pairs = zip(saved.walk(work, Scratch()), stored.walk(work, Scratch()), strict=True)
    return all(np.array_equal(mine, its) for (_, mine), (_, its) in pairs)
