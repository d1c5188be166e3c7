"""Reading adapters: everything consumed or refused by name."""

import json

import numpy as np
import pytest

from rshub.deltas.adapters import plain_name, read_adapter
from rshub.errors import Incompatible, IntegrityError, NotFound
from rshub.tensors.checkpoint import Checkpoint
from tests.tiny_models import MODULES, SHAPES, dump, load

LOW = MODULES[0]
A, B = (f"base_model.model.{LOW}.lora_{side}.weight" for side in "AB")


def with_tensors(adapter, more=(), without=()):
    path = adapter.folder / "adapter_model.safetensors"
    dump(path, {name: values for name, values in (load(path) | dict(more)).items() if name not in without})
    return adapter.folder


def test_an_adapter_is_read_by_module(tiny):
    made = tiny.adapter(rank=3, ranks={LOW: 5}, alpha=6, dtype="BF16")
    adapter = read_adapter(made.folder, label="mine")
    assert list(adapter.modules) == sorted(MODULES)
    assert adapter.rank == 5
    assert adapter.label == "mine"
    for name, module in adapter.modules.items():
        factors = module.factors("plain")
        a, b = made.factors[name]
        np.testing.assert_array_equal(factors.right, a.astype(np.float32))
        np.testing.assert_array_equal(factors.left, b.astype(np.float32))
        assert module.scale == made.scales[name]
        np.testing.assert_array_equal(module.factors("transposed").left, a.T.astype(np.float32))
    adapter.check_finite()


def test_modules_are_matched_to_the_tensors_of_a_base(tiny):
    found = read_adapter(tiny.adapter().folder).place(Checkpoint.open(tiny.base(shards=2)))
    assert {placement.module: (placement.tensor, placement.layout) for placement in found} == {
        module: (module + ".weight", "plain") for module in MODULES
    }


def test_the_content_key_knows_tensors_and_scales_but_not_names(tiny):
    key = read_adapter(tiny.adapter().folder).content_key
    assert key == read_adapter(tiny.adapter().folder, label="other").content_key
    assert key != read_adapter(tiny.adapter(seed=2).folder).content_key
    assert key != read_adapter(tiny.adapter(alpha=9).folder).content_key


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("base_model.model.a.b", "a.b"),
        ("module.base_model.model.a.b", "a.b"),
        ("base_model.model.module.a.b", "a.b"),
        ("base_model.model._orig_mod.a._orig_mod.b", "a.b"),
        ("a._fsdp_wrapped_module.b", "a.b"),
        ("model.base.a", "model.base.a"),
    ],
)
def test_wrappers_are_stripped(name, plain):
    assert plain_name(name) == plain


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("base_model.model.x.lora_A.other.weight", "nobody here knows"),
        ("base_model.model.x.lora_C.weight", "nobody here knows"),
        ("lora_A.weight", "nobody here knows"),
        ("base_model.model.x.base_layer.lora_A.weight", "nobody here knows"),
        ("base_model.model.x.token_adapter.token_indices", "nobody here knows"),
    ],
)
def test_a_tensor_of_unknown_meaning_is_refused_by_name(tiny, name, says):
    folder = with_tensors(tiny.adapter(), {name: np.ones((2, 2), np.float32)})
    with pytest.raises(Incompatible, match=says) as caught:
        read_adapter(folder)
    assert caught.value.where == name


@pytest.mark.parametrize("missing", [A, B])
def test_half_a_pair_is_refused_by_name(tiny, missing):
    folder = with_tensors(tiny.adapter(), without=[missing])
    with pytest.raises(IntegrityError, match="no partner") as caught:
        read_adapter(folder)
    assert caught.value.where == (A if missing == B else B)


def test_two_tensors_for_one_factor_are_refused(tiny):
    folder = with_tensors(tiny.adapter(), {A.replace(".weight", ".default.weight"): np.ones((4, 12), np.float32)})
    with pytest.raises(IntegrityError, match="does not pair"):
        read_adapter(folder)


@pytest.mark.parametrize(
    ("a", "b"),
    [((4, 12), (12, 5)), ((4,), (12, 4)), ((0, 12), (12, 0)), ((4, 12), (12, 4, 1)), ((4, 12, 1, 1), (12, 4, 2, 2))],
)
def test_shapes_that_do_not_pair_are_refused(tiny, a, b):
    folder = with_tensors(tiny.adapter(), {A: np.zeros(a, np.float32), B: np.zeros(b, np.float32)})
    with pytest.raises(IntegrityError, match=r"does not (go|pair) with"):
        read_adapter(folder)


def test_a_rank_that_the_config_does_not_know_is_refused(tiny):
    adapter = tiny.adapter(rank=4)
    config = json.loads((adapter.folder / "adapter_config.json").read_text())
    (adapter.folder / "adapter_config.json").write_text(json.dumps(config | {"r": 8}))
    with pytest.raises(Incompatible, match=r"has rank 4, but adapter_config\.json says 8"):
        read_adapter(adapter.folder)


def test_integer_factors_are_refused(tiny):
    folder = with_tensors(tiny.adapter(), {A: np.zeros((4, 12), np.int8), B: np.zeros((12, 4), np.int8)})
    with pytest.raises(Incompatible, match="I8"):
        read_adapter(folder)


@pytest.mark.parametrize("name", ["adapter_model.bin", "adapter_model.pt"])
def test_pickles_are_refused_with_the_way_out(tiny, name):
    folder = tiny.adapter().folder
    (folder / "adapter_model.safetensors").rename(folder / name)
    with pytest.raises(IntegrityError, match=name) as caught:
        read_adapter(folder)
    assert "safetensors" in caught.value.remedy


def test_a_missing_file_is_not_found(tiny):
    folder = tiny.adapter().folder
    (folder / "adapter_config.json").unlink()
    with pytest.raises(NotFound, match="adapter_config"):
        read_adapter(folder)


def test_nan_is_found_when_asked_for(tiny):
    folder = with_tensors(tiny.adapter(), {B: np.full((12, 4), np.nan, np.float32)})
    with pytest.raises(IntegrityError, match=r"lora_B.*NaN"):
        read_adapter(folder).check_finite()
    assert SHAPES[LOW + ".weight"] == (12, 12)
