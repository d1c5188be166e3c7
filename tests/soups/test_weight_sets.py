"""Soups of experts that are whole tensors, against a dense float64 sum; alone, and beside adapters."""

import json

import ml_dtypes
import numpy as np
import pytest

from rshub.errors import Incompatible, IntegrityError
from tests.tiny_models import SHAPES, Tiny, dump, load_folder

UNET = {
    "conv_in.weight": (8, 4, 3, 3),
    "conv_in.bias": (8,),
    "down_blocks.0.attentions.0.to_q.weight": (8, 8),
    "down_blocks.0.attentions.0.to_k.weight": (8, 6),
    "down_blocks.0.resnets.0.conv1.weight": (8, 8, 3, 3),
    "time_embedding.linear_1.weight": (16, 8),
    "conv_norm_out.weight": (8,),
}


def random(shapes, seed, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


def part(tiny, names, *, shapes=SHAPES, seed=5, dtype=np.float32, extra=None):
    folder = tiny.path("part")
    dump(folder / "tuned.safetensors", random({name: shapes[name] for name in names}, seed, dtype) | (extra or {}))
    return folder


def dense(base, terms):
    """Give theta_0 + sum of lambda * (theta_i - theta_0) and, for adapters, lambda * s B A, in float64."""
    stored = load_folder(base)
    total = {name: values.astype(np.float64) for name, values in stored.items()}
    for expert, coefficient in terms:
        whole = load_folder(expert) if hasattr(expert, "glob") else {}
        for name, values in stored.items():
            if name in whole:
                total[name] += coefficient * (whole[name].astype(np.float64) - values.astype(np.float64))
            elif not hasattr(expert, "glob"):
                total[name] += coefficient * expert.delta(name.removesuffix(".weight"))
    return total


def close(found, want, rtol=0.0, atol=1e-6):
    assert found.keys() == want.keys()
    for name, values in want.items():
        np.testing.assert_allclose(found[name].astype(np.float64), values, rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.parametrize("coefficients", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.2, 0.5, 0.3), (0.7, -0.4, 1.1)])
def test_an_adapter_a_model_and_a_part_of_one_mix(tiny, pot, coefficients):
    base = tiny.base()
    experts = (
        tiny.adapter(),
        tiny.base(seed=9, shards=3),
        part(tiny, ["model.norm.weight", "model.layers.1.mlp.down_proj.weight", "lm_head.weight"]),
    )
    terms = list(zip(experts, coefficients, strict=True))
    close(pot.checkpoint(base, terms), dense(base, terms))


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_one_rounding_at_the_end_whatever_the_expert_is_stored_in(tiny, pot, dtype):
    shapes = {"w.weight": (640, 800)}
    base = tiny.base(shapes=shapes, dtype=dtype)
    terms = [(tiny.base(shapes=shapes, seed=3), 0.6), (tiny.base(shapes=shapes, seed=4, dtype=dtype), 0.3)]
    found = pot.checkpoint(base, terms)["w.weight"]
    want = dense(base, terms)["w.weight"].astype(found.dtype)
    assert np.mean(found != want) <= 1e-4


def test_adapters_on_float16_are_rounded_once(tiny, pot):
    shapes = {"model.layers.0.q_proj.weight": (512, 1024)}
    modules = ["model.layers.0.q_proj"]
    base = tiny.base(shapes=shapes, dtype="F16")
    terms = [(tiny.adapter(modules=modules, shapes=shapes, rank=16, seed=seed), 0.5) for seed in (1, 2)]
    found = pot.checkpoint(base, terms)["model.layers.0.q_proj.weight"]
    want = tiny.dense(base, terms)["model.layers.0.q_proj.weight"].astype(np.float16)
    assert np.mean(found != want) <= 1e-5


def test_a_whole_expert_at_one_is_the_expert_and_at_nothing_the_base(tiny, pot):
    base, expert = tiny.base(dtype="BF16"), tiny.base(seed=9, dtype="BF16")
    one = pot.checkpoint(base, [(expert, 1.0)])
    for name, values in load_folder(expert).items():
        np.testing.assert_array_equal(one[name], values)
    out, _ = pot.cook(base, [(expert, 0.0)])
    assert (out / "model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()
    again, _ = pot.cook(base, [(expert, 0.4), (expert, 0.6)])
    whole, _ = pot.cook(base, [(expert, 1.0)])
    assert (again / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_what_is_no_number_to_mix_is_carried_as_it_is(tiny, pot):
    rng = np.random.default_rng(0)
    extra = {
        "scale8": rng.standard_normal((4, 4)).astype(ml_dtypes.float8_e4m3fn),
        "other8": rng.standard_normal((4, 4)).astype(ml_dtypes.float8_e5m2),
        "steps": np.arange(5, dtype=np.int32),
        "mask": np.array([True, False]),
        "ids": np.arange(3, dtype=np.uint8),
    }
    base = tiny.base(dtype="BF16", extra=extra)
    expert = part(tiny, ["model.norm.weight"], extra={"steps": extra["steps"], "scale8": extra["scale8"]})
    for options in ({}, {"dtype": "float32"}):
        found = pot.checkpoint(base, [(expert, 0.5), (tiny.adapter(), 0.5)], **options)
        for name, values in extra.items():
            assert (found[name].dtype, found[name].tobytes()) == (values.dtype, values.tobytes())
        assert found["lm_head.weight"].dtype == (np.float32 if options else ml_dtypes.bfloat16)


def test_a_policy_without_a_config_is_a_base(tiny, pot):
    """A control policy or a UNet of its own: one file of any name, convolutions and biases, no config."""
    base = tiny.path("policy")
    dump(base / "policy.safetensors", random(UNET, 0) | {"obs.count": np.array(12, np.int64)})
    whole = tiny.path("whole")
    dump(whole / "best.safetensors", random(UNET, 1) | {"obs.count": np.array(12, np.int64)})
    conv = tiny.path("adapter")
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((2, 8, 3, 3)).astype(np.float32), rng.standard_normal((8, 2, 1, 1)).astype(np.float32)
    module = "down_blocks.0.resnets.0.conv1"
    names = (f"base_model.model.{module}.lora_A.weight", f"base_model.model.{module}.lora_B.weight")
    dump(conv / "adapter_model.safetensors", dict(zip(names, (a, b), strict=True)))
    (conv / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4}))
    terms = [(whole, 0.25), (part(tiny, ["conv_in.weight", "conv_in.bias"], shapes=UNET), 0.5)]
    want = dense(base, terms)
    want[f"{module}.weight"] += 0.75 * 2.0 * np.einsum("or,rikl->oikl", b[:, :, 0, 0], a.astype(np.float64))
    out, _ = pot.cook(base, [*terms, (conv, 0.75)])
    assert [path.name for path in out.iterdir()] == ["policy.safetensors"]
    close(load_folder(out), want, atol=1e-5)


def test_numbers_that_are_none_are_named(tiny, pot):
    folder = tiny.path("bad")
    values = np.ones(12, np.float32)
    values[3] = np.nan
    dump(folder / "x.safetensors", {"model.norm.weight": values})
    with pytest.raises(IntegrityError, match=r"expert-0: the tensor model\.norm\.weight"):
        pot.cook(tiny.base(), [(folder, 1.0)])


def test_an_expert_that_is_the_base_changes_nothing_and_is_refused(tiny, pot):
    with pytest.raises(Incompatible, match="exactly zero"):
        pot.cook(tiny.base(), [(tiny.base(), 1.0)])


def test_order_and_shards_do_not_matter(tmp_path, pot):
    tiny = Tiny(tmp_path / "made")
    base = tiny.base(dtype="BF16")
    parts = [part(tiny, ["model.norm.weight", "lm_head.weight"], seed=seed) for seed in (1, 2, 3)]
    terms = [*zip(parts, (0.2, 0.3, 0.4), strict=True), (tiny.adapter(), 0.1)]
    one, _ = pot.cook(base, terms)
    other, _ = pot.cook(base, terms[::-1])
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
