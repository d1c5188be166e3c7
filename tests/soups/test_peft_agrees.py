"""PEFT as the judge: adapters that PEFT made, merged by PEFT, and soups that PEFT loads."""

import copy
import json

import numpy as np
import pytest

from tests.tiny_models import load_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

CASES = {
    "plain": {"target_modules": ["q_proj", "v_proj"]},
    "all linear, rsLoRA": {"target_modules": "all-linear", "use_rslora": True, "lora_alpha": 5},
    "a regular expression": {"target_modules": r".*layers\.0\..*(up|down)_proj", "r": 3},
    "patterns": {
        "target_modules": ["q_proj", "o_proj", "down_proj"],
        "rank_pattern": {"down_proj": 6, "layers.0.self_attn.q_proj": 1, "^model.layers.1.self_attn.o_proj": 5},
        "alpha_pattern": {"layers.1.self_attn.q_proj": 32, "o_proj": 2},
    },
    "some layers": {"target_modules": ["gate_proj"], "layers_to_transform": [1]},
    "gaussian": {"target_modules": ["k_proj"], "init_lora_weights": "gaussian", "lora_dropout": 0.1},
    "orthogonal": {"target_modules": ["k_proj"], "init_lora_weights": "orthogonal"},
    "excluded": {"target_modules": ["q_proj", "k_proj"], "exclude_modules": ["layers.0.self_attn.q_proj"]},
    "the head": {"target_modules": ["lm_head", "embed_tokens", "q_proj"]},
}


@pytest.fixture(scope="module")
def llama():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = transformers.LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=False,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def gpt2():
    torch.manual_seed(1)
    config = transformers.GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=32)
    return transformers.GPT2LMHeadModel(config).eval()


def made_by_peft(model, folder, seed, **settings):
    """Make an adapter with PEFT, with every factor random."""
    torch.manual_seed(seed)
    config = peft.LoraConfig(task_type="CAUSAL_LM", **{"r": 4, "lora_alpha": 8} | settings)
    wrapped = peft.get_peft_model(copy.deepcopy(model), config)
    for name, values in wrapped.named_parameters():
        if "lora_" in name:
            values.data.normal_(0, 0.2)
    wrapped.save_pretrained(folder, save_embedding_layers=False)
    return folder


def merged_by_peft(model, folder):
    merged = peft.PeftModel.from_pretrained(copy.deepcopy(model), folder).merge_and_unload()
    return {name: values.detach().numpy() for name, values in merged.state_dict().items()}


def close(got, want, tolerance=2e-6):
    for name, values in got.items():
        np.testing.assert_allclose(values, want[name], rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_one_expert_is_what_peft_merges(llama, pot, tmp_path, case):
    base = tmp_path / "base"
    llama.save_pretrained(base)
    expert = made_by_peft(llama, tmp_path / "expert", 3, **CASES[case])
    want = merged_by_peft(llama, expert)
    close(pot.checkpoint(base, [(expert, 1.0)]), want)
    out, _ = pot.cook(base, [(expert, 1.0)], format="adapter")
    close({name: want[name] for name in load_folder(base)}, merged_by_peft(llama, out))


def test_many_experts_are_what_peft_concatenates(llama, pot, tmp_path):
    base = tmp_path / "base"
    llama.save_pretrained(base)
    targets = ["q_proj", "up_proj"]
    experts = [made_by_peft(llama, tmp_path / str(n), n, target_modules=targets, r=2 + n) for n in range(3)]
    weights = [0.6, -0.3, 1.1]
    model = peft.PeftModel.from_pretrained(copy.deepcopy(llama), experts[0], adapter_name="0")
    for number in (1, 2):
        model.load_adapter(experts[number], adapter_name=str(number))
    model.add_weighted_adapter(["0", "1", "2"], weights, adapter_name="soup", combination_type="cat")
    model.set_adapter("soup")
    want = {name: values.detach().numpy() for name, values in model.merge_and_unload().state_dict().items()}
    close(pot.checkpoint(base, list(zip(experts, weights, strict=True))), want)


def test_an_adapter_soup_gives_the_logits_of_the_checkpoint_soup(llama, pot, tmp_path):
    base = tmp_path / "base"
    llama.save_pretrained(base)
    names = list(CASES)
    terms = [
        (made_by_peft(llama, tmp_path / str(n), n, **CASES[name]), weight)
        for n, (name, weight) in enumerate(zip(names, (0.4, -0.2, 0.3, 0.5, 0.1, -0.7, 0.2, 0.9, 0.3), strict=True))
    ]
    checkpoint, _ = pot.cook(base, terms)
    adapter, _ = pot.cook(base, terms, format="adapter", pad_rank=48)
    tokens = torch.arange(20).reshape(2, 10)
    with torch.no_grad():
        whole = transformers.AutoModelForCausalLM.from_pretrained(checkpoint)(tokens).logits
        loaded = peft.PeftModel.from_pretrained(copy.deepcopy(llama), adapter)(tokens).logits
        plain = llama(tokens).logits
    assert torch.allclose(whole, loaded, atol=1e-5)
    assert (whole - plain).abs().max() > 0.01


def test_only_the_changed_modules_get_an_adapter_when_peft_loads(llama, pot, tmp_path):
    base = tmp_path / "base"
    llama.save_pretrained(base)
    expert = made_by_peft(llama, tmp_path / "expert", 3, target_modules=r"model\.layers\.1\.self_attn\.(q|v)_proj")
    out, _ = pot.cook(base, [(expert, 0.5)], format="adapter")
    assert json.loads((out / "adapter_config.json").read_text())["target_modules"] == [
        "model.layers.1.self_attn.q_proj",
        "model.layers.1.self_attn.v_proj",
    ]
    loaded = peft.PeftModel.from_pretrained(copy.deepcopy(llama), out)
    wrapped = {name for name, module in loaded.named_modules() if isinstance(module, peft.tuners.lora.LoraLayer)}
    assert wrapped == {f"base_model.model.model.layers.1.self_attn.{side}_proj" for side in "qv"}


@pytest.mark.parametrize("targets", [["c_attn"], ["c_proj"], ["c_attn", "c_proj", "c_fc"]])
def test_transposed_layers_are_what_peft_merges(gpt2, pot, tmp_path, targets):
    base = tmp_path / "base"
    gpt2.save_pretrained(base)
    expert = made_by_peft(gpt2, tmp_path / "expert", 5, target_modules=targets, fan_in_fan_out=True)
    want = merged_by_peft(gpt2, expert)
    got = pot.checkpoint(base, [(expert, 1.0)])
    close(got, want)
    out, _ = pot.cook(base, [(expert, 1.0)], format="adapter")
    close(got, merged_by_peft(gpt2, out))


def test_transposed_layers_are_found_without_the_flag(gpt2, pot, tmp_path):
    base = tmp_path / "base"
    gpt2.save_pretrained(base)
    expert = made_by_peft(gpt2, tmp_path / "expert", 5, target_modules=["c_attn"])
    close(pot.checkpoint(base, [(expert, 1.0)]), merged_by_peft(gpt2, expert))


def test_a_body_without_its_name_is_found(gpt2, pot, tmp_path):
    base = tmp_path / "base"
    gpt2.transformer.save_pretrained(base)
    expert = made_by_peft(gpt2, tmp_path / "expert", 5, target_modules=["c_attn"], fan_in_fan_out=True)
    want = merged_by_peft(gpt2, expert)
    got = pot.checkpoint(base, [(expert, 1.0)])
    close(got, {name.removeprefix("transformer."): values for name, values in want.items()})
    out, _ = pot.cook(base, [(expert, 1.0)], format="adapter")
    close(got, {k.removeprefix("transformer."): v for k, v in merged_by_peft(gpt2, out).items()})


def test_patterns_are_matched_as_peft_matches_them():
    from peft.utils.other import get_pattern_key

    from rshub.deltas.peft_config import matches

    modules = [
        "model.layers.0.q_proj", "layers.0.q_proj", "q_proj", "model.layersX0.q_proj", "model.layers.10.q_proj",
        "xq_proj",
    ]  # fmt: skip
    patterns = [
        "q_proj", "layers.0.q_proj", "^layers.0.q_proj", "^q_proj", r"layers\.0\.q_proj", "0.q_proj", "q_proj$", "proj",
        "model.layers.0.q_proj", ".q_proj", "l.yers.0.q_proj", "model", "model.layers.0.q_proj.x",
    ]  # fmt: skip
    for module in modules:
        for pattern in patterns:
            found = get_pattern_key([pattern], module) == pattern
            assert matches(pattern, module) == found, (pattern, module)
