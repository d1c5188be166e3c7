"""Bases that are pipelines of several models in folders of their own: what goes where, and what goes along."""

import json
import shutil

import ml_dtypes
import numpy as np
import pytest

from rshub.deltas.expert_tensors import read_expert
from rshub.errors import Incompatible, IntegrityError, NotFound
from rshub.tensors.checkpoint import Checkpoint
from tests.soups.test_weight_sets import UNET, random
from tests.tiny_models import dump, load

TEXT = {
    "text_model.embeddings.token_embedding.weight": (11, 6),
    "text_model.encoder.layers.0.self_attn.q_proj.weight": (6, 6),
    "text_model.final_layer_norm.weight": (6,),
}
VAE = {"encoder.linear_1.weight": (4, 4), "encoder.conv_in.weight": (4, 3, 3, 3), "decoder.conv_out.bias": (3,)}
MODEL_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.30.0",
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
TO_Q = "down_blocks.0.attentions.0.to_q"


def pipeline(tiny, *, seed=0, shards=1, dtype=np.float32):
    """Write a pipeline; its UNet may be sharded."""
    folder = tiny.path("pipeline")
    for name in ("unet", "vae", "text_encoder", "scheduler", "tokenizer", "__pycache__"):
        (folder / name).mkdir()
    (folder / "model_index.json").write_text(json.dumps(MODEL_INDEX))
    unet = random(UNET, seed, dtype)
    for name, config in (
        ("unet", {"_class_name": "UNet2DConditionModel", "attention_head_dim": 4}),
        ("vae", {"_class_name": "AutoencoderKL"}),
        (
            "text_encoder",
            {"architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "torch_dtype": "float32"},
        ),
    ):
        (folder / name / "config.json").write_text(json.dumps(config))
    if shards == 1:
        dump(folder / "unet/diffusion_pytorch_model.safetensors", unet)
    else:
        weight_map = {}
        for number in range(shards):
            shard = f"diffusion_pytorch_model-{number + 1:05d}-of-{shards:05d}.safetensors"
            inside = dict(list(unet.items())[number::shards])
            dump(folder / "unet" / shard, inside)
            weight_map |= dict.fromkeys(inside, shard)
        index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
        (folder / "unet/diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    dump(folder / "vae/diffusion_pytorch_model.safetensors", random(VAE, seed + 1, dtype))
    ids = {"text_model.embeddings.position_ids": np.arange(5)}
    dump(folder / "text_encoder/model.safetensors", random(TEXT, seed + 2, dtype) | ids)
    (folder / "scheduler/scheduler_config.json").write_text("{}")
    (folder / "tokenizer/merges.txt").write_text("a b")
    (folder / "tokenizer/vocab.json").write_text("{}")
    for stray in ("unet/diffusion_pytorch_model.bin", "v1-5-pruned.safetensors", "unet/evil.py", "__pycache__/x.json"):
        (folder / stray).write_bytes(b"stray")
    return folder


def tensors(folder):
    return {
        f"{path.parent.name}/{name}": values
        for path in sorted(folder.glob("*/*.safetensors"))
        for name, values in load(path).items()
    }


def adapter(tiny, *, module=TO_Q, shape=(8, 8), seed=4):
    folder = tiny.path("adapter")
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, shape[1])).astype(np.float32), rng.standard_normal((shape[0], 2)).astype(np.float32)
    names = (f"base_model.model.{module}.lora_A.weight", f"base_model.model.{module}.lora_B.weight")
    dump(folder / "adapter_model.safetensors", dict(zip(names, (a, b), strict=True)))
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 2}))
    return folder, b.astype(np.float64) @ a


@pytest.mark.parametrize("shards", [1, 2])
def test_a_soup_is_the_whole_pipeline_with_what_changed(tiny, pot, shards):
    base = pipeline(tiny, shards=shards)
    lora, delta = adapter(tiny)
    tuned = tiny.path("tuned")
    dump(tuned / "tuned.safetensors", random({"conv_in.weight": UNET["conv_in.weight"]}, 7))
    whole = pipeline(tiny, seed=20)
    terms = [(lora, 0.5), (tuned, 0.25), (whole, 0.5)]
    out, _ = pot.cook(base, terms)

    want = {name: values.astype(np.float64) for name, values in tensors(base).items()}
    other = tensors(whole)
    for name, values in tensors(base).items():
        if values.dtype == np.float32:
            want[name] += 0.5 * (other[name].astype(np.float64) - values)
    want[f"unet/{TO_Q}.weight"] += 0.5 * delta
    conv = load(tuned / "tuned.safetensors")["conv_in.weight"]
    want["unet/conv_in.weight"] += 0.25 * (conv.astype(np.float64) - tensors(base)["unet/conv_in.weight"])
    found = tensors(out)
    assert found.keys() == want.keys()
    for name, values in want.items():
        np.testing.assert_allclose(found[name].astype(np.float64), values, atol=1e-5, err_msg=name)
    expected = {
        path.relative_to(base).as_posix()
        for path in base.rglob("*")
        if path.is_file() and path.read_bytes() != b"stray"
    }
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == expected


def test_what_no_expert_changes_is_the_same_bytes(tiny, pot):
    base = pipeline(tiny)
    out, _ = pot.cook(base, [(adapter(tiny)[0], 1.0)])
    for name in ("vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors", "unet/config.json"):
        assert (out / name).read_bytes() == (base / name).read_bytes()


def test_another_dtype_goes_through_all_components(tiny, pot):
    base = pipeline(tiny, shards=2)
    out, _ = pot.cook(base, [(adapter(tiny)[0], 1.0)], dtype="bfloat16")
    found = tensors(out)
    ids = "text_encoder/text_model.embeddings.position_ids"
    assert {name: values.dtype for name, values in found.items()} == {
        name: np.int64 if name == ids else ml_dtypes.bfloat16 for name in tensors(base)
    }
    assert json.loads((out / "text_encoder/config.json").read_text())["torch_dtype"] == "bfloat16"
    assert "torch_dtype" not in json.loads((out / "unet/config.json").read_text())
    index = json.loads((out / "unet/diffusion_pytorch_model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(v.nbytes for n, v in found.items() if n.startswith("unet/"))


def test_an_adapter_names_the_modules_of_its_component(tiny, pot):
    base = pipeline(tiny)
    lora, delta = adapter(tiny)
    out, _ = pot.cook(base, [(lora, 0.5)], format="adapter")
    found = load(out / "adapter_model.safetensors")
    a, b = (found[f"base_model.model.{TO_Q}.lora_{side}.weight"].astype(np.float64) for side in "AB")
    np.testing.assert_allclose(b @ a, 0.5 * delta, atol=1e-6)
    assert json.loads((out / "adapter_config.json").read_text())["target_modules"] == ["to_q"]
    time, _ = adapter(tiny, module="time_embedding.linear_1", shape=(16, 8))
    out, _ = pot.cook(base, [(time, 0.5)], format="adapter")
    assert json.loads((out / "adapter_config.json").read_text())["target_modules"] == ["linear_1"]
    text, _ = adapter(tiny, module="text_model.encoder.layers.0.self_attn.q_proj", shape=(6, 6))
    with pytest.raises(Incompatible, match="more than one component"):
        pot.cook(base, [(lora, 0.5), (text, 0.5)], format="adapter")
    pot.cook(base, [(lora, 0.5), (text, 0.5)])


def test_an_expert_may_have_the_folders_of_some_components(tiny):
    base = Checkpoint.open(pipeline(tiny))
    folder = tiny.path("expert")
    (folder / "vae").mkdir()
    dump(folder / "vae/diffusion_pytorch_model.safetensors", random(VAE, 9))
    (folder / "vae/config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"}))
    expert = read_expert(folder)
    assert {each.tensor for each in expert.place(base)} == {f"vae/{name}" for name in VAE}
    assert (expert.kind(base), expert.format) == ("partial", "diffusers")
    assert expert.files.names == ("vae/config.json", "vae/diffusion_pytorch_model.safetensors")
    (folder / "vae").rename(folder / "other")
    with pytest.raises(Incompatible, match="other, which is no component"):
        read_expert(folder).place(base)
    with pytest.raises(Incompatible, match="no components"):
        read_expert(folder).place(Checkpoint.open(tiny.base()))
    whole = read_expert(pipeline(tiny, seed=30))
    assert whole.kind(base) == "full"
    assert not any(each.tensor.endswith("position_ids") for each in whole.place(base))


def test_a_head_that_is_an_embedding_stays_so_within_a_component(tiny, pot):
    base = pipeline(tiny)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "tie_word_embeddings": True}
    words = {"model.embed_tokens.weight": (11, 6), "model.norm.weight": (6,)}
    dump(base / "text_encoder/model.safetensors", random(words, 3))
    (base / "text_encoder/config.json").write_text(json.dumps(config))
    expert = tiny.path("expert")
    dump(expert / "x.safetensors", random(words, 4))
    found = tensors(pot.cook(base, [(expert, 1.0)])[0])
    assert {name for name in found if name.startswith("text_encoder/")} == {f"text_encoder/{name}" for name in words}
    np.testing.assert_allclose(
        found["text_encoder/model.embed_tokens.weight"], random(words, 4)["model.embed_tokens.weight"], atol=1e-6
    )
    dump(expert / "x.safetensors", random({**words, "lm_head.weight": (11, 6)}, 4))
    with pytest.raises(Incompatible, match=r"lm_head\.weight is model\.embed_tokens\.weight in the component"):
        pot.plan(base, [(expert, 1.0)])


def test_what_fits_no_component_or_two_is_refused(tiny, pot):
    base = pipeline(tiny)
    with pytest.raises(Incompatible, match="unet is the nearest"):
        pot.plan(base, [(adapter(tiny, shape=(8, 7))[0], 1.0)])
    shutil.copytree(base / "unet", base / "unet_2")
    (base / "model_index.json").write_text(json.dumps(MODEL_INDEX | {"unet_2": ["diffusers", "UNet2DConditionModel"]}))
    with pytest.raises(Incompatible, match=r"more than one component.*unet, unet_2"):
        pot.plan(base, [(adapter(tiny)[0], 1.0)])


def test_a_component_of_another_class_is_refused(tiny):
    base, other = pipeline(tiny), pipeline(tiny, seed=9)
    (other / "unet/config.json").write_text(json.dumps({"_class_name": "UNet2DModel"}))
    with pytest.raises(Incompatible, match="_class_name"):
        read_expert(other).place(Checkpoint.open(base))


def test_pipelines_that_are_not_whole_or_lead_elsewhere_are_refused(tiny):
    base = pipeline(tiny)
    (base / "text_encoder/model.safetensors").rename(base / "text_encoder/pytorch_model.bin")
    with pytest.raises(IntegrityError, match="pickle"):
        Checkpoint.open(base)
    shutil.rmtree(base / "text_encoder")
    with pytest.raises(IntegrityError, match="text_encoder, but none of its files"):
        Checkpoint.open(base)
    for name in ("..", "a/b", "a\\b", ""):
        (base / "model_index.json").write_text(json.dumps({name: ["diffusers", "X"]}))
        with pytest.raises(IntegrityError, match="no plain name"):
            Checkpoint.open(base)
    (base / "model_index.json").write_text(json.dumps({"scheduler": ["diffusers", "X"]}))
    with pytest.raises(NotFound, match="no safetensors"):
        Checkpoint.open(base)
