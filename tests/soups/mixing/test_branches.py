"""Branches beside every kind of layer in a plain torch model, against dense float64 weights worked out with numpy."""

import numpy as np
import pytest

from rshub.errors import Incompatible, InvalidInput
from tests.soups.mixing.mixer_lab import CLOSE, SHAPES, filled, ids, net, said
from tests.tiny_models import load_folder

SOUPS = ({"one": 1.0}, {"one": 0.3, "two": 0.7}, {"two": -0.5, "one": 1.2}, {}, {"two": 2.0})


def test_every_kind_of_layer_is_the_dense_model(lab):
    import torch

    batch = ids(4)
    with lab.mixer() as mixer:
        for soup in SOUPS:
            np.testing.assert_allclose(said(mixer.mix(soup), batch), lab.expected(soup, batch), **CLOSE)
            with_gradients = mixer.model(batch)
            assert with_gradients.requires_grad
            np.testing.assert_allclose(with_gradients.detach().numpy(), lab.expected(soup, batch), **CLOSE)
            with mixer.merged(soup) as model:
                np.testing.assert_allclose(said(model, batch), lab.expected(soup, batch), **CLOSE)
    with lab.mixer(lab.model(dtype="float64")) as mixer:
        with torch.no_grad():
            exact = mixer.mix(SOUPS[1])(batch).numpy()
        np.testing.assert_allclose(exact, lab.expected(SOUPS[1], batch), rtol=1e-12, atol=1e-14)


def test_every_row_has_its_own_mixture_in_every_kind_of_layer(lab):
    batch = ids(len(SOUPS))
    with lab.mixer() as mixer:
        together = said(mixer.mix_rows(SOUPS), batch)
        for number, soup in enumerate(SOUPS):
            np.testing.assert_allclose(together[number], lab.expected(soup, batch[number : number + 1])[0], **CLOSE)
        twice = batch.repeat_interleave(2, dim=0)
        np.testing.assert_allclose(said(mixer.model, twice), together.repeat(2, axis=0), **CLOSE)
        with pytest.raises(InvalidInput, match="words works on"):
            mixer.model(ids(4))
        one = said(mixer.mix_rows([SOUPS[1]]), batch)
        np.testing.assert_array_equal(one, said(mixer.mix(SOUPS[1]), batch))


def test_a_layer_without_a_batch_takes_one_mixture_only(lab):
    import torch

    with lab.mixer() as mixer:
        for layer, given in (
            (mixer.model.words, torch.arange(4)),
            (mixer.model.proj, torch.ones(6)),
            (mixer.model.image, torch.ones(1, 6, 4)),
        ):
            before = layer(given)
            assert not torch.equal(mixer.mix({"one": 1.0}) and layer(given), before)
            mixer.mix_rows([{"one": 1.0}, {"one": 1.0, "two": 1.0}])
            with pytest.raises(InvalidInput, match="no batch of 2 rows"):
                layer(given)
            mixer.mix({})


def test_layers_that_do_more_than_the_product_are_mixed_in_their_weights(lab):
    import torch
    from torch import nn

    class Scaled(nn.Embedding):
        def forward(self, ids):
            return 3 * super().forward(ids)

    batch = ids(3)
    for name, layer in (
        ("words", Scaled(11, 6)),
        ("words", nn.Embedding(11, 6, max_norm=0.5)),
        ("image", nn.Conv2d(1, 4, 3, stride=(1, 2), padding=1, padding_mode="circular")),
    ):
        other = filled(net("float64", **{name: layer}), lab.dense(SOUPS[1]))
        with torch.no_grad():
            expected = other(batch).numpy()
        model = lab.model(**{name: type(layer)(11, 6) if isinstance(layer, Scaled) else layer.float()})
        with lab.mixer(model) as mixer:
            if not getattr(layer, "max_norm", None):  # which changes the weight whenever it is looked at
                np.testing.assert_allclose(said(mixer.mix(SOUPS[1]), batch), expected, **CLOSE)
            with pytest.raises(Incompatible, match=f"cannot differ in what it changes of {name}.weight"):
                mixer.mix_rows([{"one": 1.0}, {"one": 0.5}])


def test_layers_that_others_reach_into_are_not_passed_by(tiny):
    """Torch's own encoder layer has a fast path without its layers' forward, and attention reads a layer's weight."""
    import torch
    from torch import nn

    from rshub.soups.mixing.mixer import Mixer

    shapes = {"self_attn.out_proj.weight": (6, 6), "linear1.weight": (9, 6), "linear2.weight": (6, 9)}
    layer = nn.TransformerEncoderLayer(6, 2, 9, batch_first=True).eval()
    stored = {name: value.numpy().copy() for name, value in layer.state_dict().items()}
    base = tiny.base(shapes=shapes, config={}, extra=stored)
    adapter = tiny.adapter(modules=[name.removesuffix(".weight") for name in shapes], shapes=shapes, size=0.5)
    given = torch.from_numpy(np.random.default_rng(1).standard_normal((3, 4, 6)).astype(np.float32))
    dense = nn.TransformerEncoderLayer(6, 2, 9, batch_first=True).double().eval()
    filled(dense, tiny.dense(base, [(adapter, 0.7)]))
    with torch.no_grad():
        expected = dense(given.double()).numpy()
    with Mixer(base, {"one": adapter.folder}, model=layer) as mixer:
        np.testing.assert_allclose(said(mixer.mix({"one": 0.7}), given), expected, rtol=1e-4, atol=1e-5)
        with pytest.raises(Incompatible, match=r"self_attn\.out_proj\.weight"):
            mixer.mix_rows([{"one": 0.7}, {}, {}])


def test_rows_are_refused_where_tokens_are_routed(tiny, lab):
    from torch import nn

    from rshub.soups.mixing.mixer import Mixer

    base = tiny.base(shapes={"experts.0.up.weight": (6, 4)}, config={})
    folder = tiny.adapter(modules=["experts.0.up"], shapes={"experts.0.up.weight": (6, 4)}).folder
    model = nn.Module()
    model.experts = nn.ModuleList([nn.ModuleDict({"up": nn.Linear(4, 6, bias=False)})])
    filled(model, load_folder(base))
    with Mixer(base, {"one": folder}, model=model) as mixer:
        mixer.mix({"one": 0.5})
        with pytest.raises(Incompatible, match=r"experts\.0\.up\.weight"):
            mixer.mix_rows([{"one": 0.5}, {}])
        mixer.mix_rows([{"one": 0.5}, {"one": 0.5}])


def test_biases_lie_beside_their_layers(lab):
    rng = np.random.default_rng(5)
    names = ("proj.bias", "transposed.bias", "image.bias", "sound.bias")
    lab.whole("three", **{name: rng.standard_normal(SHAPES[name]) for name in names})
    lab.whole("four", **{"proj.bias": rng.standard_normal(8), "image.bias": rng.standard_normal(4)})
    soups = [{"three": 1.0}, {"three": 0.5, "four": -2.0, "one": 0.3}, {"four": 1.0}, {"one": 1.0}]
    batch = ids(4)
    with lab.mixer() as mixer:
        together = said(mixer.mix_rows(soups), batch)
        for number, soup in enumerate(soups):
            expected = lab.expected(soup, batch)
            np.testing.assert_allclose(together[number], expected[number], **CLOSE)
            np.testing.assert_allclose(said(mixer.mix(soup), batch), expected, **CLOSE)
            mixer.mix_rows(soups)
