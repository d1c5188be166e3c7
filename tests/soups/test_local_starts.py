"""Experts in folders that nobody published: where their training says that they began counts as a manifest's word."""

import hashlib
import json

import numpy as np
import pytest

from rshub.errors import Incompatible, IntegrityError, NotFound
from tests.soups.cooking import cook
from tests.tiny_models import load_folder


def said(adapter, init, digest=None):
    """Write beside an adapter what a training says of its start."""
    summary = {"method": "rloo", "init": init} | ({"init_digest": digest} if digest else {})
    (adapter.folder / "training.json").write_text(json.dumps(summary))


def weights_of(adapter):
    return hashlib.sha256((adapter.folder / "adapter_model.safetensors").read_bytes()).hexdigest()


@pytest.fixture
def family(pair):
    """Give a start and two experts, in folders."""
    return [pair.tiny.adapter(seed=seed) for seed in (70, 71, 72)]


def close(pair, folder, terms):
    made, wanted = load_folder(folder), pair.tiny.dense(pair.base_folder, terms)
    for name, values in wanted.items():
        np.testing.assert_allclose(np.asarray(made[name], np.float64), values, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("kind", "share"), [("adapter", 0.25), ("stacked", 1.0)])
def test_the_start_counts_as_it_does_for_published_experts(pair, family, tmp_path, kind, share):
    sft, one, two = family
    for expert in (one, two):
        said(expert, f"{kind}:{sft.folder}", weights_of(sft))
    soup = f"{one.folder}=0.5, {two.folder}=0.25"
    done = cook(pair, tmp_path / "soup", soup, base=str(pair.base_folder), extrapolate=True)
    close(pair, tmp_path / "soup", [(one, 0.5), (two, 0.25), (sft, share)])
    cook(pair, tmp_path / "again", str(tmp_path / "soup" / "soup.lock.json"))
    assert done.lock.init_kind == kind
    assert load_folder(tmp_path / "again").keys() == load_folder(tmp_path / "soup").keys()


def test_experts_of_two_starts_are_not_mixed(pair, family, tmp_path):
    sft, one, two = family
    said(one, f"adapter:{sft.folder}", weights_of(sft))
    said(two, "base")
    with pytest.raises(Incompatible, match="do not share one start"):
        cook(pair, tmp_path / "soup", f"{one.folder}=0.5, {two.folder}=0.5", base=str(pair.base_folder))
    with pytest.raises(Incompatible, match="do not share one start"):
        cook(pair, tmp_path / "soup", f"{one.folder}=0.5, ada/recall=0.5")


def test_a_start_that_is_published_too_is_the_same_start(pair, family, tmp_path):
    sft, one, _ = family
    pair.plain_adapter("ada/sft", sft)
    pair.expert("ada/wise", "wise", init="adapter:ada/sft")
    said(one, f"adapter:{sft.folder}", weights_of(sft))
    cook(pair, tmp_path / "soup", f"{one.folder}=0.5, ada/wise=0.25", extrapolate=True)
    close(pair, tmp_path / "soup", [(one, 0.5), (pair.adapters["ada/wise"], 0.25), (sft, 0.25)])


def test_a_start_that_is_gone_or_another_one_is_refused(pair, family, tmp_path):
    sft, one, two = family
    said(one, f"adapter:{two.folder}", weights_of(sft))
    said(two, f"stacked:{tmp_path}/nowhere", weights_of(sft))
    with pytest.raises(IntegrityError, match="another sha256"):
        cook(pair, tmp_path / "soup", f"{one.folder}=1", base=str(pair.base_folder))
    with pytest.raises(NotFound, match="began with the adapter in"):
        cook(pair, tmp_path / "soup", f"{two.folder}=1", base=str(pair.base_folder))


@pytest.mark.parametrize("init", ["adapter", "adapter:", "nothing:org/sft", "stacked:what is this"])
def test_what_is_no_start_is_refused_by_its_file(pair, family, tmp_path, init):
    said(family[0], init)
    with pytest.raises(IntegrityError, match=r"training.json: 'init'"):
        cook(pair, tmp_path / "soup", f"{family[0].folder}=1", base=str(pair.base_folder))
