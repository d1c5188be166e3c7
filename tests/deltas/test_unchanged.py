"""Tensors that an adapter saves as the base has them change nothing."""

import numpy as np
import pytest

from rshub.deltas.adapters import read_adapter
from rshub.deltas.delta import LowRank
from rshub.deltas.unchanged import without_unchanged
from rshub.tensors.checkpoint import Checkpoint
from tests.tiny_models import DTYPES, dump, load

HEAD = "lm_head.weight"


@pytest.fixture
def saved(tiny):
    """Write an adapter on the head with the layer under its factors, and place it."""

    def place(values, dtype="F32"):
        base = tiny.base(dtype=dtype)
        adapter = tiny.adapter(modules=["lm_head"])
        weights = adapter.folder / "adapter_model.safetensors"
        under = {"base_model.model.lm_head.base_layer.weight": values(load(base / "model.safetensors")[HEAD])}
        dump(weights, load(weights) | under)
        opened = Checkpoint.open(base)
        return without_unchanged(read_adapter(adapter.folder).place(opened), opened)

    return place


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
def test_what_is_the_bases_own_is_left_out_in_its_dtype_and_in_a_wider_one(saved, dtype):
    for values in (lambda stored: stored, lambda stored: stored.astype(np.float32)):
        (placement,) = saved(values, dtype)
        assert placement.tensor == HEAD
        assert isinstance(placement.delta, LowRank)


def test_one_number_that_differs_is_a_change(saved):
    def spoiled(stored):
        values = stored.astype(np.float32)
        values[-1, -1] = np.nextafter(values[-1, -1], np.float32(9))
        return values

    (placement,) = saved(spoiled)
    assert len(placement.delta.deltas) == 2
    (placement,) = saved(lambda stored: stored.astype(DTYPES["BF16"]))
    assert len(placement.delta.deltas) == 2
