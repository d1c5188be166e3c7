"""PEFT as the judge of what is more than factors: it loads such adapters as they are meant, and mixes by one rule."""

import copy
import json

import numpy as np
import pytest

from tests.tiny_models import dump, load_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

TOKENS = torch.arange(20).reshape(2, 10)


@pytest.fixture(scope="module")
def qwen():
    """A model with biases in its attention and a head of its own."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = transformers.Qwen2Config(
        vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=False,
    )  # fmt: skip
    return transformers.Qwen2ForCausalLM(config).eval()


@pytest.fixture
def base(qwen, tmp_path):
    qwen.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def made_by_peft(model, folder, seed, **settings):
    """Make an adapter with PEFT, with all that it trains random."""
    torch.manual_seed(seed)
    config = peft.LoraConfig(task_type="CAUSAL_LM", **{"r": 4, "lora_alpha": 8} | settings)
    wrapped = peft.get_peft_model(copy.deepcopy(model), config)
    for values in wrapped.parameters():
        if values.requires_grad:
            values.data.add_(torch.randn_like(values) * 0.2)
    wrapped.save_pretrained(folder, save_embedding_layers=False)
    return folder


def logits(model):
    with torch.no_grad():
        return model(TOKENS).logits


def loaded(model, folder):
    """Load an adapter with PEFT; keys that it does not know are a warning there and an error here."""
    wrapped = peft.PeftModel.from_pretrained(copy.deepcopy(model), folder)
    known = set(peft.get_peft_model_state_dict(wrapped, save_embedding_layers=False))
    assert set(load_folder(folder)) <= known
    return wrapped


def same(model, pot, base, terms, **options):
    """Hold the logits of an adapter, loaded by PEFT, against those of the checkpoint of the same soup."""
    checkpoint, _ = pot.cook(base, terms, **{key: value for key, value in options.items() if key != "rank"})
    adapter, report = pot.cook(base, terms, format="adapter", **options)
    want = logits(transformers.AutoModelForCausalLM.from_pretrained(checkpoint))
    assert torch.allclose(logits(loaded(model, adapter)), want, atol=2e-5)
    assert (want - logits(model)).abs().max() > 0.01
    return adapter, report


def test_saved_modules_and_biases_are_loaded_as_they_were_mixed(qwen, base, pot, tmp_path):
    targets = ["q_proj", "v_proj"]
    whole = made_by_peft(qwen, tmp_path / "a", 1, target_modules=targets, modules_to_save=["lm_head", "embed_tokens"])
    biased = made_by_peft(qwen, tmp_path / "b", 2, target_modules=["q_proj", "down_proj"], bias="lora_only")
    everywhere = made_by_peft(qwen, tmp_path / "c", 3, target_modules=["o_proj"], bias="all")
    adapter, _ = same(qwen, pot, base, [(whole, 0.5), (biased, -0.3)])
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["modules_to_save"] == ["embed_tokens", "lm_head"]
    assert config["bias"] == "lora_only"
    adapter, _ = same(qwen, pot, base, [(whole, 0.25), (biased, 0.5), (everywhere, 0.4)])
    assert json.loads((adapter / "adapter_config.json").read_text())["bias"] == "all"


def test_token_rows_become_a_saved_embedding(qwen, base, pot, tmp_path):
    rows = made_by_peft(
        qwen, tmp_path / "a", 1, target_modules=["q_proj"], trainable_token_indices={"embed_tokens": [3, 7, 11]}
    )
    other = made_by_peft(qwen, tmp_path / "b", 2, target_modules=["q_proj", "embed_tokens"])
    adapter, _ = same(qwen, pot, base, [(rows, 0.5), (other, 0.5)])
    assert json.loads((adapter / "adapter_config.json").read_text())["modules_to_save"] == ["embed_tokens"]


def test_whole_models_and_other_methods_are_loaded_as_they_were_cut(qwen, base, pot, tmp_path):
    rng = np.random.default_rng(4)
    tensors = load_folder(base)
    matrices = {name: values for name, values in tensors.items() if values.ndim == 2}
    moved = {
        name: values + 0.05 * rng.standard_normal(values.shape).astype(np.float32) for name, values in matrices.items()
    }
    (tmp_path / "full").mkdir()
    dump(tmp_path / "full" / "model.safetensors", {**tensors, **moved})
    (tmp_path / "full" / "config.json").write_text((base / "config.json").read_text())
    expert = made_by_peft(qwen, tmp_path / "a", 1, target_modules="all-linear")
    for options in ({}, {"method": "ties"}, {"method": "dare", "seed": 3}):
        _, report = same(qwen, pot, base, [(tmp_path / "full", 0.5), (expert, 0.5)], rank=16, **options)
        assert report.figures["rank"]["lost_energy"] < 1e-3


def test_layers_stored_the_other_way_are_cut_the_right_way(pot, tmp_path):
    torch.manual_seed(1)
    config = transformers.GPT2Config(vocab_size=40, n_embd=16, n_layer=1, n_head=2, n_positions=32)
    gpt2 = transformers.GPT2LMHeadModel(config).eval()
    gpt2.save_pretrained(tmp_path / "base")
    moved = copy.deepcopy(gpt2)
    for name, values in moved.named_parameters():
        if ".c_" in name and name.endswith("weight"):
            values.data.add_(torch.randn_like(values) * 0.1)
    moved.save_pretrained(tmp_path / "full")
    same(gpt2, pot, tmp_path / "base", [(tmp_path / "full", 0.5)], rank=16)


@pytest.mark.parametrize("density", [0.2, 0.5, 0.9])
def test_with_equal_coefficients_ties_is_what_peft_defines(qwen, base, pot, tmp_path, density):
    from peft.utils.merge_utils import ties

    theta = load_folder(base)
    experts = [
        made_by_peft(qwen, tmp_path / str(n), n, target_modules=["q_proj", "up_proj"], r=2 + n) for n in range(3)
    ]
    alone = [pot.checkpoint(base, [(expert, 1.0)], dtype="float32") for expert in experts]
    got = pot.checkpoint(base, [(expert, 0.4) for expert in experts], method="ties", density=density)
    for name in [name for name in theta if "q_proj.weight" in name or "up_proj.weight" in name]:
        deltas = [torch.tensor(each[name].astype(np.float64) - theta[name]) for each in alone]
        want = ties(deltas, torch.tensor([1.2, 1.2, 1.2], dtype=torch.float64), density).numpy()
        np.testing.assert_allclose(got[name] - theta[name].astype(np.float64), want, atol=2e-6)


def test_dare_drops_and_rescales_as_peft_does(qwen, base, pot, tmp_path):
    from peft.utils.merge_utils import dare_linear

    theta = load_folder(base)
    experts = [made_by_peft(qwen, tmp_path / str(n), n, target_modules=["up_proj"]) for n in range(2)]
    names = [name for name in theta if "up_proj" in name]
    alone = [pot.checkpoint(base, [(expert, 1.0)]) for expert in experts]
    weights = torch.tensor([0.7, -0.4], dtype=torch.float64)
    terms = list(zip(experts, weights.tolist(), strict=True))
    got = pot.checkpoint(base, terms, method="dare", density=1.0)
    mean = {name: np.zeros(theta[name].shape) for name in names}
    for name in names:
        deltas = [torch.tensor(each[name].astype(np.float64) - theta[name]) for each in alone]
        want = dare_linear(deltas, weights, 1.0).numpy()
        np.testing.assert_allclose(got[name] - theta[name].astype(np.float64), want, atol=2e-6)
    for seed in range(40):
        thinned = pot.checkpoint(base, terms[:1], method="dare", density=0.5, seed=seed)
        torch.manual_seed(seed)
        for name in names:
            delta = alone[0][name].astype(np.float64) - theta[name]
            ours = thinned[name] - theta[name].astype(np.float64)
            theirs = dare_linear([torch.tensor(delta)], weights[:1], 0.5).numpy()
            kept = (np.abs(ours) > 1e-7) & (theirs != 0)
            np.testing.assert_allclose(ours[kept], theirs[kept], atol=2e-6)
            mean[name] += ours / 40
    for name in names:
        delta = 0.7 * (alone[0][name].astype(np.float64) - theta[name])
        assert np.linalg.norm(mean[name] - delta) < 0.25 * np.linalg.norm(delta)
