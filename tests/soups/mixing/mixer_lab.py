"""A plain torch model with every kind of layer, experts on it as files, and the dense float64 model of a mixture."""

import json

import numpy as np
import pytest

from tests.tiny_models import dump, load_folder

SHAPES = {
    "words.weight": (11, 6),
    "proj.weight": (8, 6),
    "proj.bias": (8,),
    "transposed.weight": (8, 10),
    "transposed.bias": (10,),
    "image.weight": (4, 1, 3, 3),
    "image.bias": (4,),
    "sound.weight": (5, 4, 2),
    "sound.bias": (5,),
    "norm.weight": (5,),
    "norm.bias": (5,),
    "head.weight": (7, 5),
}
CLOSE = {"rtol": 2e-5, "atol": 2e-6}


def net(dtype="float32", **other):
    """Make the model; ``other`` takes the place of layers."""
    import torch
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(11, 6)
            self.proj = nn.Linear(6, 8)
            self.transposed = Conv1D(10, 8)
            self.image = nn.Conv2d(1, 4, 3, stride=(1, 2), padding=1)
            self.sound = nn.Conv1d(4, 5, 2, dilation=2)
            self.norm = nn.LayerNorm(5)
            self.head = nn.Linear(5, 7, bias=False)
            for name, layer in other.items():
                setattr(self, name, layer)

        def forward(self, ids):
            hidden = self.transposed(self.proj(self.words(ids)).tanh())
            hidden = self.image(input=hidden[:, None]).tanh()  # (batch, 4, 5, 5)
            hidden = self.sound(hidden.flatten(2)).mean(-1)
            return self.head(self.norm(hidden))

    return Net().to(getattr(torch, dtype)).eval()


def filled(model, tensors):
    """Load numpy tensors, all of them."""
    import torch

    model.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in tensors.items()})
    return model


@pytest.fixture
def lab(tiny):
    """Give a base, two adapters on all kinds of layers, and what each does in float64."""

    class Lab:
        def __init__(self):
            self.base = tiny.base(shapes=SHAPES, config={}, scale=0.5)
            self.folders, self.deltas = {}, {}
            self.adapter("one", ["words", "proj", "transposed", "image", "sound", "head"], rank=2, alpha=3, seed=1)
            self.adapter("two", ["words", "transposed", "image", "head"], rank=3, alpha=8, seed=2, ranks={"head": 1})

        def adapter(self, label, modules, *, rank, alpha, seed, ranks=None, **config):
            rng = np.random.default_rng(seed)
            tensors, self.deltas[label] = {}, {}
            for module in modules:
                shape = SHAPES[module + ".weight"]
                r = (ranks or {}).get(module, rank)
                inputs, out = (shape[0], shape[1]) if module in {"words", "transposed"} else (shape[1:], shape[0])
                a = rng.standard_normal((r, *np.atleast_1d(inputs))).astype(np.float32) * np.float32(0.4)
                b = rng.standard_normal((out, r)).astype(np.float32)
                product = alpha / r * (b.astype(np.float64) @ a.astype(np.float64).reshape(r, -1))
                self.deltas[label][module + ".weight"] = (
                    product.T if module in {"words", "transposed"} else product.reshape(shape)
                )
                kind = "lora_embedding_{}" if module == "words" else "lora_{}.weight"
                tensors[f"base_model.model.{module}.{kind.format('A')}"] = a
                tensors[f"base_model.model.{module}.{kind.format('B')}"] = b.reshape(*b.shape, *[1] * (a.ndim - 2))
            self.folders[label] = tiny.path("adapter")
            dump(self.folders[label] / "adapter_model.safetensors", tensors)
            settings = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "rank_pattern": ranks or {}, **config}
            (self.folders[label] / "adapter_config.json").write_text(json.dumps(settings))

        def whole(self, label, **tensors):
            """Write an expert that is whole tensors; what is given is added to the base's."""
            stored = load_folder(self.base)
            self.folders[label] = tiny.path("whole")
            changed = {name: (stored[name] + delta).astype(np.float32) for name, delta in tensors.items()}
            dump(self.folders[label] / "model.safetensors", changed)
            self.deltas[label] = {
                name: value.astype(np.float64) - stored[name].astype(np.float64) for name, value in changed.items()
            }

        def dense(self, coefficients):
            tensors = {name: value.astype(np.float64) for name, value in load_folder(self.base).items()}
            for label, coefficient in coefficients.items():
                for name, delta in self.deltas[label].items():
                    tensors[name] = tensors[name] + coefficient * delta
            return tensors

        def model(self, **other):
            return filled(net(**other), load_folder(self.base))

        def mixer(self, model=None, labels=None):
            from rshub.soups.mixing.mixer import Mixer

            folders = {label: self.folders[label] for label in labels or self.folders}
            return Mixer(self.base, folders, model=model or self.model())

        def expected(self, coefficients, batch):
            import torch

            with torch.no_grad():
                return filled(net("float64"), self.dense(coefficients))(batch).numpy()

    return Lab()


def ids(rows):
    import torch

    return torch.from_numpy(np.random.default_rng(rows).integers(0, 11, (rows, 5)))


def said(model, batch):
    import torch

    with torch.no_grad():
        return model(batch).numpy()
