"""Whether a soup that was written differs from its base in any element that its experts change."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rshub.soups.plan import ComposePlan
from rshub.soups.writing.output_layout import output_shards
from rshub.tensors.stored import StoredTensor
from rshub.tensors.tensor_file import TensorFile
from rshub.tensors.tiles import Scratch

WORK: np.dtype[np.float64] = np.dtype(np.float64)


def moved_at_all(plan: ComposePlan, folder: Path) -> bool:
    """Compare the changed tensors with the base's, value by value, up to the first difference.

    Raises:
        IntegrityError: When a file became shorter.
    """
    touched, scratch = {one.tensor: one for one in plan.touched}, Scratch()
    for shard in output_shards(plan):
        file = TensorFile.open(folder / shard.name)
        for name, placed in shard.tensors:
            if name in touched:
                written = StoredTensor(file.path, name, file.tensors[name])
                stored = StoredTensor(plan.base.path(placed.shard), name, placed)
                for tile, values in stored.walk(WORK, scratch):
                    if not np.array_equal(values, written.values(tile, WORK, scratch, "written")):
                        return True
    return False
