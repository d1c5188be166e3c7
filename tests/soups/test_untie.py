"""Tied heads: one tensor where experts change both sides alike, two where they do not; dense float64 references."""

import json

import numpy as np
import pytest

from rshub.errors import Incompatible
from rshub.tensors.checkpoint import Checkpoint
from tests.tiny_models import DTYPES, SHAPES, dump, load, load_folder

WORDS, HEAD = "model.embed_tokens.weight", "lm_head.weight"
TIED = {name: shape for name, shape in SHAPES.items() if name != HEAD}
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "tie_word_embeddings": True, "vocab_size": 23}
QUERY = "model.layers.0.self_attn.q_proj"


@pytest.fixture
def base(tiny):
    return lambda **options: tiny.base(**{"shapes": TIED, "config": CONFIG, **options})


@pytest.fixture
def expert(tiny):
    """Write an adapter of given tensors, with a plain LoRA on one layer beside them."""

    def write(tensors, seed=1, **config):
        made = tiny.adapter(modules=[QUERY], rank=2, alpha=2, seed=seed, config=config)
        weights = made.folder / "adapter_model.safetensors"
        whole = load(weights) | {f"base_model.model.{name}": values for name, values in tensors.items()}
        dump(weights, whole, {"format": "pt"})
        return made

    return write


def draw(shape, seed):
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def on_words(seed):
    """Give factors of a LoRA on the embedding and the delta that they make."""
    a, b = draw((2, 23), seed), draw((12, 2), seed + 1)
    tensors = {"model.embed_tokens.lora_embedding_A": a, "model.embed_tokens.lora_embedding_B": b}
    return tensors, (b.astype(np.float64) @ a.astype(np.float64)).T


def on_head(seed):
    a, b = draw((2, 12), seed), draw((23, 2), seed + 1)
    return {"lm_head.lora_A.weight": a, "lm_head.lora_B.weight": b}, b.astype(np.float64) @ a.astype(np.float64)


def same_on_both(seed):
    """Give factors as PEFT saves them when it keeps the two tied."""
    tensors, delta = on_words(seed)
    a, b = tensors["model.embed_tokens.lora_embedding_A"], tensors["model.embed_tokens.lora_embedding_B"]
    return tensors | {"lm_head.lora_A.weight": b.T.copy(), "lm_head.lora_B.weight": a.T.copy()}, delta


def close(found, wanted):
    np.testing.assert_allclose(found.astype(np.float64), wanted, rtol=0, atol=2e-6)


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


def untied(report):
    return [warning for warning in report.figures["warnings"] if "untied" in warning]


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("layout", ["base", "split"])
def test_factors_on_one_side_take_the_two_apart(pot, base, expert, shards, layout):
    folder = base(shards=shards)
    theta = load_folder(folder)[WORDS].astype(np.float64)
    for tensors, delta, side in ((*on_words(5), WORDS), (*on_head(7), HEAD)):
        out, report = pot.cook(folder, [(expert(tensors), 0.6)], layout=layout)
        found = load_folder(out)
        assert set(found) == {*TIED, HEAD}
        other = WORDS if side == HEAD else HEAD
        close(found[side], theta + 0.6 * delta)
        np.testing.assert_array_equal(found[other], load_folder(folder)[WORDS])
        assert config_of(out)["tie_word_embeddings"] is False
        assert len(untied(report)) == 1
        assert HEAD in untied(report)[0]
        Checkpoint.open(out)
        indices = list(out.glob("*.index.json"))
        assert len(indices) == (shards > 1 or layout == "split")
        for index in indices:
            told = json.loads(index.read_text())
            assert set(told["weight_map"]) == {*TIED, HEAD}
            assert told["metadata"]["total_size"] == sum(values.nbytes for values in found.values())
            assert all(name in load(out / shard) for name, shard in told["weight_map"].items())


def test_factors_on_both_sides_are_mixed_apart(pot, base, expert):
    folder = base()
    theta = load_folder(folder)[WORDS].astype(np.float64)
    (one, d_words), (two, d_head) = on_words(1), on_head(3)
    experts = [(expert(one | two, seed=1), 0.7), (expert(one, seed=2), 0.4)]
    out, report = pot.cook(folder, experts)
    close(load_folder(out)[WORDS], theta + 1.1 * d_words)
    close(load_folder(out)[HEAD], theta + 0.7 * d_head)
    assert untied(report)


@pytest.mark.parametrize("shards", [1, 2])
def test_what_is_the_same_on_both_sides_stays_one_tensor(pot, base, expert, shards):
    folder = base(shards=shards)
    theta = load_folder(folder)[WORDS].astype(np.float64)
    (one, d_one), (two, d_two) = same_on_both(1), same_on_both(5)
    out, report = pot.cook(folder, [(expert(one, seed=1), 0.7), (expert(two, seed=2), 0.4)])
    found = load_folder(out)
    assert set(found) == set(TIED)
    close(found[WORDS], theta + 0.7 * d_one + 0.4 * d_two)
    assert config_of(out) == CONFIG
    assert not untied(report)
    assert report.figures["touched"]["tensors"] == 2
    two["lm_head.lora_B.weight"] = two["lm_head.lora_B.weight"].copy()
    two["lm_head.lora_B.weight"][3, 1] += 1e-6
    out, report = pot.cook(folder, [(expert(one, seed=1), 0.7), (expert(two, seed=2), 0.4)])
    assert set(load_folder(out)) == {*TIED, HEAD}
    assert untied(report)


def test_modules_saved_whole_stay_tied_only_when_they_are_equal(pot, base, expert):
    folder = base()
    theta = load_folder(folder)[WORDS].astype(np.float64)
    words, head = draw((23, 12), 3), draw((23, 12), 4)
    saved = {"modules_to_save": ["embed_tokens", "lm_head"]}
    out, _ = pot.cook(folder, [(expert({WORDS: words, HEAD: words}, **saved), 0.5)])
    assert set(load_folder(out)) == set(TIED)
    close(load_folder(out)[WORDS], theta + 0.5 * (words - theta))
    out, report = pot.cook(folder, [(expert({WORDS: words, HEAD: head}, **saved), 0.5)])
    close(load_folder(out)[WORDS], theta + 0.5 * (words - theta))
    close(load_folder(out)[HEAD], theta + 0.5 * (head - theta))
    assert untied(report)
    out, _ = pot.cook(folder, [(expert({WORDS: words}, modules_to_save=["embed_tokens"]), 1.0)])
    close(load_folder(out)[WORDS], words)
    close(load_folder(out)[HEAD], theta)


def test_trained_token_rows_of_a_tied_embedding_are_rows_of_its_head(pot, base, expert):
    folder = base()
    rows = draw((2, 12), 9)
    tensors = {"model.embed_tokens.token_adapter.trainable_tokens_delta": rows}
    out, report = pot.cook(folder, [(expert(tensors, trainable_token_indices=[4, 20]), 1.0)])
    found = load_folder(out)
    assert set(found) == set(TIED)
    wanted = load_folder(folder)[WORDS].copy()
    wanted[[4, 20]] = rows
    np.testing.assert_array_equal(found[WORDS], wanted)
    assert not untied(report)
    other = {**tensors, "lm_head.token_adapter.trainable_tokens_delta": rows}
    indices = {"embed_tokens": [4, 20], "lm_head": [5, 20]}
    out, _ = pot.cook(folder, [(expert(other, trainable_token_indices=indices), 1.0)])
    head = load_folder(folder)[WORDS].copy()
    head[[5, 20]] = rows
    np.testing.assert_array_equal(load_folder(out)[HEAD], head)
    np.testing.assert_array_equal(load_folder(out)[WORDS], wanted)


def test_an_untied_head_follows_the_dtype_and_the_levels_of_the_config(pot, base, expert):
    config = CONFIG | {"text_config": {"hidden_size": 12, "tie_word_embeddings": True}, "torch_dtype": "float32"}
    folder = base(config=config, shards=2, seed=4)
    theta = load_folder(folder)[WORDS].astype(np.float64)
    tensors, delta = on_head(7)
    out, _ = pot.cook(folder, [(expert(tensors), 1.0)], dtype="bfloat16")
    found = load_folder(out)
    assert found[HEAD].dtype == DTYPES["BF16"]
    np.testing.assert_array_equal(found[WORDS], theta.astype(np.float32).astype(DTYPES["BF16"]))
    np.testing.assert_allclose(found[HEAD].astype(np.float64), theta + delta, rtol=2**-8, atol=0)
    told = config_of(out)
    assert told["torch_dtype"] == "bfloat16"
    assert told["tie_word_embeddings"] is False
    assert told["text_config"] == {"hidden_size": 12, "tie_word_embeddings": False}


def test_a_head_that_is_stored_twice_is_said_to_be_its_own(pot, base, expert):
    words = draw((23, 12), 1)
    folder = base(extra={WORDS: words, HEAD: words})
    tensors, delta = on_words(5)
    out, report = pot.cook(folder, [(expert(tensors), 1.0)])
    close(load_folder(out)[WORDS], words + delta)
    np.testing.assert_array_equal(load_folder(out)[HEAD], words)
    assert config_of(out)["tie_word_embeddings"] is False
    assert untied(report)


def test_experts_that_leave_both_alone_leave_them_tied(pot, base, expert):
    folder = base()
    out, report = pot.cook(folder, [(expert({}), 1.0)])
    assert set(load_folder(out)) == set(TIED)
    assert (out / "config.json").read_bytes() == (folder / "config.json").read_bytes()
    assert not untied(report)


def test_a_base_without_a_config_cannot_be_untied(pot, base, expert):
    folder = base()
    (folder / "config.json").unlink()
    with pytest.raises(Incompatible, match=r"config\.json") as caught:
        pot.cook(folder, [(expert(on_head(7)[0]), 1.0)])
    assert caught.value.where == HEAD


def test_the_order_of_experts_changes_no_byte_of_an_untied_soup(pot, base, expert):
    folder = base(shards=2)
    terms = [(expert(on_words(1)[0], seed=1), 0.7), (expert(on_head(3)[0], seed=2), 0.4)]
    one, _ = pot.cook(folder, terms)
    two, _ = pot.cook(folder, terms[::-1])
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()


def test_an_adapter_of_a_tied_base_keeps_both_sides_as_they_were(pot, base, expert):
    folder = base()
    tensors, _ = on_head(7)
    found = pot.adapter(folder, [(expert(tensors), 1.0)])
    a, b = (found[f"base_model.model.lm_head.lora_{side}.weight"].astype(np.float64) for side in "AB")
    np.testing.assert_allclose(b @ a, on_head(7)[1], atol=1e-7)
    assert not any("embed" in name for name in found)
    both, delta = same_on_both(3)
    found = pot.adapter(folder, [(expert(both), 1.0)])
    a, b = (found[f"base_model.model.lm_head.lora_{side}.weight"].astype(np.float64) for side in "AB")
    np.testing.assert_allclose(b @ a, delta, atol=1e-7)
    a, b = (found[f"base_model.model.model.embed_tokens.lora_embedding_{side}"].astype(np.float64) for side in "AB")
    np.testing.assert_allclose((b @ a).T, delta, atol=1e-7)


def test_what_lies_unchanged_under_factors_is_not_in_an_adapter(tiny, pot):
    base = tiny.base()
    adapter = tiny.adapter(modules=["lm_head"])
    weights = adapter.folder / "adapter_model.safetensors"
    own = load(base / "model.safetensors")[HEAD]
    dump(weights, load(weights) | {"base_model.model.lm_head.base_layer.weight": own})
    out, _ = pot.cook(base, [(adapter, 0.5)], format="adapter")
    names = set(load(out / "adapter_model.safetensors"))
    assert names == {f"base_model.model.lm_head.lora_{side}.weight" for side in "AB"}
    assert json.loads((out / "adapter_config.json").read_text())["target_modules"] == ["lm_head"]


def test_whole_models_keep_a_tied_head_tied_and_an_untied_one_of_theirs_takes_it_apart(tiny, pot, base, expert):
    folder = base(shards=2)
    tied = base(seed=7)
    theta, other = load_folder(folder), load_folder(tied)
    out, report = pot.cook(folder, [(tied, 0.3)])
    assert set(load_folder(out)) == set(TIED)
    assert not untied(report)
    close(load_folder(out)[WORDS], theta[WORDS] + 0.3 * (other[WORDS].astype(np.float64) - theta[WORDS]))
    tensors, delta = on_head(3)
    out, report = pot.cook(folder, [(tied, 0.3), (expert(tensors), 0.5)])
    moved = theta[WORDS] + 0.3 * (other[WORDS].astype(np.float64) - theta[WORDS])
    close(load_folder(out)[WORDS], moved)
    close(load_folder(out)[HEAD], moved + 0.5 * delta)
    assert untied(report)
    own = tiny.base(shapes=SHAPES, seed=9)
    (own / "config.json").unlink()
    out, report = pot.cook(folder, [(own, 0.5)])
    saved = load_folder(own)
    for name in (WORDS, HEAD):
        close(load_folder(out)[name], theta[WORDS] + 0.5 * (saved[name].astype(np.float64) - theta[WORDS]))
    assert untied(report)


def test_whole_models_with_ties_in_many_places_keep_them_all_and_adapters_there_are_refused(tiny, pot):
    shapes = {"shared.weight": (23, 12), "encoder.block.0.q.weight": (12, 12), "decoder.block.0.q.weight": (12, 12)}
    config = {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5"}
    folder, expert = (tiny.base(shapes=shapes, config=config, seed=seed) for seed in (1, 2))
    one, other = load_folder(folder), load_folder(expert)
    out, _ = pot.cook(folder, [(expert, 0.25)])
    for name, values in load_folder(out).items():
        close(values, 0.75 * one[name].astype(np.float64) + 0.25 * other[name])
    assert config_of(out) == config
    made = tiny.adapter(modules=[])
    tensors = {"lora_embedding_A": draw((2, 23), 1), "lora_embedding_B": draw((12, 2), 2)}
    names = {f"base_model.model.shared.{side}": values for side, values in tensors.items()}
    settings = json.loads((made.folder / "adapter_config.json").read_text()) | {"r": 2}
    (made.folder / "adapter_config.json").write_text(json.dumps(settings))
    dump(made.folder / "adapter_model.safetensors", names)
    with pytest.raises(Incompatible, match=r"shared\.weight.*more than one place"):
        pot.plan(folder, [(made, 1.0)])
