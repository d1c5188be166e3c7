"""The Mixer on a small Llama: against a dense float64 model, PEFT, each row alone, and the exact composer's files."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rshub.errors import Incompatible, InvalidInput, NotFound
from tests.soups.mixing.mixer_llama import PREFIX, dense, logits, tokens, weights

SOUPS = (
    {"recall": 1.0},
    {"recall": 0.3, "precision": 0.7},
    {"recall": 0.5, "precision": 0.2},
    {"recall": -0.5, "precision": 1.5},
    {"precision": -1.0},
)

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # PEFT's own call


@pytest.fixture
def mixer(llama):
    from rshub.soups.mixing.mixer import Mixer

    with Mixer(llama / "base", {name: llama / name for name in ("recall", "precision")}) as made:
        yield made


@pytest.fixture(scope="module")
def reference(llama):
    """Logits of the dense model of a mixture, worked out in float64 throughout."""
    import torch
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(llama / "base", dtype=torch.float64).eval()

    def logits(coefficients, batch):
        tensors = {name: torch.from_numpy(value) for name, value in dense(llama, coefficients).items()}
        model.load_state_dict(tensors, strict=False)
        with torch.no_grad():
            return model(batch).logits.numpy()

    return logits


@pytest.mark.parametrize("coefficients", SOUPS)
def test_logits_are_those_of_the_dense_model(mixer, reference, coefficients):
    mixer.mix({"recall": 5.0, "precision": -3.0})  # whatever was mixed before
    batch = tokens(3)
    expected = reference(coefficients, batch)
    np.testing.assert_allclose(logits(mixer.mix(coefficients), batch), expected, rtol=1e-4, atol=2e-6)
    with mixer.merged(coefficients) as model:
        np.testing.assert_allclose(logits(model, batch), expected, rtol=1e-4, atol=2e-6)


def test_each_row_is_what_it_is_alone(mixer, reference):
    batch = tokens(len(SOUPS))
    together = logits(mixer.mix_rows(SOUPS), batch)
    for number, coefficients in enumerate(SOUPS):
        alone = batch[number : number + 1]
        np.testing.assert_allclose(together[number], reference(coefficients, alone)[0], rtol=1e-4, atol=2e-6)
        np.testing.assert_allclose(together[number], logits(mixer.mix(coefficients), alone)[0], rtol=1e-4, atol=2e-6)
        mixer.mix_rows(SOUPS)
    zero = logits(mixer.mix_rows([{}, {"recall": 1.0}, {}]), tokens(3))
    base = logits(mixer.mix({}), tokens(3))
    np.testing.assert_array_equal(zero[[0, 2]], base[[0, 2]])
    assert abs(zero[1] - base[1]).max() > 1e-2


@pytest.mark.parametrize("options", [{}, {"num_beams": 3, "num_return_sequences": 2}])
def test_each_row_generates_what_it_generates_alone(mixer, options):
    """Greedy, and with beams, which repeat the rows; the prompts have different lengths and are padded."""
    import torch

    prompts = ["the name is", "food", "the area is near the"]
    soups = [{"recall": 1.0}, {"recall": 0.4, "precision": 0.9}, {}]
    settings = {"max_new_tokens": 10, "do_sample": False, "pad_token_id": mixer.tokenizer.pad_token_id, **options}

    def written(model, texts):
        encoded = mixer.tokenizer(texts, return_tensors="pt", padding=True)
        with torch.inference_mode():
            ids = model.generate(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"], **settings)
        return mixer.tokenizer.batch_decode(ids[:, encoded["input_ids"].shape[1] :])

    together = written(mixer.mix_rows(soups), prompts)
    each = options.get("num_return_sequences", 1)
    alone = [text for prompt, soup in zip(prompts, soups, strict=True) for text in written(mixer.mix(soup), [prompt])]

    def plain(texts):
        return [text.split("<pad>")[0] for text in texts]

    assert len(together) == len(alone) == 3 * each
    assert plain(together) == plain(alone)
    assert plain(together) != plain(written(mixer.mix({}), prompts))


def test_samples_of_one_prompt_share_its_coefficients(mixer):
    """A batch of twice the rows: each mixture counts for two rows that follow each other."""
    batch = tokens(4)
    together = logits(mixer.mix_rows([{"recall": 1.0}, {"precision": 1.0}]), batch)
    for rows, soup in ((slice(0, 2), {"recall": 1.0}), (slice(2, 4), {"precision": 1.0})):
        np.testing.assert_allclose(together[rows], logits(mixer.mix(soup), batch)[rows], rtol=1e-4, atol=1e-6)


def test_a_batch_of_another_size_is_refused(mixer):
    mixer.mix_rows([{"recall": 1.0}, {"precision": 1.0}])
    with pytest.raises(InvalidInput, match=r"q_proj works on \[3, 9, 5\], which is no batch of 2 rows"):
        logits(mixer.model, tokens(3))
    with pytest.raises(InvalidInput, match="there are no rows"):
        mixer.mix_rows([])


@pytest.mark.parametrize("coefficients", SOUPS)
def test_merged_weights_are_the_exact_sum_rounded_once(mixer, llama, coefficients):
    mixer.mix({"recall": 5.0, "precision": -3.0})  # whatever was mixed before
    expected = dense(llama, coefficients)
    with mixer.merged(coefficients) as model:
        mixed = weights(model)
        assert mixed.keys() == expected.keys()
        for name, value in mixed.items():
            np.testing.assert_array_equal(value, expected[name].astype(np.float32), err_msg=name)


def test_one_expert_alone_is_what_peft_makes_of_it(mixer, llama):
    import torch
    from peft import PeftModel
    from transformers import LlamaForCausalLM

    batch = tokens(2)
    for label in ("recall", "precision"):
        adapted = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(llama / "base"), llama / label).eval()
        np.testing.assert_allclose(logits(mixer.mix({label: 1.0}), batch), logits(adapted, batch), rtol=1e-4, atol=1e-6)
        with torch.no_grad():
            merged = weights(adapted.merge_and_unload())
        with mixer.merged({label: 1.0}) as model:
            for name, value in weights(model).items():
                np.testing.assert_allclose(value, merged[name], atol=1e-6, err_msg=name)


def test_the_base_stays_what_it_is_bit_for_bit(llama):
    from transformers import LlamaForCausalLM

    from rshub.soups.mixing.mixer import Mixer

    stored = load_file(llama / "base/model.safetensors")
    batch = tokens(2)
    expected = logits(LlamaForCausalLM.from_pretrained(llama / "base").eval(), batch)
    mixer = Mixer(llama / "base", {"recall": llama / "recall", "precision": llama / "precision"})

    def is_the_base():
        for name, value in weights(mixer.model).items():
            assert value.tobytes() == stored[name].tobytes(), name
        return np.array_equal(logits(mixer.model, batch), expected)

    for coefficients in ({}, {"recall": 0.0, "precision": 0.0}):
        mixer.mix({"recall": 0.9, "precision": 0.4})
        assert not is_the_base()  # its weights are; what it says is not
        mixer.mix(coefficients)
        assert is_the_base()
    mixer.mix_rows([{"recall": 0.9}, {}])
    with pytest.raises(ZeroDivisionError), mixer.merged({"recall": 1.0}):
        assert weights(mixer.model)["model.layers.0.self_attn.q_proj.weight"].tobytes() not in {
            value.tobytes() for value in stored.values()
        }
        raise ZeroDivisionError
    assert np.abs(logits(mixer.model, batch)[0] - expected[0]).max() > 1e-2  # what was mixed before counts again
    with mixer.merged({"recall": 1.0}):
        mixer.mix({})  # ends the merging
        assert is_the_base()
    with mixer.merged({"recall": 1.0}):
        mixer.close()
        mixer.close()
    assert is_the_base()
    assert not any(module._forward_hooks or module._state_dict_pre_hooks for module in mixer.model.modules())
    with pytest.raises(InvalidInput, match="closed"):
        mixer.mix({"recall": 1.0})


def test_a_mixture_is_saved_only_when_it_is_merged(mixer, llama, tmp_path):
    expected = dense(llama, {"recall": 0.5})
    mixer.mix({"recall": 0.5})
    with pytest.raises(InvalidInput, match="beside the model's weights"):
        mixer.model.save_pretrained(tmp_path / "no")
    with mixer.merged({"recall": 0.5}) as model:
        model.save_pretrained(tmp_path / "yes")
    for name, value in load_file(tmp_path / "yes/model.safetensors").items():
        np.testing.assert_array_equal(value, expected[name].astype(np.float32), err_msg=name)


def test_beside_16_bits_experts_are_not_rounded(llama, reference):
    """What a model of 16 bits says is as near to the float64 one as when its weights were merged and rounded to 16."""
    import torch

    from rshub.soups.mixing.mixer import Mixer

    batch, soup = tokens(8), {"recall": 0.3, "precision": 0.7}
    expected = reference(soup, batch)
    with Mixer(llama / "base", {name: llama / name for name in soup}, dtype="bfloat16") as mixer:
        assert mixer.mix(soup).dtype == torch.bfloat16
        beside = np.abs(logits(mixer.model, batch) - expected).mean()
        with mixer.merged(soup) as model:
            assert model.dtype == torch.bfloat16
            merged = np.abs(logits(model, batch) - expected).mean()
    assert beside < 1.1 * merged


def test_the_start_that_experts_continue_is_one_more_label(llama, reference):
    """Anchored: theta_init + sum lambda_i (theta_i - theta_init), with the start counting 1 - sum lambda."""
    from rshub.soups.mixing.mixer import Mixer

    with Mixer(llama / "base", {"init": llama / "precision", "recall": llama / "recall"}) as mixer:
        rows = [{"recall": share, "init": 1 - share} for share in (0.0, 0.5, 1.5)]
        together = logits(mixer.mix_rows(rows), tokens(3))
    for number, share in enumerate((0.0, 0.5, 1.5)):
        expected = reference({"recall": share, "precision": 1 - share}, tokens(3))
        np.testing.assert_allclose(together[number], expected[number], rtol=1e-4, atol=2e-6)


def test_a_head_that_is_the_embedding_changes_only_where_the_expert_changes_it(llama, tmp_path):
    """Factors of the embedding leave the head alone, as in PEFT; a whole tied model had both as one tensor."""
    import torch
    from peft import PeftModel
    from transformers import LlamaForCausalLM

    from rshub.soups.mixing.mixer import Mixer

    rng = np.random.default_rng(8)
    stored = load_file(llama / "base/model.safetensors")
    name = "model.embed_tokens.weight"
    words, width = stored[name].shape
    shutil.copytree(llama / "precision", tmp_path / "words")
    config = json.loads((tmp_path / "words/adapter_config.json").read_text())
    config |= {"target_modules": ["embed_tokens"], "r": 2, "lora_alpha": 2}
    (tmp_path / "words/adapter_config.json").write_text(json.dumps(config))
    factors = {"A": rng.standard_normal((2, words)) * 0.1, "B": rng.standard_normal((width, 2)) * 0.1}
    save_file(
        {f"{PREFIX}model.embed_tokens.lora_embedding_{side}": v.astype(np.float32) for side, v in factors.items()},
        tmp_path / "words/adapter_model.safetensors",
    )
    shutil.copytree(llama / "base", tmp_path / "whole")
    moved = stored[name] + (rng.standard_normal((words, width)) * 0.02).astype(np.float32)
    save_file(stored | {name: moved}, tmp_path / "whole/model.safetensors", metadata={"format": "pt"})

    batch = tokens(2)
    base = LlamaForCausalLM.from_pretrained(llama / "base")
    with pytest.warns(UserWarning, match="tied layer is part of the adapter"):
        adapted = logits(PeftModel.from_pretrained(base, tmp_path / "words").eval(), batch)
    whole = logits(LlamaForCausalLM.from_pretrained(tmp_path / "whole").eval(), batch)
    with Mixer(llama / "base", {label: tmp_path / label for label in ("words", "whole")}) as mixer:
        for label, expected in (("words", adapted), ("whole", whole)):
            np.testing.assert_allclose(logits(mixer.mix({label: 1.0}), batch), expected, rtol=1e-4, atol=1e-6)
            with mixer.merged({label: 1.0}) as model:
                np.testing.assert_allclose(logits(model, batch), expected, rtol=1e-4, atol=1e-6)
        mixer.mix({})
        assert mixer.model.lm_head.weight is mixer.model.model.embed_tokens.weight
        assert torch.equal(mixer.model.lm_head.weight, torch.from_numpy(stored[name]))


def test_a_composed_checkpoint_holds_the_same_weights(mixer, llama, tmp_path):
    from rshub.soups.plan import Term, plan_soup
    from rshub.soups.writing.build import write_soup
    from rshub.tensors.checkpoint import Checkpoint

    coefficients = {"recall": 0.3, "precision": 0.7}
    terms = [Term(label=name, folder=llama / name, coefficient=value) for name, value in coefficients.items()]
    plan = plan_soup(base=Checkpoint.open(llama / "base"), terms=terms)
    write_soup(plan, tmp_path, base_model="lab/base", base_revision=None)
    composed = load_file(tmp_path / "model.safetensors")
    with mixer.merged(coefficients) as model:
        for name, value in weights(model).items():
            np.testing.assert_allclose(value, composed[name], rtol=2e-7, atol=1e-9, err_msg=name)


def test_what_is_not_loaded_or_beyond_the_limit_is_refused(mixer, llama):
    from rshub.soups.mixing.mixer import Mixer

    for mix in (mixer.mix, lambda soup: mixer.mix_rows([{}, soup]), lambda soup: mixer.merged(soup).__enter__()):
        with pytest.raises(InvalidInput, match="did you mean 'recall'"):
            mix({"recal": 1.0})
        for value in (float("nan"), float("inf"), -1e300, 1.1e9):
            with pytest.raises(InvalidInput, match="beyond 1e\\+09"):
                mix({"recall": value})
    with pytest.raises(InvalidInput, match="the dtype 'int8'"):
        Mixer(llama / "base", {}, dtype="int8")


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
    from rshub.soups.mixing.mixer import Mixer
    from rshub.soups.plan import Term, plan_soup
    from rshub.soups.writing.build import write_soup
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
    base = logits(mixer.model, tokens(2))
    stored = load_file(llama / "base/model.safetensors")
    soup = {"odd": coefficient, "recall": 0.5}
    for mix in (mixer.mix, lambda soup: mixer.mix_rows([{}, soup]), lambda soup: mixer.merged(soup).__enter__()):
        with pytest.raises(Incompatible, match=why):
            mix(soup)
        np.testing.assert_array_equal(logits(mixer.model, tokens(2)), base)
        for name, value in weights(mixer.model).items():
            assert value.tobytes() == stored[name].tobytes(), name
    mixer.mix({"odd": 0.0, "recall": 0.5})  # what counts with zero is not looked at
    assert np.isfinite(logits(mixer.model, tokens(2))).all()


def test_an_adapter_that_does_not_fit_is_refused_by_name(llama, tmp_path):
    from rshub.soups.mixing.mixer import Mixer

    broken = tmp_path / "broken"
    shutil.copytree(llama / "precision", broken)
    factors = load_file(broken / "adapter_model.safetensors")
    name = next(name for name in factors if name.endswith("q_proj.lora_A.weight"))
    save_file(factors | {name: factors[name][:, :-1].copy()}, broken / "adapter_model.safetensors")
    with pytest.raises(Incompatible, match="q_proj"):
        Mixer(llama / "base", {"broken": broken})
    with pytest.raises(NotFound):
        Mixer(llama / "base", {"missing": tmp_path / "missing"})
