"""Methods and adapters of more than factors through the public functions: options, locks, what is fetched."""

import json

import numpy as np
import pytest

from rshub.errors import Incompatible, InvalidInput
from rshub.soups.lock import OutputForm, SoupLock
from tests.soups.cooking import cook
from tests.tiny_models import dump, load, load_folder


def test_a_lock_says_all_that_a_method_was_told(pair, tmp_path):
    first = cook(pair, tmp_path / "a", method="dare", seed=5)
    assert (first.lock.form.density, first.lock.form.seed) == (0.5, 5)
    lock = str(tmp_path / "a" / "soup.lock.json")
    again = cook(pair, tmp_path / "b", lock)
    assert again.lock.outputs == first.lock.outputs
    other = cook(pair, tmp_path / "c", lock, seed=6)
    assert other.lock.outputs != first.lock.outputs
    plain = cook(pair, tmp_path / "d", lock, method="delta")
    assert (plain.lock.form.density, plain.lock.form.seed) == (None, None)
    with pytest.raises(InvalidInput, match="no use for a seed"):
        cook(pair, tmp_path / "e", lock, method="ties", seed=1)
    assert "dare" in (tmp_path / "a" / "README.md").read_text()


def test_a_lock_without_density_and_seed_still_loads(pair, tmp_path):
    cook(pair, tmp_path / "a")
    document = json.loads((tmp_path / "a" / "soup.lock.json").read_text())
    assert document["form"].pop("density", None) is None
    assert document["form"].pop("seed", None) is None
    assert SoupLock.from_bytes(json.dumps(document).encode()).form == OutputForm()


def test_an_adapter_fetches_the_base_only_where_it_needs_its_weights(pair, tmp_path):
    adapter = pair.tiny.adapter(seed=9)
    path = adapter.folder / "adapter_model.safetensors"
    head = np.random.default_rng(2).standard_normal((23, 12)).astype(np.float32)
    dump(path, {**load(path), "base_model.model.lm_head.weight": head})
    config = adapter.folder / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "modules_to_save": ["lm_head"]}))
    pair.expert("ada/headed", "brevity", adapter=adapter)
    cook(pair, tmp_path / "soup", "ada/headed=0.5, ada/recall=0.5", format="adapter")
    theta = load_folder(pair.base_folder)["lm_head.weight"].astype(float)
    written = load(tmp_path / "soup" / "adapter_model.safetensors")["base_model.model.lm_head.weight"]
    np.testing.assert_allclose(written, 0.5 * theta + 0.5 * head, rtol=3e-7)
    cook(pair, tmp_path / "cut", method="ties", density=0.4, format="adapter", rank=3)
    config = json.loads((tmp_path / "cut" / "adapter_config.json").read_text())
    assert config["r"] == 3


def test_methods_that_look_at_each_delta_refuse_experts_that_began_with_an_adapter(pair, tmp_path):
    pair.plain_adapter("ada/sft", pair.tiny.adapter(seed=50))
    for who, reward in (("ada", "wise"), ("ben", "brief")):
        pair.expert(f"{who}/{reward}", reward, init="adapter:ada/sft")
    with pytest.raises(Incompatible, match="began with an adapter"):
        cook(pair, tmp_path / "soup", "wise=0.5, brief=0.5", method="ties")
    soup = cook(pair, tmp_path / "soup", "wise=0.5, brief=0.25", extrapolate=True)
    told = soup.report.figures
    assert (told["relative_to"], told["sum_coefficients"]) == ("init", 0.75)
    assert any("the start that the experts continue" in line for line in soup.lines())
