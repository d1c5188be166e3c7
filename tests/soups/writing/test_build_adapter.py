"""Adapters of soups that are not only factors, against dense float64 algebra; PEFT loads them elsewhere."""

import json

import numpy as np
import pytest

from rshub.errors import Incompatible, IntegrityError
from rshub.tensors.checkpoint import Checkpoint
from tests.tiny_models import CONFIG, MODULES, SHAPES, dump, load, load_folder

PREFIX = "base_model.model."
NORM = "model.norm.weight"
HEAD = "lm_head.weight"


def products(tensors):
    """Give B A of every module."""
    names = [name.removesuffix(".lora_A.weight") for name in tensors if name.endswith(".lora_A.weight")]
    found = {
        name.removeprefix(PREFIX): tensors[f"{name}.lora_B.weight"].astype(float) @ tensors[f"{name}.lora_A.weight"]
        for name in names
    }
    for name in [name.removesuffix(".lora_embedding_A") for name in tensors if name.endswith(".lora_embedding_A")]:
        a, b = (tensors[f"{name}.lora_embedding_{side}"].astype(float) for side in "AB")
        found[name.removeprefix(PREFIX)] = (b @ a).T
    return found


def cut(dense, rank):
    u, s, vt = np.linalg.svd(dense, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vt[:rank], np.sum(s[rank:] ** 2), np.sum(s**2)


def full_expert(tiny, base, changes):
    """Write a whole model in which some tensors are other ones."""
    folder = tiny.path("full")
    dump(folder / "model.safetensors", {**load_folder(base), **changes})
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def with_extras(adapter, extras, **settings):
    """Add tensors to an adapter's file, and fields to its config."""
    path, config = adapter.folder / "adapter_model.safetensors", adapter.folder / "adapter_config.json"
    dump(path, {**load(path), **extras})
    config.write_text(json.dumps({**json.loads(config.read_text()), **settings}))
    return adapter


@pytest.mark.parametrize("method", ["ties", "dare"])
def test_a_method_without_factors_is_cut_to_the_best_of_a_rank(tiny, pot, method):
    base, terms = tiny.base(), [(tiny.adapter(seed=1), 0.7), (tiny.adapter(seed=2), 0.5)]
    with pytest.raises(Incompatible, match="is of full rank") as caught:
        pot.plan(base, terms, method=method, format="adapter")
    assert "--rank" in caught.value.remedy
    whole, theta = pot.checkpoint(base, terms, method=method), load_folder(base)
    out, report = pot.cook(base, terms, method=method, format="adapter", rank=5)
    got, lost, energy = products(load(out / "adapter_model.safetensors")), 0.0, 0.0
    assert set(got) == set(MODULES)
    for module, values in got.items():
        want, less, there = cut(whole[module + ".weight"].astype(float) - theta[module + ".weight"], 5)
        np.testing.assert_allclose(values, want, atol=2e-6)
        lost, energy = lost + less, energy + there
    assert report.figures["rank"]["lost_energy"] == pytest.approx(lost / energy, rel=1e-4)
    assert report.figures["survival"] == pytest.approx(1 - lost / energy, rel=1e-4)
    config = json.loads((out / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["modules_to_save"], config["bias"]) == (5, 5, None, "none")


def test_a_method_on_low_rank_deltas_needs_only_the_headers_of_the_base(tiny, pot):
    folder, terms = tiny.base(), [(tiny.adapter(seed=1), 0.7), (tiny.adapter(seed=2), 0.5)]
    data = (folder / "model.safetensors").read_bytes()
    headers = {"model.safetensors": (data[: 8 + int.from_bytes(data[:8], "little")], len(data))}
    remote = Checkpoint.from_headers(headers, configs={}, source="org/base")
    got, _ = pot.cook(remote, terms, method="ties", format="adapter", rank=4)
    want, _ = pot.cook(folder, terms, method="ties", format="adapter", rank=4)
    for path in want.iterdir():
        assert (got / path.name).read_bytes() == path.read_bytes()


def test_whole_models_are_cut_to_a_rank_and_only_what_changed_is_named(tiny, pot):
    base, rng = tiny.base(), np.random.default_rng(8)
    changed = {"model.embed_tokens.weight", MODULES[0] + ".weight", MODULES[2] + ".weight"}
    changes = {name: rng.standard_normal(SHAPES[name]).astype(np.float32) for name in sorted(changed)}
    expert, adapter = full_expert(tiny, base, changes), tiny.adapter(seed=3, modules=MODULES[:1])
    terms = [(expert, 0.5), (adapter, 0.25)]
    out, report = pot.cook(base, terms, format="adapter", rank=4)
    theta, got = load_folder(base), products(load(out / "adapter_model.safetensors"))
    assert {name + ".weight" for name in got} == changed
    lost = energy = 0.0
    for name in changed:
        module = name.removesuffix(".weight")
        dense = 0.5 * (changes[name].astype(float) - theta[name]) + 0.25 * adapter.delta(module)
        want, less, there = cut(dense, 4)
        np.testing.assert_allclose(got[module], want, atol=1e-5)
        lost, energy = lost + less, energy + there
    assert report.figures["rank"]["lost_energy"] == pytest.approx(lost / energy, rel=1e-5)
    assert any("--rank" in warning for warning in report.figures["warnings"])
    with pytest.raises(Incompatible, match="is of full rank"):
        pot.plan(base, terms, format="adapter")


def test_a_vector_that_a_whole_model_changed_is_refused_by_name(tiny, pot):
    base = tiny.base()
    changes = {NORM: np.ones(12, np.float32), HEAD: np.ones((23, 12), np.float32)}
    with pytest.raises(Incompatible, match=rf"{NORM}: an adapter cannot hold") as caught:
        pot.cook(base, [(full_expert(tiny, base, changes), 0.5)], format="adapter", rank=4)
    assert "--format checkpoint" in caught.value.remedy


def test_modules_that_experts_saved_are_mixed_absolute_values(tiny, pot):
    bias = np.random.default_rng(1).standard_normal(23).astype(np.float32)
    base, rng = tiny.base(extra={"lm_head.bias": bias}), np.random.default_rng(8)
    theta = load_folder(base)
    head, words = (rng.standard_normal((23, 12)).astype(np.float32) for _ in range(2))
    one = with_extras(tiny.adapter(seed=1), {f"{PREFIX}lm_head.weight": head}, modules_to_save=["lm_head"])
    two = tiny.adapter(seed=2, modules=[*MODULES[:2], "lm_head"])
    three = with_extras(
        tiny.adapter(seed=3),
        {f"{PREFIX}model.embed_tokens.weight": words, f"{PREFIX}model.norm.weight": words[0]},
        modules_to_save=["embed_tokens", "norm"],
    )
    terms = [(one, 0.5), (two, 0.25), (three, -0.5)]
    out, report = pot.cook(base, terms, format="adapter")
    tensors, config = load(out / "adapter_model.safetensors"), json.loads((out / "adapter_config.json").read_text())
    assert config["modules_to_save"] == ["embed_tokens", "lm_head", "model.norm"]
    want = theta[HEAD].astype(float)
    want = want + 0.5 * (head - want) + 0.25 * two.delta("lm_head")
    np.testing.assert_allclose(tensors[PREFIX + HEAD], want, rtol=2e-7)
    np.testing.assert_array_equal(tensors[PREFIX + "lm_head.bias"], bias)
    want = 1.5 * theta[NORM].astype(float) - 0.5 * words[0]
    np.testing.assert_allclose(tensors[PREFIX + NORM], want, rtol=3e-7)
    assert not any("lm_head" in name for name in config["target_modules"])
    assert report.figures["rank"]["lost_energy"] == 0.0
    again, whole = pot.checkpoint(base, [(out, 1.0)]), pot.checkpoint(base, terms)
    for name, values in whole.items():
        np.testing.assert_allclose(again[name], values, atol=1e-6, err_msg=name)


def test_biases_are_mixed_in_place(tiny, pot):
    name = MODULES[0] + ".bias"
    base = tiny.base(
        extra={name: np.ones(12, np.float32), "model.layers.1.mlp.down_proj.bias": np.ones(12, np.float32)}
    )
    saved = np.arange(12, dtype=np.float32)
    one = with_extras(
        tiny.adapter(seed=1, modules=MODULES[:2]), {f"{PREFIX}{MODULES[0]}.base_layer.bias": saved}, bias="lora_only"
    )
    two = tiny.adapter(seed=2, modules=MODULES[:1])
    out, _ = pot.cook(base, [(one, 0.5), (two, 0.25)], format="adapter")
    tensors = load(out / "adapter_model.safetensors")
    np.testing.assert_allclose(tensors[f"{PREFIX}{MODULES[0]}.base_layer.bias"], 0.5 + 0.5 * saved)
    assert json.loads((out / "adapter_config.json").read_text())["bias"] == "lora_only"
    again = pot.checkpoint(base, [(out, 1.0)])
    for key, values in pot.checkpoint(base, [(one, 0.5), (two, 0.25)]).items():
        np.testing.assert_allclose(again[key], values, atol=1e-6, err_msg=key)


def test_decomposed_experts_are_refused_by_name(tiny, pot):
    base, adapter = tiny.base(), tiny.adapter(modules=MODULES[:1])
    length = {f"{PREFIX}{MODULES[0]}.lora_magnitude_vector": np.ones(12, np.float32)}
    with_extras(adapter, length, use_dora=True)
    for rank in (None, 4):
        with pytest.raises(Incompatible, match=rf"{MODULES[0]}\.weight is changed by DoRA") as caught:
            pot.plan(base, [(adapter, 1.0)], format="adapter", rank=rank)
    assert "--format checkpoint" in caught.value.remedy


def test_a_whole_embedding_of_a_tied_base_is_refused(tiny, pot):
    shapes = {name: shape for name, shape in SHAPES.items() if name != HEAD}
    base = tiny.base(shapes=shapes, config={**CONFIG, "tie_word_embeddings": True})
    words = {f"{PREFIX}model.embed_tokens.weight": np.ones((23, 12), np.float32)}
    adapter = with_extras(tiny.adapter(), words, modules_to_save=["embed_tokens"])
    with pytest.raises(Incompatible, match=r"embed_tokens\.weight is tied"):
        pot.plan(base, [(adapter, 0.5)], format="adapter")


def test_without_the_weights_of_the_base_a_difference_is_refused(tiny, pot):
    folder = tiny.base()
    data = (folder / "model.safetensors").read_bytes()
    headers = {"model.safetensors": (data[: 8 + int.from_bytes(data[:8], "little")], len(data))}
    remote = Checkpoint.from_headers(headers, configs={}, source="org/base")
    head = {f"{PREFIX}{HEAD}": np.ones((23, 12), np.float32)}
    adapter = with_extras(tiny.adapter(), head, modules_to_save=["lm_head"])
    assert pot.plan(remote, [(adapter, 0.5)], format="adapter").needs_weights
    with pytest.raises(Incompatible, match="only the headers are at hand"):
        pot.cook(remote, [(adapter, 0.5)], format="adapter")


def test_a_base_that_is_not_finite_is_refused_where_it_is_saved_whole(tiny, pot):
    base = tiny.base()
    tensors = load_folder(base)
    head = tensors[HEAD].copy()
    head[3, 3] = np.nan
    dump(base / "model.safetensors", {**tensors, HEAD: head})
    extra = {f"{PREFIX}{HEAD}": np.ones((23, 12), np.float32)}
    adapter = with_extras(tiny.adapter(), extra, modules_to_save=["lm_head"])
    with pytest.raises(IntegrityError, match=HEAD):
        pot.cook(base, [(adapter, 0.5)], format="adapter")


def test_names_that_no_one_model_has_are_refused(tiny, pot):
    """What an adapter names otherwise than the model does is silently lost when it is loaded."""
    shapes = {"layers.0.q.weight": (6, 6), "layers.1.q.weight": (6, 6)}
    base = tiny.base(shapes=shapes)
    inner = {f"model.{name}": shape for name, shape in shapes.items()}
    adapter = tiny.adapter(shapes=inner, modules=["model.layers.0.q"])
    expert = full_expert(tiny, base, {"layers.1.q.weight": np.ones((6, 6), np.float32)})
    with pytest.raises(Incompatible, match="no adapter fits both"):
        pot.plan(base, [(adapter, 0.5), (expert, 0.5)], format="adapter", rank=4)
    pot.cook(base, [(adapter, 0.5), (expert, 0.5)])


def test_a_place_in_a_list_is_named_with_its_list(tiny, pot):
    shapes = {f"blocks.{n}.attn.{name}.weight": (6, 6) for n in range(3) for name in ("to_q", "to_out.0")}
    modules = [name.removesuffix(".weight") for name in shapes]
    base = tiny.base(shapes=shapes, config={})
    everywhere = pot.cook(base, [(tiny.adapter(modules=modules, shapes=shapes), 1.0)], format="adapter")[0]
    named = json.loads((everywhere / "adapter_config.json").read_text())["target_modules"]
    assert named == ["to_out.0", "to_q"]
    one = [modules[1], modules[3]]
    somewhere = pot.cook(base, [(tiny.adapter(modules=one, shapes=shapes), 1.0)], format="adapter")[0]
    assert json.loads((somewhere / "adapter_config.json").read_text())["target_modules"] == one
