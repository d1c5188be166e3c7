"""PEFT as the judge of every kind of change that its LoRA adapters hold, over models that name and tie things apart.

One expert alone is what PEFT merges, on disk and tensor by tensor. Where head and embedding are one, PEFT's merge
changes both sides whatever was trained; there the judge is what the adapted model computes before any merge.
"""

import copy
import functools
import json

import numpy as np
import pytest

from rshub.errors import Incompatible
from tests.tiny_models import load_folder

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

MODULES = {"target_modules": ["q_proj"]}
CASES = {
    "llama": [
        {"target_modules": ["q_proj", "o_proj"], "bias": "lora_only"},
        {"target_modules": ["q_proj"], "bias": "all", "modules_to_save": ["mlp", "norm"]},
        {"target_modules": ["q_proj", "v_proj"], "lora_bias": True},
        {"target_modules": ["q_proj", "v_proj"], "lora_bias": True, "bias": "all", "use_rslora": True},
        {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head"]},
        {"target_modules": ["q_proj"], "trainable_token_indices": [7, 3]},
        {"target_modules": ["q_proj"], "trainable_token_indices": {"embed_tokens": [1, 5], "lm_head": [2, 0, 9]}},
        {"target_modules": ["q_proj", "embed_tokens", "lm_head"], "save": True},
        {"target_modules": ["q_proj"], "save": True},
        {"target_modules": "all-linear", "use_dora": True},
        {"target_modules": ["q_proj", "lm_head", "embed_tokens"], "use_dora": True, "bias": "all"},
        {"target_modules": ["down_proj"], "use_dora": True, "rank_pattern": {"layers.1.mlp.down_proj": 2}},
        {"target_modules": ["q_proj", "embed_tokens", "lm_head"], "use_dora": True, "save": True},
    ],
    "gpt2": [
        {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True, "use_dora": True, "bias": "all"},
        {"target_modules": ["c_attn"], "bias": "all", "modules_to_save": ["ln_f"], "fan_in_fan_out": True},
        {"target_modules": ["c_attn"], "lora_bias": True, "modules_to_save": ["mlp"], "fan_in_fan_out": True},
        {"target_modules": ["wpe"], "use_dora": True},
    ],
    "neox": [
        {"target_modules": ["lm_head", "query_key_value", "embed_in"], "bias": "lora_only"},
        {"target_modules": ["query_key_value"], "modules_to_save": ["lm_head"], "trainable_token_indices": [3]},
        {"target_modules": ["lm_head", "dense"], "use_dora": True},
    ],
    "opt": [
        {"target_modules": ["q_proj", "fc1"], "bias": "lora_only", "lora_bias": True},
        {"target_modules": ["out_proj"], "bias": "all", "use_dora": True, "modules_to_save": ["fc2"]},
    ],
    "t5": [
        {"target_modules": ["q", "v", "wo"]},
        {"target_modules": ["q"], "use_dora": True, "modules_to_save": ["final_layer_norm"]},
        {"target_modules": ["wi"], "modules_to_save": ["relative_attention_bias"]},
    ],
}
ALONE = [(kind, number) for kind, cases in CASES.items() for number in range(len(cases))]

TIED = [
    {"target_modules": ["q_proj", "embed_tokens"]},
    {"target_modules": ["q_proj", "embed_tokens"], "ensure_weight_tying": True},
    {"target_modules": ["lm_head"]},
    {"target_modules": ["lm_head", "embed_tokens"], "use_dora": True},
    {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["lm_head", "embed_tokens"]},
    {"target_modules": ["q_proj"], "trainable_token_indices": [1, 5]},
    {"target_modules": ["q_proj"], "trainable_token_indices": {"embed_tokens": [1, 5], "lm_head": [2]}},
    {"target_modules": ["q_proj"], "trainable_token_indices": {"embed_tokens": [1, 5], "lm_head": [1, 5]}},
    {"target_modules": ["q_proj"], "trainable_token_indices": {"lm_head": [4]}},
    {"target_modules": ["q_proj"], "save": True},
    {"target_modules": ["q_proj", "embed_tokens"], "save": True},
    {"target_modules": ["q_proj", "lm_head"], "save": True},
    {"target_modules": ["q_proj", "embed_tokens"], "use_dora": True, "save": True},
]
ONE_TENSOR = {1, 5, 8, 10, 12}
"""The tied cases in which head and embedding change alike."""


@functools.cache
def model(kind, tied=False):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "vocab_size": 40}
    if kind == "llama":
        config = transformers.LlamaConfig(
            **size, intermediate_size=24, num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=tied,
            attention_bias=True,
        )  # fmt: skip
        made = transformers.LlamaForCausalLM(config)
    elif kind == "gpt2":
        made = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=32)
        )
    elif kind == "neox":
        config = transformers.GPTNeoXConfig(**size, num_attention_heads=2, intermediate_size=24)
        made = transformers.GPTNeoXForCausalLM(config)
    elif kind == "opt":
        config = transformers.OPTConfig(
            **size, num_attention_heads=2, ffn_dim=24, word_embed_proj_dim=16, max_position_embeddings=32
        )
        made = transformers.OPTForCausalLM(config)
    else:
        made = transformers.T5ForConditionalGeneration(
            transformers.T5Config(vocab_size=40, d_model=16, d_kv=8, num_heads=2, d_ff=24, num_layers=2)
        )
    with torch.no_grad():
        for values in made.parameters():
            values.add_(0.1 * torch.randn_like(values))
    return made.eval()


def adapted(base, folder, seed, save=False, **settings):
    """Make an adapter of which every number is random, and give the adapted model."""
    torch.manual_seed(seed)
    task = "SEQ_2_SEQ_LM" if base.config.is_encoder_decoder else "CAUSAL_LM"
    config = peft.LoraConfig(task_type=task, **{"r": 4, "lora_alpha": 8} | copy.deepcopy(settings))
    wrapped = peft.get_peft_model(copy.deepcopy(base), config).eval()
    with torch.no_grad():
        for name, values in wrapped.named_parameters():
            if values.requires_grad and "magnitude" in name:
                values.mul_(1 + 0.3 * torch.rand_like(values))
            elif values.requires_grad:
                values.add_(0.3 * torch.randn_like(values))
    wrapped.save_pretrained(folder, save_embedding_layers=save)
    return wrapped


def logits(one):
    tokens = torch.arange(20).reshape(2, 10)
    more = {"decoder_input_ids": tokens} if one.config.is_encoder_decoder else {}
    with torch.no_grad():
        return one(input_ids=tokens, **more).logits


def merged_on_disk(base, folder, at):
    peft.PeftModel.from_pretrained(copy.deepcopy(base), folder).merge_and_unload().save_pretrained(at)
    return load_folder(at)


def close(got, want, tolerance=2e-6):
    assert set(got) == set(want)
    for name, values in got.items():
        np.testing.assert_allclose(values, want[name], rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize(("kind", "number"), ALONE, ids=str)
def test_one_expert_is_what_peft_merges(pot, tmp_path, kind, number):
    settings = CASES[kind][number]
    base = model(kind)
    base.save_pretrained(tmp_path / "base")
    adapted(base, tmp_path / "expert", 3, **settings)
    got = pot.checkpoint(tmp_path / "base", [(tmp_path / "expert", 1.0)])
    want = merged_on_disk(base, tmp_path / "expert", tmp_path / "merged")
    close(got, want)
    assert any(not np.array_equal(values, load_folder(tmp_path / "base")[name]) for name, values in got.items())


@pytest.mark.parametrize("kind", CASES)
def test_kinds_are_mixed_as_deltas(pot, tmp_path, kind):
    base = model(kind).double()
    base.save_pretrained(tmp_path / "base")
    start = load_folder(tmp_path / "base")
    weights = (0.7, -0.4, 0.2, 1.5)
    experts = []
    want = {name: values.astype(np.float64) for name, values in start.items()}
    for number, (weight, settings) in enumerate(zip(weights, CASES[kind], strict=False)):
        adapted(base, tmp_path / f"expert-{number}", number, **settings)
        experts.append((tmp_path / f"expert-{number}", weight))
        merged = merged_on_disk(base, tmp_path / f"expert-{number}", tmp_path / f"merged-{number}")
        for name, values in merged.items():
            want[name] += weight * (values - start[name])
    close(pot.checkpoint(tmp_path / "base", experts), want, 1e-12)
    model.cache_clear()


@pytest.mark.parametrize("number", range(len(TIED)))
def test_a_tied_model_computes_what_the_adapted_one_does(pot, tmp_path, number):
    base = model("llama", tied=True)
    base.save_pretrained(tmp_path / "base")
    want = logits(adapted(base, tmp_path / "expert", 4, **TIED[number]))
    out, _ = pot.cook(tmp_path / "base", [(tmp_path / "expert", 1.0)])
    tensors = load_folder(out)
    assert ("lm_head.weight" in tensors) is (number not in ONE_TENSOR)
    assert json.loads((out / "config.json").read_text())["tie_word_embeddings"] is (number in ONE_TENSOR)
    got = logits(transformers.AutoModelForCausalLM.from_pretrained(out))
    torch.testing.assert_close(got, want, rtol=0, atol=2e-5)


@pytest.mark.parametrize("kind", ["gpt2", "opt"])
@pytest.mark.parametrize("settings", [{"target_modules": ["lm_head"]}, {"trainable_token_indices": [2, 6], **MODULES}])
def test_other_tied_models_too(pot, tmp_path, kind, settings):
    if kind == "gpt2" and "trainable_token_indices" in settings:
        settings = settings | {"target_modules": ["c_attn"]}
    base = model(kind)
    base.save_pretrained(tmp_path / "base")
    want = logits(adapted(base, tmp_path / "expert", 4, **settings))
    out, _ = pot.cook(tmp_path / "base", [(tmp_path / "expert", 1.0)])
    torch.testing.assert_close(logits(transformers.AutoModelForCausalLM.from_pretrained(out)), want, rtol=0, atol=2e-5)


def test_names_of_other_models_are_found_on_disk(pot, tmp_path):
    """Models with pictures are called one way in memory and another on disk."""
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    picture = {**size, "image_size": 8, "patch_size": 4}
    text = {**size, "vocab_size": 40, "num_key_value_heads": 2}
    tower = {"model_type": "clip_vision_model", **picture}
    depth = {"depth": 1, "embed_dim": 16, "hidden_size": 16, "num_heads": 2}
    models = {
        "vit": transformers.ViTForImageClassification(transformers.ViTConfig(**picture)),
        "dino": transformers.Dinov2Model(transformers.Dinov2Config(**picture)),
        "llava": transformers.LlavaForConditionalGeneration(
            transformers.LlavaConfig(text_config={"model_type": "llama", **text}, vision_config=tower)
        ),
        "qwen": transformers.Qwen2VLForConditionalGeneration(
            transformers.Qwen2VLConfig(text_config=text, vision_config=depth)
        ),
        "clip": transformers.CLIPModel(
            transformers.CLIPConfig(text_config={**size, "vocab_size": 40}, vision_config=picture)
        ),
    }
    for name, made in models.items():
        base = made.eval()
        base.save_pretrained(tmp_path / name)
        settings = {"target_modules": "all-linear", "task_type": None, "lora_bias": False, "bias": "all"}
        config = peft.LoraConfig(r=2, **settings)
        wrapped = peft.get_peft_model(copy.deepcopy(base), config)
        torch.manual_seed(5)
        with torch.no_grad():
            for values in wrapped.parameters():
                if values.requires_grad:
                    values.add_(0.3 * torch.randn_like(values))
        wrapped.save_pretrained(tmp_path / f"{name}-expert", save_embedding_layers=False)
        want = merged_on_disk(base, tmp_path / f"{name}-expert", tmp_path / f"{name}-merged")
        close(pot.checkpoint(tmp_path / name, [(tmp_path / f"{name}-expert", 1.0)]), want)


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": ["shared"]},
        {"target_modules": ["lm_head"]},
        {"target_modules": ["embed_tokens"]},
        {"target_modules": ["q"], "modules_to_save": ["shared"]},
        {"target_modules": ["q"], "trainable_token_indices": [1]},
    ],
)
def test_what_is_tied_in_many_places_is_refused(pot, tmp_path, settings):
    base = model("t5")
    base.save_pretrained(tmp_path / "base")
    adapted(base, tmp_path / "expert", 4, **settings)
    with pytest.raises(Incompatible, match=r"shared|lm_head|embed_tokens"):
        pot.plan(tmp_path / "base", [(tmp_path / "expert", 1.0)])


@pytest.mark.parametrize("nd", [1, 2, 3])
def test_convolutions_are_what_peft_merges(pot, tmp_path, nd):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            conv = getattr(torch.nn, f"Conv{nd}d")
            self.first = conv(3, 6, 3)
            self.second = conv(6, 5, 1 if nd < 3 else 2)  # PEFT cannot merge a Conv3d of size 1

        def forward(self, x):
            return self.second(self.first(x))

    from safetensors.torch import save_file

    torch.manual_seed(0)
    net = Net().eval()
    (tmp_path / "base").mkdir()
    save_file(net.state_dict(), tmp_path / "base" / "model.safetensors")
    for dora in (False, True):
        folder = tmp_path / f"expert-{dora}"
        config = peft.LoraConfig(
            target_modules=["first", "second"], r=4, lora_alpha=6, use_dora=dora, bias="all", lora_bias=not dora
        )
        wrapped = peft.get_peft_model(copy.deepcopy(net), config)
        with torch.no_grad():
            for values in wrapped.parameters():
                if values.requires_grad:
                    values.add_(0.3 * torch.rand_like(values))
        wrapped.save_pretrained(folder)
        want = {name: values.numpy() for name, values in wrapped.merge_and_unload().state_dict().items()}
        close(pot.checkpoint(tmp_path / "base", [(folder, 1.0)]), want)


def test_no_other_kind_of_adapter_is_read():
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    from rshub.deltas.peft_config import lora_settings

    others = [kind.value for kind in PEFT_TYPE_TO_CONFIG_MAPPING if kind.value != "LORA"]
    assert {"ADALORA", "IA3", "LOHA", "LOKR", "VERA", "OFT", "BOFT", "PROMPT_TUNING", "LN_TUNING"} <= set(others)
    for kind in others:
        with pytest.raises(Incompatible, match=f"peft_type = '{kind}'"):
            lora_settings({"peft_type": kind, "r": 4}, label="x")


def test_an_init_that_changes_the_base_is_read_only_when_it_was_converted(pot, tmp_path):
    base = model("llama")
    base.save_pretrained(tmp_path / "base")
    config = peft.LoraConfig(target_modules=["q_proj", "down_proj"], r=3, lora_alpha=5, init_lora_weights="pissa")
    wrapped = peft.get_peft_model(copy.deepcopy(base), config).eval()
    wrapped.peft_config["default"].init_lora_weights = True
    wrapped.save_pretrained(tmp_path / "start", save_embedding_layers=False)
    wrapped.peft_config["default"].init_lora_weights = "pissa"
    torch.manual_seed(3)
    with torch.no_grad():
        for name, values in wrapped.named_parameters():
            if "lora_" in name:
                values.add_(0.2 * torch.randn_like(values))
    wrapped.save_pretrained(tmp_path / "as-it-is", save_embedding_layers=False)
    with pytest.raises(Incompatible, match="init_lora_weights = 'pissa'"):
        pot.plan(tmp_path / "base", [(tmp_path / "as-it-is", 1.0)])
    want = logits(wrapped)
    wrapped.save_pretrained(
        tmp_path / "converted",
        path_initial_model_for_weight_conversion=str(tmp_path / "start"),
        save_embedding_layers=False,
    )
    out, _ = pot.cook(tmp_path / "base", [(tmp_path / "converted", 1.0)])
    torch.testing.assert_close(logits(transformers.AutoModelForCausalLM.from_pretrained(out)), want, rtol=0, atol=2e-5)


def test_fused_experts_are_refused_and_the_rest_of_their_model_is_read(pot, tmp_path):
    config = transformers.MixtralConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        intermediate_size=24, num_local_experts=2,
    )  # fmt: skip
    base = transformers.MixtralForCausalLM(config).eval()
    base.save_pretrained(tmp_path / "base")
    adapted(base, tmp_path / "fused", 1, target_modules=["q_proj"], target_parameters=["experts.down_proj"])
    with pytest.raises(Incompatible, match="target_parameters"):
        pot.plan(tmp_path / "base", [(tmp_path / "fused", 1.0)])
    said = json.loads((tmp_path / "fused" / "adapter_config.json").read_text())
    (tmp_path / "fused" / "adapter_config.json").write_text(json.dumps(said | {"target_parameters": None}))
    with pytest.raises(Incompatible, match=r"experts\.(base_layer\.)?lora_"):
        pot.plan(tmp_path / "base", [(tmp_path / "fused", 1.0)])
    adapted(base, tmp_path / "plain", 2, target_modules=["q_proj", "v_proj"])
    got = pot.checkpoint(tmp_path / "base", [(tmp_path / "plain", 1.0)])
    close(got, merged_on_disk(base, tmp_path / "plain", tmp_path / "merged"))
