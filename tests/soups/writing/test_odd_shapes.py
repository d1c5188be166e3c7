"""Tensors of one number and of none, changed and cast: in both layouts, against float64."""

import numpy as np
import pytest

from tests.tiny_models import DTYPES, dump, load, load_folder

ODD = {
    "model.gate.weight": np.array(1.5, np.float32),
    "model.none.weight": np.zeros((0, 4), np.float32),
    "model.bare.weight": np.zeros((3, 0), np.float32),
    "model.one.weight": np.array([2.5], np.float32),
    "model.deep.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
}


@pytest.fixture
def expert(tiny):
    """Write an adapter that holds all odd tensors whole, with other numbers."""
    made = tiny.adapter(config={"modules_to_save": [name.split(".")[1] for name in ODD]})
    weights = made.folder / "adapter_model.safetensors"
    saved = {f"base_model.model.{name}": np.asarray(values * 3 + 1, np.float32) for name, values in ODD.items()}
    dump(weights, load(weights) | saved, {"format": "pt"})
    return made


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("layout", ["base", "split"])
@pytest.mark.parametrize("dtype", ["auto", "bfloat16"])
def test_odd_tensors_are_mixed_like_all_others(tiny, pot, expert, shards, layout, dtype):
    base = tiny.base(shards=shards, extra=ODD)
    found = pot.checkpoint(base, [(expert, 0.25)], layout=layout, dtype=dtype)
    assert set(found) == set(load_folder(base))
    for name, values in ODD.items():
        stored = values.astype(np.float64)
        wanted = stored + 0.25 * ((3 * stored + 1) - stored)
        assert found[name].shape == values.shape
        assert found[name].dtype == (DTYPES["BF16"] if dtype == "bfloat16" else np.float32)
        np.testing.assert_allclose(found[name].astype(np.float64), wanted, rtol=2**-8 if dtype != "auto" else 1e-7)


def test_a_base_of_one_number_is_a_soup(tiny, pot):
    base = tiny.base(shapes={"gate.weight": ()}, extra={"gate.weight": np.array(2.0, np.float32)})
    made = tiny.adapter(modules=[], config={"modules_to_save": ["gate"]})
    dump(made.folder / "adapter_model.safetensors", {"base_model.model.gate.weight": np.array(4.0, np.float32)})
    assert pot.checkpoint(base, [(made, 0.5)])["gate.weight"] == 3.0
    assert pot.checkpoint(base, [(made, 0.5)], layout="split")["gate.weight"] == 3.0
