"""Reading adapters: everything consumed or refused by name."""

import json

import numpy as np
import pytest

from rshub.deltas.adapter_names import plain_name
from rshub.deltas.adapters import read_adapter
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


PATH = "base_model.model."
EMBEDDING = "model.embed_tokens"


def written(tiny, tensors, **config):
    """Write an adapter of these tensors alone."""
    folder = tiny.path("adapter")
    dump(folder / "adapter_model.safetensors", tensors)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8} | config))
    return folder


def ones(*shape):
    return np.ones(shape, np.float32)


def placed(tiny, folder, **base):
    """Place an adapter; give the kind of delta by tensor."""
    found = read_adapter(folder).place(Checkpoint.open(tiny.base(**base)))
    return {placement.tensor: type(placement.delta).__name__ for placement in found}


@pytest.mark.parametrize(
    ("name", "path", "in_place"),
    [
        (f"{PATH}{LOW}.base_layer.bias", f"{LOW}.bias", True),
        (f"{PATH}{LOW}.bias", f"{LOW}.bias", True),
        (f"{PATH}model.norm.modules_to_save.weight", "model.norm.weight", False),
        (f"{PATH}model.norm.modules_to_save.default.weight", "model.norm.weight", False),
        (f"{PATH}lm_head.weight", "lm_head.weight", False),
        (f"{PATH}{EMBEDDING}.weight", f"{EMBEDDING}.weight", True),
        (f"module.{PATH}model.layers.0._checkpoint_wrapped_module.mlp.weight", "model.layers.0.mlp.weight", False),
        (f"{PATH}model.layers.1.mlp.weight", "model.layers.1.mlp.weight", True),
    ],
)
def test_a_tensor_that_is_saved_whole_knows_whether_it_was_trained_in_place(tiny, name, path, in_place):
    adapter = read_adapter(written(tiny, {name: ones(2)}, modules_to_save=["lm_head", "layers.0.mlp"]))
    ((found,), rank) = adapter.extras, adapter.rank
    assert (found.path, found.in_place, rank, adapter.plain) == (path, in_place, None, False)
    assert (found.delta.first_name, dict(adapter.modules)) == (name, {})


@pytest.mark.parametrize("head", ["v_head.summary.weight", f"{PATH}v_head.weight", f"module.{PATH}value_head.bias"])
def test_a_value_head_is_left_out_and_said(tiny, head):
    folder = with_tensors(tiny.adapter(), {head: np.ones(3, np.int64)})
    adapter = read_adapter(folder, label="mine")
    assert adapter.notes == (f"mine: left out {head}: a value head, which only training needs",)
    assert len(adapter.place(Checkpoint.open(tiny.base()))) == len(MODULES)
    theirs = tiny.base(shapes=SHAPES | {head.removeprefix("module.").removeprefix(PATH): (3,)})
    with pytest.raises(Incompatible, match="the base has one") as caught:
        adapter.place(Checkpoint.open(theirs))
    assert caught.value.where == head


def test_the_original_of_a_saved_module_is_left_out_and_said(tiny):
    names = [f"{PATH}model.norm.{part}weight" for part in ("", "modules_to_save.", "original_module.")]
    folder = written(tiny, dict.fromkeys(names[:2], ones(12)) | {names[2]: 2 * ones(12)}, modules_to_save=["norm"])
    adapter = read_adapter(folder)
    assert [extra.delta.first_name for extra in adapter.extras] == [names[1]]
    assert names[2] in adapter.notes[0]
    with pytest.raises(IntegrityError, match="differs from"):
        read_adapter(with_tensors(type("", (), {"folder": folder}), {names[1]: 3 * ones(12)}))


def pair(module=LOW, out=12, inputs=12):
    return {f"{PATH}{module}.lora_A.weight": ones(4, inputs), f"{PATH}{module}.lora_B.weight": ones(out, 4)}


def words(rank=4):
    return {
        f"{PATH}{EMBEDDING}.lora_embedding_A": ones(rank, 23),
        f"{PATH}{EMBEDDING}.lora_embedding_B": ones(12, rank),
    }


ROWS = f"{PATH}{EMBEDDING}.token_adapter.trainable_tokens_delta"
BIAS = f"{PATH}{LOW}.lora_B.bias"
LENGTHS = f"{PATH}{LOW}.lora_magnitude_vector"


@pytest.mark.parametrize(
    ("tensors", "config", "kinds"),
    [
        ({ROWS: ones(2, 12)}, {"trainable_token_indices": [4, 22]}, {f"{EMBEDDING}.weight": "ReplacedRows"}),
        (
            {ROWS + ".default": ones(1, 12)},
            {"trainable_token_indices": {"embed_tokens": [0]}},
            {f"{EMBEDDING}.weight": "ReplacedRows"},
        ),
        (pair() | {BIAS: ones(12)}, {"lora_bias": True}, {f"{LOW}.weight": "LowRank", f"{LOW}.bias": "Added"}),
        (
            pair() | {BIAS: ones(12), f"{PATH}{LOW}.base_layer.bias": ones(12)},
            {"lora_bias": True, "bias": "lora_only"},
            {f"{LOW}.weight": "LowRank", f"{LOW}.bias": "Summed"},
        ),
        (pair() | {LENGTHS: ones(12)}, {"use_dora": True}, {f"{LOW}.weight": "Decomposed"}),
        (
            words() | {f"{PATH}{EMBEDDING}.base_layer.weight": ones(23, 12)},
            {},
            {f"{EMBEDDING}.weight": "Summed"},
        ),
    ],
)
def test_each_kind_is_placed_as_one_delta_of_one_tensor(tiny, tensors, config, kinds):
    folder = written(tiny, tensors, **config)
    assert placed(tiny, folder, shapes=SHAPES | {f"{LOW}.bias": (12,)}) == kinds
    read_adapter(folder).check_finite()


@pytest.mark.parametrize(
    ("tensors", "config", "says"),
    [
        ({ROWS: ones(2, 12)}, {}, "does not say which rows"),
        ({ROWS: ones(2, 12)}, {"trainable_token_indices": [1, 2, 3]}, "numbers 3 rows"),
        ({ROWS: ones(2, 12)}, {"trainable_token_indices": {"wte": [1, 2]}}, "does not say which rows"),
        (pair(), {"trainable_token_indices": [1]}, "no such rows are saved"),
        (
            {ROWS: ones(1, 12)},
            {"trainable_token_indices": {"embed_tokens": [1], "lm_head": [2]}},
            "for lm_head, and no such rows",
        ),
        (
            {ROWS: ones(1, 12), f"{PATH}lm_head.token_adapter.trainable_tokens_delta": ones(1, 12)},
            {"trainable_token_indices": [1]},
            "does not say which rows",
        ),
        (pair() | {BIAS: ones(12)}, {}, "is a bias, but .* lora_bias = false"),
        (pair(), {"lora_bias": True}, "has no bias, but .* lora_bias = true"),
        (pair() | {BIAS: ones(11)}, {"lora_bias": True}, "does not go with"),
        ({BIAS: ones(12)}, {"lora_bias": True}, "has no partner"),
        (pair() | {LENGTHS: ones(12)}, {}, "is of DoRA, but .* use_dora = false"),
        (pair(), {"use_dora": True}, "has no lengths, but .* use_dora = true"),
        (pair() | {LENGTHS: ones(11)}, {"use_dora": True}, "does not go with"),
        (pair() | {LENGTHS: ones(4, 3)}, {"use_dora": True}, "does not go with"),
        ({LENGTHS: ones(12)}, {"use_dora": True}, "has no partner"),
        ({}, {}, "holds no tensors"),
        ({"v_head.weight": ones(1)}, {}, "holds no tensors"),
    ],
)
def test_tensors_that_the_config_does_not_agree_with_are_refused(tiny, tensors, config, says):
    with pytest.raises(IntegrityError, match=says):
        read_adapter(written(tiny, tensors, **config))


@pytest.mark.parametrize(
    ("tensors", "config"),
    [
        (words() | {ROWS: ones(1, 12)}, {"trainable_token_indices": [1]}),
        (words() | {f"{PATH}{EMBEDDING}.weight": ones(23, 12)}, {"modules_to_save": ["embed_tokens"]}),
        ({ROWS: ones(1, 12), f"{PATH}{EMBEDDING}.weight": ones(23, 12)}, {"trainable_token_indices": [1]}),
        (pair() | {LENGTHS: ones(12), BIAS: ones(12)}, {"use_dora": True, "lora_bias": True}),
    ],
)
def test_changes_of_one_tensor_that_do_not_add_up_are_refused_by_name(tiny, tensors, config):
    with pytest.raises(Incompatible, match=r"do not add up|bias inside DoRA") as caught:
        read_adapter(written(tiny, tensors, **config))
    assert caught.value.where in tensors


@pytest.mark.parametrize(
    ("tensors", "config", "says"),
    [
        (pair() | {BIAS: ones(12)}, {"lora_bias": True}, rf"the base has no {LOW}\.bias"),
        ({f"{PATH}{LOW}.bias": ones(12)}, {"bias": "all"}, rf"there is no {LOW}\.bias"),
        ({f"{PATH}score.weight": ones(2, 12)}, {"modules_to_save": ["score"]}, r"there is no score\.weight"),
        ({f"{PATH}lm_head.weight": ones(25, 12)}, {}, r"lm_head\.weight \[25, 12\] does not fit .*\[23, 12\]"),
        ({ROWS: ones(1, 12)}, {"trainable_token_indices": [23]}, r"rows up to 23 does not fit .*\[23, 12\]"),
        ({ROWS: ones(1, 11)}, {"trainable_token_indices": [2]}, "does not fit"),
        ({"anything": ones(2)}, {}, "there is no anything"),
    ],
)
def test_what_the_base_has_no_place_for_is_refused_by_name(tiny, tensors, config, says):
    adapter = read_adapter(written(tiny, tensors, **config))
    with pytest.raises(Incompatible, match=says):
        adapter.place(Checkpoint.open(tiny.base()))


def test_an_integer_tensor_of_the_base_is_not_replaced(tiny):
    folder = written(tiny, {f"{PATH}model.steps": ones(3)})
    base = tiny.base(extra={"model.steps": np.ones(3, np.int64)})
    with pytest.raises(Incompatible, match=r"model\.steps of the base is I64"):
        read_adapter(folder).place(Checkpoint.open(base))


def test_a_tensor_saved_in_place_goes_with_all_that_is_tied_to_it(tiny):
    shapes = {name: shape for name, shape in SHAPES.items() if name != "lm_head.weight"}
    saved = {f"{PATH}{EMBEDDING}.weight": ones(23, 12)}
    tied = {"model_type": "llama", "tie_word_embeddings": True}
    both = {f"{EMBEDDING}.weight": "Replaced", "lm_head.weight": "Replaced"}
    assert placed(tiny, written(tiny, saved), shapes=shapes, config=tied) == both
    equal = saved | {f"{PATH}lm_head.weight": ones(23, 12)}
    assert placed(tiny, written(tiny, equal), shapes=shapes, config=tied) == both
    copied = written(tiny, saved, modules_to_save=["embed_tokens"])
    assert placed(tiny, copied, shapes=shapes, config=tied) == {f"{EMBEDDING}.weight": "Replaced"}
    other = written(tiny, saved | {f"{PATH}lm_head.weight": 2 * ones(23, 12)})
    with pytest.raises(Incompatible, match="do not add up"):
        placed(tiny, other, shapes=shapes, config=tied)
    assert placed(tiny, other) == both  # where nothing is tied


def test_the_content_key_knows_whatever_changes_the_result(tiny):
    tensors = {ROWS: ones(1, 12), f"{PATH}lm_head.weight": ones(23, 12)}
    keys = {
        read_adapter(written(tiny, tensors, **config)).content_key
        for config in (
            {"trainable_token_indices": [1]},
            {"trainable_token_indices": [2]},
            {"trainable_token_indices": [2], "modules_to_save": ["lm_head"]},
            {"trainable_token_indices": [2], "modules_to_save": ["lm_head"], "fan_in_fan_out": True},
        )
    }
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("tensors", "config"),
    [
        ({f"{PATH}lm_head.weight": ones(23, 12) * np.nan}, {}),
        ({ROWS: ones(1, 12) * np.inf}, {"trainable_token_indices": [1]}),
        (pair() | {LENGTHS: ones(12) * np.nan}, {"use_dora": True}),
        (pair() | {BIAS: ones(12) * np.nan}, {"lora_bias": True}),
    ],
)
def test_nan_is_found_in_every_kind(tiny, tensors, config):
    adapter = read_adapter(written(tiny, tensors, **config), label="mine")
    with pytest.raises(IntegrityError, match=rf"mine: the tensor {list(tensors)[-1]} holds NaN"):
        adapter.check_finite()
