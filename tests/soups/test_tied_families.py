"""Tied models of four families as transformers and PEFT make them: the soup has the logits of the unmerged model.

PEFT's merging is no reference here: it merges into the one tensor what belongs to one side only.
"""

import json
import shutil
import warnings

import numpy as np
import pytest

pytestmark = pytest.mark.slow

pytest.importorskip("peft")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402 - only where they are installed
from transformers import (  # noqa: E402
    AutoModelForCausalLM,
    BloomConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    OPTConfig,
)

from rshub.deltas.tying import tied_head  # noqa: E402
from rshub.tensors.checkpoint import Checkpoint  # noqa: E402
from tests.tiny_models import dump, load  # noqa: E402

IDS = torch.tensor([[1, 3, 5, 7, 2, 30, 31, 4]])
FAMILIES = {
    "llama": (
        LlamaConfig(
            vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
            num_key_value_heads=2, tie_word_embeddings=True,
        ),
        "embed_tokens", "q_proj",
    ),
    "gpt2": (GPT2Config(vocab_size=32, n_embd=16, n_layer=1, n_head=2, n_positions=16), "wte", "c_attn"),
    "gpt_neox": (
        GPTNeoXConfig(
            vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
            tie_word_embeddings=True,
        ),
        "embed_in", "dense",
    ),
    "opt": (
        OPTConfig(
            vocab_size=32, hidden_size=16, ffn_dim=24, num_hidden_layers=1, num_attention_heads=2,
            word_embed_proj_dim=16, max_position_embeddings=16,
        ),
        "embed_tokens", "q_proj",
    ),
    "bloom": (BloomConfig(vocab_size=32, hidden_size=16, n_layer=1, n_head=2), "word_embeddings", "query_key_value"),
}  # fmt: skip

CASES = {
    "factors on the embedding": lambda words, layer: {"target_modules": [words, layer]},
    "factors on the head": lambda words, layer: {"target_modules": ["lm_head", layer]},
    "factors on both": lambda words, layer: {"target_modules": [words, "lm_head"]},
    "factors kept tied": lambda words, layer: {"target_modules": [words, "lm_head"], "ensure_weight_tying": True},
    "the embedding saved": lambda words, layer: {"target_modules": [layer], "modules_to_save": [words]},
    "the head saved": lambda words, layer: {"target_modules": [layer], "modules_to_save": ["lm_head"]},
    "both saved": lambda words, layer: {"target_modules": [layer], "modules_to_save": [words, "lm_head"]},
    "both saved tied": lambda words, layer: {
        "target_modules": [layer], "modules_to_save": [words, "lm_head"], "ensure_weight_tying": True,
    },
    "token rows": lambda words, layer: {"target_modules": [layer], "trainable_token_indices": [3, 30]},
    "token rows apart": lambda words, layer: {
        "target_modules": [layer], "trainable_token_indices": {words: [3, 30], "lm_head": [5, 30]},
    },
}  # fmt: skip

STAYS = {"token rows"}
"""Cases in which one tensor is left whatever the family."""

AS_ADAPTER = ("factors on the embedding", "factors on the head", "factors on both", "factors kept tied")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Give the folder of a base by family and way of naming: as saved, or without the body's name."""
    root = tmp_path_factory.mktemp("families")
    for number, (family, (config, _, _)) in enumerate(FAMILIES.items()):
        torch.manual_seed(number)
        AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(root / family)
    return root


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits.double().numpy()


def train(folder, options, seed):
    """Give the unmerged model with an adapter of random numbers, as if it had been trained."""
    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(base, LoraConfig(r=2, lora_alpha=3, task_type="CAUSAL_LM", **options))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def save(model, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_a_soup_of_a_tied_model_has_the_logits_of_the_unmerged_one(models, pot, tmp_path, family):
    _, words, layer = FAMILIES[family]
    seen = set()
    for number, (case, options) in enumerate(CASES.items()):
        trained = train(models / family, options(words, layer), seed=number)
        adapter = save(trained, tmp_path / f"{number}")
        for layout in ("base", "split"):
            out, report = pot.cook(models / family, [(adapter, 1.0)], layout=layout)
            loaded, told = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32, output_loading_info=True)
            assert not any(told.values()), (case, told)
            np.testing.assert_allclose(logits(loaded), logits(trained), atol=1e-5, err_msg=f"{family}: {case}")
            apart = loaded.get_input_embeddings().weight is not loaded.get_output_embeddings().weight
            assert apart == any("untied" in warning for warning in report.figures["warnings"]), case
            assert apart == (json.loads((out / "config.json").read_text())["tie_word_embeddings"] is False)
            if case in STAYS:
                assert not apart
            seen.add(apart)
        if case in AS_ADAPTER:
            out, _ = pot.cook(models / family, [(adapter, 1.0)], format="adapter")
            base = AutoModelForCausalLM.from_pretrained(models / family, dtype=torch.float32)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                loaded = PeftModel.from_pretrained(base, out)
            np.testing.assert_allclose(logits(loaded), logits(trained), atol=1e-5, err_msg=f"{family}: {case}")
    assert seen == {True, False}


@pytest.mark.parametrize("family", ["gpt2", "opt", "bloom"])
def test_a_base_on_disk_without_its_bodys_name_is_untied_as_well(models, pot, tmp_path, family):
    _, words, layer = FAMILIES[family]
    bare = tmp_path / "bare"
    shutil.copytree(models / family, bare)
    body = AutoModelForCausalLM.from_pretrained(models / family).base_model_prefix
    tensors = load(bare / "model.safetensors")
    bare_names = {name.removeprefix(f"{body}."): values for name, values in tensors.items()}
    dump(bare / "model.safetensors", bare_names, {"format": "pt"})
    trained = train(bare, CASES["factors on both"](words, layer), seed=1)
    out, report = pot.cook(bare, [(save(trained, tmp_path / "adapter"), 1.0)])
    loaded, told = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32, output_loading_info=True)
    assert not any(told.values())
    assert any("untied" in warning for warning in report.figures["warnings"])
    np.testing.assert_allclose(logits(loaded), logits(trained), atol=1e-5)


TEXT = {
    "vocab_size": 32, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 8,
}  # fmt: skip
EYES = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 8,
    "patch_size": 4,
}  # fmt: skip


def others():
    """Give models that name things otherwise: one that hears, two that see, and some that only write."""
    yield transformers.WhisperForConditionalGeneration(
        transformers.WhisperConfig(
            vocab_size=32, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, pad_token_id=0, bos_token_id=1,
            eos_token_id=2, decoder_start_token_id=1,
        )
    )  # fmt: skip
    yield transformers.LlavaForConditionalGeneration(
        transformers.LlavaConfig(
            text_config=transformers.LlamaConfig(**TEXT, tie_word_embeddings=True),
            vision_config=transformers.CLIPVisionConfig(**EYES),
            image_token_index=31,
        )
    )
    yield transformers.Gemma3ForConditionalGeneration(
        transformers.Gemma3Config(
            text_config=transformers.Gemma3TextConfig(**TEXT, pad_token_id=0),
            vision_config=transformers.SiglipVisionConfig(**EYES),
            image_token_index=31,
            mm_tokens_per_image=4,
        )
    )
    yield transformers.Gemma2ForCausalLM(transformers.Gemma2Config(**TEXT))
    yield transformers.MambaForCausalLM(
        transformers.MambaConfig(vocab_size=32, hidden_size=16, num_hidden_layers=1, state_size=4)
    )
    yield transformers.FalconForCausalLM(
        transformers.FalconConfig(vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    )


def test_untied_models_of_other_kinds_load_with_both_tensors(tiny, pot, tmp_path):
    for number, model in enumerate(others()):
        folder = tmp_path / f"{number}"
        model.save_pretrained(folder)
        tied = tied_head(Checkpoint.open(folder))
        module = tied.head.removesuffix(".weight")
        adapter = tiny.adapter(modules=[module], shapes={tied.head: (32, 16)}, rank=2)
        out, report = pot.cook(folder, [(adapter, 0.5)])
        assert any("untied" in warning for warning in report.figures["warnings"])
        loaded, told = type(model).from_pretrained(out, dtype=torch.float32, output_loading_info=True)
        assert not any(told.values()), (type(model), told)
        words = model.get_input_embeddings().weight.detach().numpy()
        np.testing.assert_array_equal(loaded.get_input_embeddings().weight.detach().numpy(), words)
        head = loaded.get_output_embeddings().weight.detach().numpy()
        np.testing.assert_allclose(head, words.astype(np.float64) + 0.5 * adapter.delta(module), atol=1e-6)
