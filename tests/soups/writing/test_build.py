"""Soups on disk against a dense float64 sum."""

import hashlib
import json

import ml_dtypes
import numpy as np
import pytest

from rshub.errors import Incompatible, IntegrityError
from rshub.soups.writing.build_checkpoint import write_checkpoint
from rshub.tensors.checkpoint import Checkpoint
from tests.tiny_models import DTYPES, MODULES, SHAPES, dump, load, load_folder

WIDE = {"model.layers.0.self_attn.q_proj.weight": (700, 1000), "model.layers.0.mlp.down_proj.weight": (96, 3000)}
LOW, HIGH = MODULES[0], MODULES[-1]


def assert_rounded_once(got, want, *, share=0.0):
    """Compare with the float64 result rounded once to what was written; ``share`` of the elements may differ."""
    assert got.keys() == want.keys()
    for name, values in got.items():
        once = np.asarray(want[name]).astype(values.dtype)
        assert values.shape == once.shape, name
        differing = np.count_nonzero(values.view(f"u{values.itemsize}") != once.view(f"u{values.itemsize}"))
        assert differing <= share * values.size, (name, differing, values.size)


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("shards", [1, 3])
def test_a_checkpoint_is_the_dense_sum_rounded_once(tiny, pot, dtype, shards):
    base = tiny.base(dtype=dtype, shards=shards, extra={"buffer": np.arange(3), "flag": np.array([True])})
    terms = [
        (tiny.adapter(seed=1, rank=4), 0.7),
        (tiny.adapter(seed=2, rank=2, alpha=3, rslora=True), 0.5),
        (tiny.adapter(seed=3, rank=3, modules=[LOW], dtype="BF16"), -1.3),
        (tiny.adapter(seed=4, ranks={LOW: 7}, alphas={HIGH: 1}), 0.25),
    ]
    got = pot.checkpoint(base, terms)
    assert_rounded_once(got, tiny.dense(base, terms), share=0.01)
    assert {path.name for path in base.glob("*.safetensors")} <= {p.name for p in (pot.root / "soup-1").iterdir()}


def test_a_float64_checkpoint_keeps_its_precision(tiny, pot):
    base, terms = tiny.base(dtype="F64"), [(tiny.adapter(seed=n), 0.5) for n in (1, 2)]
    got, want = pot.checkpoint(base, terms), tiny.dense(base, terms)
    for name, values in got.items():
        assert values.dtype == np.float64
        np.testing.assert_allclose(values, want[name], rtol=0, atol=1e-15)


def test_a_large_bf16_tensor_is_rounded_once(tiny, pot):
    shapes = SHAPES | WIDE
    base = tiny.base(shapes=shapes, dtype="BF16", scale=0.02)
    terms = [(tiny.adapter(seed=n, shapes=shapes, rank=16, size=0.02), 0.5) for n in (1, 2)]
    got, want = pot.checkpoint(base, terms), tiny.dense(base, terms)
    off = size = 0
    for name, values in got.items():
        off += np.count_nonzero(values != want[name].astype(values.dtype))
        size += values.size
    assert off <= 1e-4 * size


def test_a_large_f32_tensor_is_rounded_once(tiny, pot):
    shapes = SHAPES | WIDE
    base = tiny.base(shapes=shapes)
    terms = [(tiny.adapter(seed=n, shapes=shapes, rank=16), 0.5) for n in (1, 2)]
    assert_rounded_once(pot.checkpoint(base, terms), tiny.dense(base, terms), share=1e-4)


def test_untouched_bytes_are_the_base_s(tiny, pot):
    base = tiny.base(
        dtype="BF16", extra={"odd": np.arange(5, dtype=np.uint8), "more": np.array([1.5, -0.0], np.float32)}
    )
    out, _ = pot.cook(base, [(tiny.adapter(modules=[LOW]), 1.0)])
    before, after = ((folder / "model.safetensors").read_bytes() for folder in (base, out))
    assert len(before) == len(after)
    span = Checkpoint.open(base).tensors[LOW + ".weight"]
    assert before[: span.start] == after[: span.start]
    assert before[span.end :] == after[span.end :]
    assert before != after


def test_tensors_that_are_not_aligned_are_changed_too(tiny, pot):
    base = tiny.path("base")
    rng = np.random.default_rng(0)
    tensors = {"odd": np.array([True, False, True])} | {
        name: rng.standard_normal(shape).astype(ml_dtypes.bfloat16) for name, shape in SHAPES.items()
    }
    dump(base / "model.safetensors", tensors, pad=False)
    terms = [(tiny.adapter(), 1.0)]
    want = tiny.dense(base, terms)
    assert_rounded_once(pot.checkpoint(base, terms), want, share=0.01)
    for window in (1, 7, 1000):
        plan = pot.plan(base, terms)
        out = tiny.path("out")
        write_checkpoint(plan, out, window=window, workers=1)
        assert_rounded_once(load_folder(out), want, share=0.01)


@pytest.mark.parametrize("digests", [True, False])
def test_windows_and_threads_do_not_change_a_bit(tiny, pot, digests):
    shapes = SHAPES | WIDE
    base = tiny.base(shapes=shapes, dtype="BF16", shards=2)
    terms = [(tiny.adapter(seed=n, shapes=shapes), 0.5) for n in (1, 2)]
    seen = set()
    for workers, window in ((1, 4 << 20), (2, 4096), (3, 100_000), (4, 65_536), (2, 1 << 30)):
        plan = pot.plan(base, terms)
        out = tiny.path("out")
        files = write_checkpoint(plan, out, workers=workers, window=window, digests=digests).files
        hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())}
        if digests:
            assert {name: sha for name, (sha, _) in files.items()} == hashes
        seen.add(json.dumps(hashes))
    assert len(seen) == 1


def test_a_matrix_wider_than_a_tile_is_cut_by_columns(tiny, pot):
    shapes = {"wide.weight": (3, 300_001), "lm_head.weight": (4, 4)}
    base = tiny.base(shapes=shapes, dtype="BF16")
    terms = [(tiny.adapter(shapes=shapes, modules=["wide"], rank=2), 1.0)]
    assert_rounded_once(pot.checkpoint(base, terms), tiny.dense(base, terms), share=1e-4)
    seen = set()
    for window in (4096, 123_456):
        out = tiny.path("out")
        files = write_checkpoint(pot.plan(base, terms), out, window=window).files
        seen.add(files["model.safetensors"][0])
    assert len(seen) == 1


def test_digests_and_sizes_are_those_of_the_files(tiny, pot):
    base, adapter = tiny.base(shards=2), tiny.adapter()
    for options in ({}, {"format": "adapter"}):
        out, report = pot.cook(base, [(adapter, 0.5)], **options)
        assert set(report.files) == {path.name for path in out.iterdir()}
        for name, entry in report.files.items():
            data = (out / name).read_bytes()
            assert entry == {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        json.dumps(report.figures, allow_nan=False)
    _, report = pot.cook(base, [(adapter, 0.5)], digests=False)
    assert {entry["sha256"] for entry in report.files.values()} == {None}


def test_files_beside_the_weights_are_copied_by_name(tiny, pot):
    base = tiny.base()
    for name in ("tokenizer.model", "merges.txt", "LICENSE", "special_tokens_map.json", "tokenizer.4.0.0.json"):
        (base / name).write_text(name)
    for name in ("evil.py", "pytorch_model.bin", "training_args.bin", "x.pkl", "adapter_config.json", "expert.json",
                 "README.md", ".hidden.json", "pytorch_model.bin.index.json", "soup.lock.json",
                 "api_key.txt", "credentials.json", "notes.txt", "LICENSE_KEY.txt", "trainer_state.json", "x.model",
                 "tokenizer.secret.json", "other.safetensors.index.json", "additional.jinja"):  # fmt: skip
        (base / name).write_text("{}")
    (base / "additional_chat_templates").mkdir()
    (base / "additional_chat_templates" / "tools.jinja").write_text("tools")
    out, report = pot.cook(base, [(tiny.adapter(), 0.5)])
    found = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert found == set(report.files)
    assert found == {
        "model.safetensors", "config.json", "tokenizer.json", "generation_config.json", "chat_template.jinja",
        "tokenizer.model", "merges.txt", "LICENSE", "special_tokens_map.json", "tokenizer.4.0.0.json",
        "additional_chat_templates/tools.jinja",
    }  # fmt: skip
    for name in found - {"model.safetensors"}:
        assert (out / name).read_bytes() == (base / name).read_bytes()


@pytest.mark.parametrize(("dtype", "code"), [("bfloat16", "BF16"), ("float16", "F16"), ("float32", "F32")])
@pytest.mark.parametrize("stored", ["F32", "BF16"])
def test_another_dtype_casts_every_float_and_edits_the_config(tiny, pot, dtype, code, stored):
    config = {"torch_dtype": "float32", "text_config": {"dtype": "float32", "hidden": 3}, "tie_word_embeddings": False}
    base = tiny.base(dtype=stored, shards=2, config=config, extra={"count": np.arange(4), "mask": np.array([-np.inf])})
    terms = [(tiny.adapter(), 0.6)]
    out, report = pot.cook(base, terms, dtype=dtype)
    got = load_folder(out)
    assert got["count"].dtype == np.int64
    assert got["mask"] == -np.inf
    assert {values.dtype for name, values in got.items() if name != "count"} == {np.dtype(DTYPES[code])}
    assert_rounded_once(got, tiny.dense(base, terms), share=0.01)
    written = json.loads((out / "config.json").read_text())
    assert written == {
        "torch_dtype": dtype, "text_config": {"dtype": dtype, "hidden": 3}, "tie_word_embeddings": False,
    }  # fmt: skip
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(values.nbytes for values in got.values())
    assert index["weight_map"] == json.loads((base / "model.safetensors.index.json").read_text())["weight_map"]
    for name, entry in report.files.items():
        assert entry["sha256"] == hashlib.sha256((out / name).read_bytes()).hexdigest()


def test_float16_overflow_is_refused_by_name(tiny, pot):
    base = tiny.base(dtype="F32", scale=30_000.0)
    with pytest.raises(Incompatible, match=r"the tensor model\.\S+ overflows F16") as caught:
        pot.cook(base, [(tiny.adapter(), 1.0)], dtype="float16")
    assert "bfloat16" in caught.value.remedy
    half = tiny.base(dtype="F16", scale=10.0)
    big = tiny.adapter(
        modules=[LOW], factors={LOW: (np.full((4, 12), 300, np.float32), np.full((12, 4), 300, np.float32))}
    )
    with pytest.raises(Incompatible, match=LOW):
        pot.cook(half, [(big, 1.0)])
    assert not list(pot.root.glob("soup*"))


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
@pytest.mark.parametrize("size", [1e25, 1e38])
def test_a_delta_that_overflows_is_refused_by_name(tiny, pot, dtype, size):
    huge = tiny.adapter(
        modules=[LOW], factors={LOW: (np.full((4, 12), size, np.float32), np.full((12, 4), size, np.float32))}
    )
    with pytest.raises(Incompatible, match=LOW):
        pot.cook(tiny.base(dtype=dtype), [(huge, 2.0)])


def test_a_factor_that_overflows_is_refused_by_name(tiny, pot):
    huge = tiny.adapter(
        modules=[LOW], factors={LOW: (np.ones((4, 12), np.float32), np.full((12, 4), 3e38, np.float32))}
    )
    with pytest.raises(Incompatible, match=rf"{LOW}.*overflows"):
        pot.cook(tiny.base(), [(huge, 2.0)], format="adapter")


def test_a_config_with_infinities_is_read_and_kept(tiny, pot):
    base = tiny.base()
    (base / "config.json").write_text('{"time_step_limit": [0.0, Infinity], "dtype": "float32"}')
    out, _ = pot.cook(base, [(tiny.adapter(), 1.0)], dtype="bfloat16")
    assert json.loads((out / "config.json").read_text()) == {"time_step_limit": [0.0, np.inf], "dtype": "bfloat16"}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
def test_a_base_that_is_not_finite_is_refused_by_name_where_it_is_touched(tiny, pot, bad, dtype):
    base = tiny.base(dtype=dtype)
    tensors = {name: values.copy() for name, values in load(base / "model.safetensors").items()}
    tensors[LOW + ".weight"][3, 2] = bad
    dump(base / "model.safetensors", tensors)
    with pytest.raises(IntegrityError, match=LOW):
        pot.cook(base, [(tiny.adapter(), 1.0)])
    got = pot.checkpoint(base, [(tiny.adapter(modules=[HIGH]), 1.0)])
    assert got[LOW + ".weight"].tobytes() == tensors[LOW + ".weight"].tobytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("form", ["checkpoint", "adapter"])
def test_an_expert_that_is_not_finite_is_refused_by_name(tiny, pot, bad, form):
    adapter = tiny.adapter()
    adapter.factors[HIGH][1][0, 0] = bad
    tensors = {
        f"base_model.model.{module}.lora_{side}.weight": values
        for module, pair in adapter.factors.items()
        for side, values in zip("AB", pair, strict=True)
    }
    dump(adapter.folder / "adapter_model.safetensors", tensors)
    with pytest.raises(IntegrityError, match=rf"expert-1: .*{HIGH}\.lora_B"):
        pot.cook(tiny.base(), [(tiny.adapter(seed=9), 1.0), (adapter, 1.0)], format=form)


def test_all_coefficients_zero_give_the_base_bit_for_bit(tiny, pot):
    base = tiny.base(dtype="BF16", shards=2)
    out, report = pot.cook(base, [(tiny.adapter(), 0.0)])
    for path in base.iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()
    assert report.figures["moved"] == 0.0
    with pytest.raises(Incompatible, match="changes nothing"):
        pot.cook(base, [(tiny.adapter(), 0.0)], format="adapter")


def test_convolutions_embeddings_and_transposed_layers_are_changed_in_their_layout(tiny, pot):
    shapes = {"conv.weight": (6, 3, 2, 2), "embed.weight": (11, 5), "c_attn.weight": (4, 9), "c_proj.weight": (4, 4)}
    base = tiny.base(shapes=shapes, config={"model_type": "gpt2", "tie_word_embeddings": False})
    rng = np.random.default_rng(3)
    made = {
        "base_model.model.conv.lora_A.weight": (2, 3, 2, 2), "base_model.model.conv.lora_B.weight": (6, 2, 1, 1),
        "base_model.model.embed.lora_embedding_A": (2, 11), "base_model.model.embed.lora_embedding_B": (5, 2),
        "base_model.model.c_attn.lora_A.weight": (2, 4), "base_model.model.c_attn.lora_B.weight": (9, 2),
        "base_model.model.c_proj.lora_A.weight": (2, 4), "base_model.model.c_proj.lora_B.weight": (4, 2),
    }  # fmt: skip
    tensors = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in made.items()}
    folder = tiny.path("adapter")
    dump(folder / "adapter_model.safetensors", tensors)
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 3, "fan_in_fan_out": True}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    t = {name.removeprefix("base_model.model.").removesuffix(".weight"): v.astype(float) for name, v in tensors.items()}
    want = {name: values.astype(float) for name, values in load_folder(base).items()}
    factor = 0.5 * 3 / 2
    want["conv.weight"] += factor * np.einsum("orxy,rikl->oikl", t["conv.lora_B"], t["conv.lora_A"])
    want["embed.weight"] += factor * (t["embed.lora_embedding_B"] @ t["embed.lora_embedding_A"]).T
    want["c_attn.weight"] += factor * (t["c_attn.lora_B"] @ t["c_attn.lora_A"]).T
    want["c_proj.weight"] += factor * (t["c_proj.lora_B"] @ t["c_proj.lora_A"]).T
    assert_rounded_once(pot.checkpoint(base, [(folder, 0.5)]), want)
    out, _ = pot.cook(base, [(folder, 0.5)], format="adapter")
    written = load(out / "adapter_model.safetensors")
    assert {name: values.shape for name, values in written.items()} == made
    assert json.loads((out / "adapter_config.json").read_text())["fan_in_fan_out"] is True
    again = pot.checkpoint(base, [(out, 1.0)])
    for name, values in again.items():
        np.testing.assert_allclose(values, want[name], atol=1e-6)
