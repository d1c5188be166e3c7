"""A tiny Llama with two PEFT adapters of random factors, and the dense float64 weights of a mixture."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

PREFIX = "base_model.model."


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """A random tiny Llama with a tokenizer, and two PEFT adapters with random factors and different ranks."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    from rshub.demo.tiny_base import tokenizer

    folder = tmp_path_factory.mktemp("llama")
    words = tokenizer()
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder / "base")
        words.save_pretrained(folder / "base")
        for number, (name, rank, targets) in enumerate(
            (("recall", 3, "all-linear"), ("precision", 2, ["q_proj", "down_proj"])), start=1
        ):
            torch.manual_seed(number)
            lora = LoraConfig(
                r=rank, lora_alpha=5, target_modules=targets, init_lora_weights=False, task_type="CAUSAL_LM"
            )
            model = get_peft_model(LlamaForCausalLM.from_pretrained(folder / "base"), lora)
            model.save_pretrained(folder / name)
    return folder


def dense(llama, coefficients):
    """Sum theta_0 + sum lambda * alpha / r * B A in float64, tensor by tensor, from the files alone."""
    tensors = {name: value.astype(np.float64) for name, value in load_file(llama / "base/model.safetensors").items()}
    for label, coefficient in coefficients.items():
        factors = load_file(llama / label / "adapter_model.safetensors")
        config = json.loads((llama / label / "adapter_config.json").read_text())
        for name, a in factors.items():
            if name.endswith("lora_A.weight"):
                b = factors[name.replace("lora_A", "lora_B")].astype(np.float64)
                target = name.removeprefix(PREFIX).removesuffix("lora_A.weight") + "weight"
                tensors[target] += coefficient * config["lora_alpha"] / config["r"] * (b @ a.astype(np.float64))
    return tensors


def weights(model):
    return {name: value.detach().numpy() for name, value in model.named_parameters() if name != "lm_head.weight"}


def tokens(rows, columns=9):
    import torch

    return torch.from_numpy(np.random.default_rng(rows).integers(4, 60, (rows, columns)))


def logits(model, batch):
    import torch

    with torch.no_grad():
        return model(batch).logits.float().numpy()
