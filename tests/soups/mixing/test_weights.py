"""Experts that are more than factors, worked into the weights: against dense float64 sums, and refused for rows."""

import numpy as np
import pytest

from rshub.errors import Incompatible, IntegrityError
from tests.soups.mixing.mixer_lab import CLOSE, SHAPES, ids, said
from tests.tiny_models import dump, load, load_folder


@pytest.fixture
def mixed(lab):
    """Add an expert of whole tensors, among them a norm, and one that has a bias too."""
    rng = np.random.default_rng(9)
    lab.whole(
        "whole", **{name: rng.standard_normal(shape) * 0.3 for name, shape in SHAPES.items() if "sound" not in name}
    )
    lab.whole("part", **{"norm.weight": rng.standard_normal(5), "head.weight": rng.standard_normal((7, 5))})
    return lab


SOUPS = (
    {"whole": 1.0},
    {"whole": 0.3, "part": 0.4, "one": 0.3},
    {"whole": -0.5, "two": 1.5},
    {"part": 1.0},
    {},
    {"one": 1.0},
)


def test_whole_tensors_are_mixed_with_factors(mixed):
    batch = ids(3)
    stored = load_folder(mixed.base)
    with mixed.mixer() as mixer:
        for soup in SOUPS:
            expected = mixed.expected(soup, batch)
            np.testing.assert_allclose(said(mixer.mix(soup), batch), expected, **CLOSE)
            with mixer.merged(soup) as model:
                for name, value in model.state_dict().items():
                    np.testing.assert_array_equal(value.numpy(), mixed.dense(soup)[name].astype(np.float32), name)
            np.testing.assert_allclose(said(mixer.model, batch), expected, **CLOSE)
    for name, value in mixer.model.state_dict().items():
        assert value.numpy().tobytes() == stored[name].tobytes(), name


def test_rows_may_differ_only_in_what_lies_beside_the_layers(mixed):
    batch = ids(3)
    with mixed.mixer() as mixer:
        rows = [{"whole": 0.5, "one": share, "two": -share} for share in (0.0, 0.5, 1.0)]
        together = said(mixer.mix_rows(rows), batch)
        for number, soup in enumerate(rows):
            np.testing.assert_allclose(together[number], mixed.expected(soup, batch)[number], **CLOSE)
        with pytest.raises(Incompatible, match=r"part: the rows .* differ in what it changes of (head|norm)\.weight"):
            mixer.mix_rows([{"one": 1.0}, {"part": 1.0}, {}])
        np.testing.assert_array_equal(said(mixer.model, batch), together)  # as it was


def test_dora_is_worked_into_the_weights(lab):
    """W' = m (W + s B A) / |W + s B A| by rows; source: arXiv 2402.09353, equation 5."""
    lab.adapter("dora", ["proj"], rank=2, alpha=4, seed=3, use_dora=True)
    path = lab.folders["dora"] / "adapter_model.safetensors"
    lengths = np.random.default_rng(4).uniform(0.5, 2, 8).astype(np.float32)
    dump(path, load(path) | {"base_model.model.proj.lora_magnitude_vector": lengths})
    stored = load_folder(lab.base)["proj.weight"].astype(np.float64)
    moved = stored + lab.deltas["dora"]["proj.weight"]
    lab.deltas["dora"]["proj.weight"] = (
        lengths.astype(np.float64)[:, None] * moved / np.linalg.norm(moved, axis=1, keepdims=True) - stored
    )
    batch = ids(2)
    with lab.mixer() as mixer:
        for soup in ({"dora": 1.0}, {"dora": 0.4, "one": 0.6}, {"dora": -1.0}):
            np.testing.assert_allclose(said(mixer.mix(soup), batch), lab.expected(soup, batch), **CLOSE)
        with pytest.raises(Incompatible, match=r"dora: the rows .* proj\.weight"):
            mixer.mix_rows([{"dora": 1.0}, {}])


def test_an_expert_that_is_the_base_is_refused(lab):
    lab.whole("same", **{"norm.weight": np.zeros(5), "proj.bias": np.zeros(8)})
    with lab.mixer() as mixer, pytest.raises(Incompatible, match=r"same has .* but its delta is exactly zero"):
        mixer.mix({"same": 0.5})


def test_tensors_that_are_not_finite_are_refused_by_name(lab):
    lab.whole("bad", **{"norm.weight": np.array([0, 0, np.nan, 0, 0])})
    batch = ids(2)
    with lab.mixer() as mixer:
        base = said(mixer.model, batch)
        mixer.mix({"one": 1.0})
        with pytest.raises(IntegrityError, match=r"bad: the tensor norm\.weight"):
            mixer.mix({"bad": 0.5, "one": 1.0})
        np.testing.assert_array_equal(said(mixer.model, batch), base)


def test_a_model_that_is_not_the_base_is_refused(mixed):
    import torch

    model = mixed.model()
    with torch.no_grad():
        model.norm.weight[2] += 1
    with mixed.mixer(model) as mixer, pytest.raises(Incompatible, match=r"norm\.weight .* is not norm\.weight of"):
        mixer.mix({"part": 1.0})
    headless = mixed.model()
    del headless.head
    with pytest.raises(Incompatible, match=r"no head\.weight of shape \[7, 5\]"):
        mixed.mixer(headless)
