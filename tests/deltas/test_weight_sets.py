"""Experts that are whole tensors: where each goes, what is refused by name, and what they are in numbers."""

import json

import ml_dtypes
import numpy as np
import pytest

from rshub.deltas.expert_tensors import read_expert
from rshub.errors import Incompatible, IntegrityError, NotFound
from rshub.tensors.checkpoint import Checkpoint
from tests.tiny_models import CONFIG, SHAPES, dump, load_folder

TIED = {name: shape for name, shape in SHAPES.items() if name != "lm_head.weight"}
TIED_CONFIG = {**CONFIG, "tie_word_embeddings": True}


def expert(tiny, tensors, *, config=None, name="model.safetensors"):
    folder = tiny.path("expert")
    dump(folder / name, tensors)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def some(*names, seed=5, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(SHAPES[name]).astype(dtype) for name in names}


def placed(folder, base):
    return {each.tensor: each for each in read_expert(folder, label="mine").place(Checkpoint.open(base))}


def refused(folder, base, error=Incompatible):
    with pytest.raises(error) as caught:
        read_expert(folder, label="mine").place(Checkpoint.open(base))
    return caught.value


def test_a_whole_checkpoint_is_a_full_expert_however_it_is_sharded(tiny):
    base = tiny.base()
    for shards in (1, 3):
        read = read_expert(tiny.base(seed=9, shards=shards, dtype="BF16"))
        found = read.place(Checkpoint.open(base))
        assert {each.tensor for each in found} == set(SHAPES)
        assert (read.kind(Checkpoint.open(base)), read.format, read.rank) == ("full", "plain", None)


def test_any_files_with_some_tensors_are_a_partial_expert(tiny):
    base = tiny.base()
    folder = expert(tiny, some("model.norm.weight"), name="a.safetensors")
    dump(folder / "b.safetensors", some("model.layers.1.mlp.down_proj.weight"))
    read = read_expert(folder)
    assert {each.tensor for each in read.place(Checkpoint.open(base))} == {
        "model.norm.weight",
        "model.layers.1.mlp.down_proj.weight",
    }
    assert read.kind(Checkpoint.open(base)) == "partial"
    assert read.modules == ("model.layers.1.mlp.down_proj", "model.norm")


@pytest.mark.parametrize(
    "wrapped", ["module.{}", "_orig_mod.{}", "_fsdp_wrapped_module.{}", "module._orig_mod.{}", "base_model.model.{}"]
)
def test_wrappers_are_taken_off(tiny, wrapped):
    folder = expert(tiny, {wrapped.format(name): values for name, values in some("model.norm.weight").items()})
    assert list(placed(folder, tiny.base())) == ["model.norm.weight"]


def test_one_body_name_may_be_missing_on_either_side(tiny):
    shorter = {name.removeprefix("model."): shape for name, shape in SHAPES.items() if name != "lm_head.weight"}
    head_only = {**CONFIG, "architectures": ["LlamaModel"]}
    body, whole = tiny.base(shapes=shorter, config=head_only), tiny.base()
    assert set(placed(body, whole)) == set(TIED)
    kept = expert(tiny, some(*TIED), config=CONFIG)
    assert set(placed(kept, body)) == set(shorter)
    mixed = expert(tiny, some("model.norm.weight") | {"layers.0.input_layernorm.weight": np.ones(12, np.float32)})
    assert "model.norm.weight" in str(refused(mixed, whole))


def test_a_value_head_is_taken_off_and_said(tiny):
    folder = expert(tiny, some("model.norm.weight") | {"v_head.summary.weight": np.ones((1, 12), np.float32)})
    read = read_expert(folder, label="mine")
    assert list(placed(folder, tiny.base())) == ["model.norm.weight"]
    assert "v_head.summary.weight" in read.notes[0]
    own = tiny.base(extra={"v_head.summary.weight": np.zeros((1, 12), np.float32)})
    assert "the base has one" in refused(folder, own).message


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"model.layers.7.mlp.up.weight": np.ones((2, 2), np.float32)}, ["model.layers.7.mlp.up.weight", "not in the"]),
        ({"score.weight": np.ones((2, 12), np.float32)}, ["score.weight", "head"]),
        ({"model.norm.lora_A.weight": np.ones((2, 12), np.float32)}, ["lora_A", "as PEFT saves it"]),
        ({"unet.mid.to_q.lora.down.weight": np.ones((2, 12), np.float32)}, ["lora.down", "as PEFT saves it"]),
        ({"lora_unet_mid_to_q.alpha": np.ones((), np.float32)}, ["lora_unet", "as PEFT saves it"]),
        ({"model.norm.weight": np.ones(13, np.float32)}, ["model.norm.weight", "[13]", "[12]"]),
        ({"model.embed_tokens.weight": np.ones((25, 12), np.float32)}, ["25 rows", "23", "vocabulary was resized"]),
        ({"model.norm.weight": np.ones(12, np.int8)}, ["model.norm.weight", "I8", "quantised"]),
        ({"model.norm.weight": np.ones(12, ml_dtypes.float8_e4m3fn)}, ["F8_E4M3", "quantised"]),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tiny, tensors, words):
    fault = refused(expert(tiny, some("model.layers.0.self_attn.q_proj.weight") | tensors), tiny.base())
    assert all(word in fault.message for word in ["mine", *words]), fault.message
    assert fault.remedy


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"tie_word_embeddings": True}, ["tie_word_embeddings", "True", "False"]),
        ({"model_type": "mistral"}, ["model_type", "mistral", "llama"]),
        ({"architectures": ["LlamaForSequenceClassification"]}, ["architectures"]),
        ({"num_attention_heads": 2}, ["num_attention_heads", "2", "4"]),
    ],
)
def test_the_config_of_another_model_is_refused(tiny, said, words):
    base = tiny.base(config={**CONFIG, "num_attention_heads": 4})
    fault = refused(expert(tiny, some("model.norm.weight"), config={**CONFIG, **said}), base)
    assert all(word in fault.message for word in words), fault.message


def test_quantised_weights_are_refused(tiny):
    folder = expert(tiny, some("model.norm.weight"), config={"quantization_config": {"quant_method": "gptq"}})
    with pytest.raises(Incompatible, match="quantised"):
        read_expert(folder)
    base = tiny.base(config={**CONFIG, "quantization_config": {"quant_method": "gptq"}})
    assert "gptq" in str(refused(expert(tiny, some("model.norm.weight")), base))


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.bool_, ml_dtypes.float8_e5m2])
def test_what_is_no_number_to_mix_has_to_be_the_bases_own(tiny, dtype):
    base = tiny.base(extra={"position_ids": np.arange(2).astype(dtype)})
    own = some("model.norm.weight")
    same = expert(tiny, own | {"position_ids": np.arange(2).astype(dtype)})
    assert list(placed(same, base)) == ["model.norm.weight"]
    other = expert(tiny, own | {"position_ids": np.arange(2)[::-1].astype(dtype)})
    assert "position_ids" in refused(other, base).message


def test_files_of_the_base_itself_change_nothing(tiny):
    base = tiny.base(shards=2)
    folder = tiny.base(shards=2)
    (first, second) = sorted(folder.glob("*.safetensors"))
    tensors = load_folder(folder)
    inside = [name for name in tensors if name in second.read_bytes()[:4096].decode(errors="replace")]
    dump(second, {name: tensors[name] + 1 for name in inside}, {"format": "pt"})
    assert set(placed(folder, base)) == set(inside)
    assert first.read_bytes() == (base / first.name).read_bytes()


def test_a_tied_expert_changes_embedding_and_head_alike(tiny):
    base = tiny.base(shapes=TIED, config=TIED_CONFIG)
    words = some("model.embed_tokens.weight")
    both = placed(expert(tiny, words), base)
    assert set(both) == {"model.embed_tokens.weight", "lm_head.weight"}
    assert both["lm_head.weight"].delta == both["model.embed_tokens.weight"].delta
    assert both["lm_head.weight"].placed == both["model.embed_tokens.weight"].placed
    apart = placed(expert(tiny, words | some("lm_head.weight", seed=6)), base)
    assert apart["lm_head.weight"].delta.name == "lm_head.weight"
    assert apart["model.embed_tokens.weight"].delta.name == "model.embed_tokens.weight"


def test_a_stored_head_that_only_one_side_has_is_settled_by_the_config(tiny):
    base = tiny.base()
    tied = expert(tiny, some(*TIED), config=TIED_CONFIG)
    assert "tie_word_embeddings" in refused(tied, base).message
    alone = expert(tiny, some("lm_head.weight"))
    assert list(placed(alone, base)) == ["lm_head.weight"]


def test_numbers_that_are_none_are_named(tiny):
    tensors = some("model.norm.weight", "lm_head.weight")
    tensors["lm_head.weight"][3, 4] = np.inf
    read = read_expert(expert(tiny, tensors), label="mine")
    with pytest.raises(IntegrityError, match=r"mine: the tensor lm_head\.weight"):
        read.check_finite()


def test_equal_contents_have_one_key(tiny):
    key = read_expert(expert(tiny, some("model.norm.weight"))).content_key
    assert key == read_expert(expert(tiny, some("model.norm.weight")), label="other").content_key
    assert key != read_expert(expert(tiny, some("model.norm.weight", seed=6))).content_key


def test_the_files_decide_what_is_read(tiny):
    adapter = tiny.adapter().folder
    assert read_expert(adapter).rank == 4
    dump(adapter / "other.safetensors", some("model.norm.weight"))
    assert read_expert(adapter).rank == 4
    assert read_expert(adapter, names=["other.safetensors"]).rank is None
    pickled = tiny.path("expert")
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(IntegrityError, match="pickle"):
        read_expert(pickled)
    with pytest.raises(NotFound, match="no tensors"):
        read_expert(tiny.path("expert"))


def test_a_name_in_two_files_is_refused(tiny):
    folder = expert(tiny, some("model.norm.weight"), name="a.safetensors")
    dump(folder / "b.safetensors", some("model.norm.weight", seed=6))
    with pytest.raises(IntegrityError, match=r"model\.norm\.weight is in a\.safetensors and in b\.safetensors"):
        read_expert(folder)


def test_what_lies_beside_the_expert_is_said(tiny):
    folder = tiny.adapter().folder
    assert read_expert(folder).notes == ()
    dump(folder / "model.safetensors", some("model.norm.weight"))
    read = read_expert(folder, label="mine", names=("adapter_config.json", "adapter_model.safetensors"))
    assert [word in read.notes[0] for word in ("mine", "left out", "model.safetensors")] == [True] * 3
    assert read.rank == 4
    whole = expert(tiny, some("model.norm.weight"), name="model.safetensors")
    assert read_expert(whole).notes == ()
    dump(whole / "head.safetensors", some("lm_head.weight"))
    assert "left out head.safetensors" in read_expert(whole).notes[0]
