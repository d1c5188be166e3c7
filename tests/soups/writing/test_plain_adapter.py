"""Soups of factors as one adapter, against the checkpoint and against dense float64 algebra."""

import json

import numpy as np
import pytest

from rshub.errors import Incompatible, RshubError
from rshub.tensors.checkpoint import Checkpoint
from tests.tiny_models import MODULES, load, load_folder

LOW, HIGH = MODULES[0], MODULES[-1]


def through_adapter(tensors, modules, base):
    """Add an adapter of scale one to a base densely."""
    out = {name: values.astype(np.float64) for name, values in base.items()}
    for module in modules:
        a, b = (tensors[f"base_model.model.{module}.lora_{side}.weight"].astype(np.float64) for side in "AB")
        out[module + ".weight"] = out[module + ".weight"] + b @ a
    return out


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
