"""The Mixer's weights against PEFT's own merge, a dense float64 sum, and the exact composer's files."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rshub.errors import Incompatible, InvalidInput, NotFound

PREFIX = "base_model.model."

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # PEFT's own call


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


@pytest.fixture
def mixer(llama):
    from rshub.soups.mixer import Mixer

    return Mixer(llama / "base", {"recall": llama / "recall", "precision": llama / "precision"})


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
    return {name: value.numpy() for name, value in model.state_dict().items() if name != "lm_head.weight"}


@pytest.mark.parametrize(
    "coefficients",
    [
        {"recall": 1.0},
        {"recall": 0.3, "precision": 0.7},
        {"recall": 0.5, "precision": 0.2},
        {"recall": -0.5, "precision": 1.5},
    ],
)
def test_weights_are_the_exact_sum_rounded_once(mixer, llama, coefficients):
    mixer.mix({"recall": 5.0, "precision": -3.0})  # whatever was mixed before
    mixed = weights(mixer.mix(coefficients))
    expected = dense(llama, coefficients)
    assert mixed.keys() == expected.keys()
    for name, value in mixed.items():
        np.testing.assert_array_equal(value, expected[name].astype(np.float32), err_msg=name)


def test_one_expert_alone_is_what_peft_merges(mixer, llama):
    from peft import PeftModel
    from transformers import LlamaForCausalLM

    for label in ("recall", "precision"):
        base = LlamaForCausalLM.from_pretrained(llama / "base")
        merged = weights(PeftModel.from_pretrained(base, llama / label).merge_and_unload())
        for name, value in weights(mixer.mix({label: 1.0})).items():
            np.testing.assert_allclose(value, merged[name], atol=1e-6, err_msg=name)


def test_no_coefficients_give_the_start_bit_for_bit(mixer, llama):
    stored = load_file(llama / "base/model.safetensors")
    for coefficients in ({}, {"recall": 0.0, "precision": 0.0}):
        mixer.mix({"recall": 0.9, "precision": 0.4})
        for name, value in weights(mixer.mix(coefficients)).items():
            assert value.tobytes() == stored[name].tobytes(), name


def test_the_model_stays_the_same_object_and_writes_what_its_weights_say(mixer):
    import torch

    ids = torch.arange(6)[None] + 4
    with torch.no_grad():
        start = mixer.mix({})(ids).logits
        soup = mixer.mix({"recall": 0.5, "precision": 0.5})(ids).logits
        assert mixer.mix({}) is mixer.model
        again = mixer.model(ids).logits
    assert torch.equal(start, again)
    assert not torch.allclose(start, soup, atol=1e-2)
    assert mixer.tokenizer.padding_side == "left"


def test_a_composed_checkpoint_holds_the_same_weights(mixer, llama, tmp_path):
    from rshub.soups.build import write_soup
    from rshub.soups.plan import Term, plan_soup
    from rshub.tensors.checkpoint import Checkpoint

    coefficients = {"recall": 0.3, "precision": 0.7}
    terms = [Term(label=name, folder=llama / name, coefficient=value) for name, value in coefficients.items()]
    plan = plan_soup(base=Checkpoint.open(llama / "base"), terms=terms)
    write_soup(plan, tmp_path, base_model="lab/base", base_revision=None)
    composed = load_file(tmp_path / "model.safetensors")
    for name, value in weights(mixer.mix(coefficients)).items():
        np.testing.assert_allclose(value, composed[name], rtol=2e-7, atol=1e-9, err_msg=name)


def test_what_is_not_loaded_or_beyond_the_limit_is_refused(mixer):
    with pytest.raises(InvalidInput, match="did you mean 'recall'"):
        mixer.mix({"recal": 1.0})
    for value in (float("nan"), float("inf"), -1e300, 1.1e9):
        with pytest.raises(InvalidInput, match="beyond 1e\\+09"):
            mixer.mix({"recall": value})


@pytest.fixture
def changed(llama, tmp_path):
    """Write a copy of an adapter with its B factors multiplied."""

    def write(label, factor):
        folder = tmp_path / f"{label} times {factor}"
        shutil.copytree(llama / label, folder)
        factors = load_file(folder / "adapter_model.safetensors")
        scaled = {name: value * np.float32(factor) if "lora_B" in name else value for name, value in factors.items()}
        save_file(scaled, folder / "adapter_model.safetensors")
        return folder

    return write


@pytest.mark.parametrize(
    ("factor", "coefficient", "why"), [(0, 0.5, "its delta is exactly zero"), (1e32, 1e9, "overflows")]
)
def test_what_the_composer_refuses_is_refused_here_and_leaves_the_start(
    llama, changed, tmp_path, factor, coefficient, why
):
    from rshub.soups.build import write_soup
    from rshub.soups.mixer import Mixer
    from rshub.soups.plan import Term, plan_soup
    from rshub.tensors.checkpoint import Checkpoint

    folder = changed("precision", factor)
    terms = [Term(label="odd", folder=folder, coefficient=coefficient)]
    (tmp_path / "soup").mkdir()
    with pytest.raises(Incompatible, match=r"zero|overflows"):
        write_soup(
            plan_soup(base=Checkpoint.open(llama / "base"), terms=terms),
            tmp_path / "soup",
            base_model="lab/base",
            base_revision=None,
        )
    mixer = Mixer(llama / "base", {"odd": folder, "recall": llama / "recall"})
    stored = load_file(llama / "base/model.safetensors")
    with pytest.raises(Incompatible, match=why):
        mixer.mix({"odd": coefficient, "recall": 0.5})
    for name, value in weights(mixer.model).items():
        assert value.tobytes() == stored[name].tobytes(), name
    mixer.mix({"odd": 0.0, "recall": 0.5})  # what counts with zero is not looked at


def test_an_adapter_that_does_not_fit_is_refused_by_name(llama, tmp_path):
    from rshub.soups.mixer import Mixer

    broken = tmp_path / "broken"
    shutil.copytree(llama / "precision", broken)
    factors = load_file(broken / "adapter_model.safetensors")
    name = next(name for name in factors if name.endswith("q_proj.lora_A.weight"))
    save_file(factors | {name: factors[name][:, :-1].copy()}, broken / "adapter_model.safetensors")
    with pytest.raises(Incompatible, match="q_proj"):
        Mixer(llama / "base", {"broken": broken})
    with pytest.raises(NotFound):
        Mixer(llama / "base", {"missing": tmp_path / "missing"})
