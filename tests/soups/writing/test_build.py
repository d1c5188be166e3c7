"""Soups on disk against a dense float64 sum."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap

import ml_dtypes
import numpy as np
import pytest

from rshub.errors import Incompatible, IntegrityError, RshubError
from rshub.soups.plan import Term, plan_soup
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


def through_adapter(tensors, modules, base):
    """Add an adapter of scale one to a base densely."""
    out = {name: values.astype(np.float64) for name, values in base.items()}
    for module in modules:
        a, b = (tensors[f"base_model.model.{module}.lora_{side}.weight"].astype(np.float64) for side in "AB")
        out[module + ".weight"] = out[module + ".weight"] + b @ a
    return out


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


def test_an_adapter_is_the_checkpoint(tiny, pot):
    base = tiny.base()
    terms = [
        (tiny.adapter(seed=1, rank=4), 0.7),
        (tiny.adapter(seed=2, rank=2, rslora=True, modules=MODULES[1:4]), -0.4),
        (tiny.adapter(seed=3, ranks={LOW: 9}), 1.5),
    ]
    want = pot.checkpoint(base, terms)
    got = through_adapter(pot.adapter(base, terms), MODULES, load_folder(base))
    for name, values in want.items():
        np.testing.assert_allclose(got[name], values, rtol=0, atol=5e-7)


def test_an_adapter_has_one_rank_scale_one_and_exact_targets(tiny, pot):
    base = tiny.base()
    modules = [LOW, "model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"]
    out, report = pot.cook(
        base, [(tiny.adapter(modules=modules, rank=3), 1.0), (tiny.adapter(seed=5, modules=[LOW], rank=2), 2.0)],
        format="adapter",
    )  # fmt: skip
    config = json.loads((out / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["use_rslora"]) == (5, 5, False)
    assert config["target_modules"] == ["down_proj", LOW]
    assert (config["base_model_name_or_path"], config["revision"]) == ("org/base", "0" * 40)
    tensors = load(out / "adapter_model.safetensors")
    assert {values.dtype for values in tensors.values()} == {np.dtype(np.float32)}
    assert {v.shape[0] for n, v in tensors.items() if "lora_A" in n} == {5}
    assert {v.shape[1] for n, v in tensors.items() if "lora_B" in n} == {5}
    assert report.figures["rank"] == {"full": 5, "written": 5, "lost_energy": 0.0, "modules": {}}


def test_a_pad_rank_fills_up_with_zeros(tiny, pot):
    base, terms = tiny.base(), [(tiny.adapter(rank=3), 0.5)]
    exact, padded = pot.adapter(base, terms), pot.adapter(base, terms, pad_rank=8)
    for name, values in padded.items():
        rank = 0 if "lora_A" in name else 1
        assert values.shape[rank] == 8
        np.testing.assert_array_equal(np.take(values, range(3), rank), exact[name])
        assert not np.take(values, range(3, 8), rank).any()


def test_truncation_is_the_best_of_its_rank_and_says_what_it_loses(tiny, pot):
    base = tiny.base()
    terms = [(tiny.adapter(seed=n, rank=4), 0.5) for n in (1, 2)]
    out, report = pot.cook(base, terms, format="adapter", rank=5)
    tensors = load(out / "adapter_model.safetensors")
    lost = whole = 0.0
    for module in MODULES:
        a, b = (tensors[f"base_model.model.{module}.lora_{side}.weight"].astype(float) for side in "AB")
        assert a.shape[0] == b.shape[1] == 5
        dense = sum(coefficient * adapter.delta(module) for adapter, coefficient in terms)
        u, s, vt = np.linalg.svd(dense)
        np.testing.assert_allclose(b @ a, (u[:, :5] * s[:5]) @ vt[:5], atol=1e-6)
        lost, whole = lost + np.sum(s[5:] ** 2), whole + np.sum(s**2)
        share = np.sum(s[5:] ** 2) / np.sum(s**2)
        assert report.figures["rank"]["modules"][module] == pytest.approx(share, rel=1e-5)
    assert report.figures["rank"]["lost_energy"] == pytest.approx(lost / whole, rel=1e-5)
    assert report.figures["survival"] == pytest.approx(1 - lost / whole, rel=1e-5)
    exact, _ = pot.cook(base, terms, format="adapter", rank=64)
    assert json.loads((exact / "adapter_config.json").read_text())["r"] == 8


def test_an_adapter_needs_only_the_headers_of_its_base(tiny, pot):
    folder, terms = tiny.base(shards=2), [(tiny.adapter(), 0.5)]
    headers = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = path.read_bytes()
        headers[path.name] = (data[: 8 + int.from_bytes(data[:8], "little")], len(data))
    remote = Checkpoint.from_headers(headers, configs={}, source="org/base")
    got, _ = pot.cook(remote, terms, format="adapter")
    want, _ = pot.cook(folder, terms, format="adapter")
    for path in want.iterdir():
        assert (got / path.name).read_bytes() == path.read_bytes()
    with pytest.raises(RshubError, match="only the headers"):
        pot.cook(remote, terms)


def test_targets_never_name_a_module_that_does_not_change(tiny, pot):
    shapes = {"layers.1.q.weight": (4, 4), "layers.11.q.weight": (4, 4), "other.layers.1.q.weight": (4, 4)}
    base = tiny.base(shapes=shapes)
    out, _ = pot.cook(base, [(tiny.adapter(shapes=shapes, modules=["other.layers.1.q"]), 1.0)], format="adapter")
    assert json.loads((out / "adapter_config.json").read_text())["target_modules"] == ["other.layers.1.q"]
    with pytest.raises(Incompatible, match=r"layers\.1\.q cannot be named"):
        pot.cook(base, [(tiny.adapter(shapes=shapes, modules=["layers.1.q"]), 1.0)], format="adapter")


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


def test_progress_ends_with_everything_done(tiny):
    told = []
    plan = plan_soup(
        base=Checkpoint.open(tiny.base(shards=2)),
        terms=[Term(label="a", folder=tiny.adapter().folder, coefficient=1.0)],
    )
    write_checkpoint(plan, tiny.path("out"), progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 0
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_progress_that_fails_stops_the_writing(tiny):
    def interrupt(done, total):
        raise KeyboardInterrupt

    plan = plan_soup(
        base=Checkpoint.open(tiny.base()), terms=[Term(label="a", folder=tiny.adapter().folder, coefficient=1.0)]
    )
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(plan, tiny.path("out"), progress=interrupt)


@pytest.mark.parametrize("after", [1, 3])
def test_a_compose_that_is_killed_leaves_nothing_under_the_name(tiny, tmp_path, after):
    shapes = SHAPES | WIDE
    base, adapter = tiny.base(shapes=shapes, dtype="BF16", shards=2), tiny.adapter(shapes=shapes)
    code = """
        import os, signal, sys
        from pathlib import Path
        from rshub.soups.writing.build_checkpoint import write_checkpoint
        from rshub.soups.plan import Term, plan_soup
        from rshub.tensors import output_file
        from rshub.tensors.checkpoint import Checkpoint
        from rshub.tensors.writer import fresh_folder
        base, adapter, out, after = sys.argv[1:]
        calls = []
        write = output_file._write
        def dying(target, view, offset):
            write(target, view, offset)
            calls.append(1)
            if len(calls) >= int(after):
                os.kill(os.getpid(), signal.SIGKILL)
        output_file._write = dying
        terms = [Term(label="a", folder=Path(adapter), coefficient=1.0)]
        plan = plan_soup(base=Checkpoint.open(Path(base)), terms=terms)
        with fresh_folder(Path(out)) as staging:
            write_checkpoint(plan, staging, window=65536)
    """
    out = tmp_path / "out"
    arguments = [str(base), str(adapter.folder), str(out), str(after)]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not out.exists()


def test_a_compose_that_meets_a_full_disk_leaves_nothing(tiny, tmp_path):
    base, adapter = tiny.base(shapes=SHAPES | WIDE, dtype="BF16"), tiny.adapter(shapes=SHAPES | WIDE)
    code = """
        import resource, sys
        from pathlib import Path
        from rshub.errors import OutputError
        from rshub.soups.writing.build import write_soup
        from rshub.soups.plan import Term, plan_soup
        from rshub.tensors.checkpoint import Checkpoint
        from rshub.tensors.writer import fresh_folder
        base, adapter, out = sys.argv[1:]
        terms = [Term(label="a", folder=Path(adapter), coefficient=1.0)]
        plan = plan_soup(base=Checkpoint.open(Path(base)), terms=terms)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        try:
            with fresh_folder(Path(out)) as staging:
                write_soup(plan, staging, base_model="b", base_revision=None)
        except OutputError as fault:
            print("refused", fault.remedy)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(base), str(adapter.folder), str(tmp_path / "out")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("refused"), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_composing_never_imports_torch(tiny, tmp_path):
    base, adapter = tiny.base(), tiny.adapter()
    code = """
        import sys
        from pathlib import Path
        from rshub.soups.writing.build import write_soup
        from rshub.soups.plan import Term, plan_soup
        from rshub.tensors.checkpoint import Checkpoint
        base, adapter, out = map(Path, sys.argv[1:])
        for form in ("checkpoint", "adapter"):
            terms = [Term(label="a", folder=adapter, coefficient=1.0)]
            plan = plan_soup(base=Checkpoint.open(base), terms=terms, format=form)
            (out / form).mkdir()
            write_soup(plan, out / form, base_model="b", base_revision=None)
        assert not {"torch", "transformers", "peft"} & set(sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(base), str(adapter.folder), str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("first", "second", "task"),
    [
        ("CAUSAL_LM", "CAUSAL_LM", "CAUSAL_LM"),
        ("CAUSAL_LM", "SEQ_CLS", None),
        ("CAUSAL_LM", None, None),
        ("os.system", "os.system", None),
        ({"a": 1}, {"a": 1}, None),
    ],
)
def test_an_adapter_takes_only_a_known_task_from_the_experts(tiny, pot, first, second, task):
    hostile = {
        "auto_mapping": {"parent_library": "os", "base_model_class": "system"}, "peft_version": "6.6.6",
        "megatron_core": "evil.module", "layers_pattern": "evil", "runtime_config": {"evil": True},
        "eva_config": {"evil": True}, "lora_dropout": 0.6, "exclude_modules": ["evil"], "revision": "evil",
        "base_model_name_or_path": "evil/evil",
    }  # fmt: skip
    experts = [tiny.adapter(seed=1, config=hostile | {"task_type": first})]
    experts.append(tiny.adapter(seed=2, config=hostile | {"task_type": second}))
    out, _ = pot.cook(tiny.base(), [(one, 0.5) for one in experts], format="adapter")
    config = json.loads((out / "adapter_config.json").read_text())
    assert config["auto_mapping"] is None
    assert config["task_type"] == task
    assert not any(word in json.dumps(config) for word in ("evil", "system", "6.6.6"))
    assert config["lora_dropout"] == 0.0
