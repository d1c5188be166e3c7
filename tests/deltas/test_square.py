"""How square weights lie: judged by what is sure, refused where it is not."""

import pytest

from rshub.deltas.adapters import read_adapter
from rshub.errors import Incompatible
from rshub.tensors.checkpoint import Checkpoint

SQUARE = (6, 6)


def layouts(tiny, *, config, modules, shapes, flag=False, extra=None):
    """Match an adapter on these modules and give the layout of each; shapes are those on disk."""
    stored = {f"{name}.weight": shape for name, shape in shapes.items()} | (extra or {})
    base = tiny.base(shapes=stored, config=config)
    made = {f"{name}.weight": modules[name] for name in modules}
    adapter = tiny.adapter(modules=list(modules), shapes=made, config={"fan_in_fan_out": flag})
    found = read_adapter(adapter.folder).place(Checkpoint.open(base))
    return {placement.module: placement.layout for placement in found}


def gpt2(**more):
    return {"model_type": "gpt2", "tie_word_embeddings": False, **more}


@pytest.mark.parametrize("flag", [True, False])
def test_a_known_family_is_told_by_the_layers_name_whatever_the_config_saved(tiny, flag):
    modules = {"h.0.attn.c_proj": SQUARE, "score": SQUARE, "lm_head": SQUARE}
    found = layouts(tiny, config=gpt2(), modules=modules, shapes=modules, flag=flag)
    assert found == {"h.0.attn.c_proj": "transposed", "score": "plain", "lm_head": "plain"}


@pytest.mark.parametrize("flag", [True, False])
def test_a_composed_model_is_judged_layer_by_layer(tiny, flag):
    config = {"model_type": "encoder-decoder", "encoder": {"model_type": "bert"}, "decoder": gpt2()}
    modules = {"encoder.query": SQUARE, "decoder.h.0.attn.q_attn": SQUARE, "decoder.h.0.attn.c_attn": (18, 6)}
    shapes = modules | {"decoder.h.0.attn.c_attn": (6, 18)}
    found = layouts(tiny, config=config, modules=modules, shapes=shapes, flag=flag)
    assert found == {
        "encoder.query": "plain",
        "decoder.h.0.attn.q_attn": "transposed",
        "decoder.h.0.attn.c_attn": "transposed",
    }


@pytest.mark.parametrize(("mlp", "layout"), [((24, 6), "transposed"), ((6, 24), "plain")])
def test_a_layer_of_the_same_name_with_a_bias_shows_how_they_lie(tiny, mlp, layout):
    # the bias has 6 numbers, as many as outputs: stored (24, 6) the layer is inputs by outputs
    shapes = {"attn.c_proj": SQUARE, "mlp.c_proj": mlp}
    found = layouts(
        tiny, config={"model_type": "unheard-of"}, modules={"attn.c_proj": SQUARE}, shapes=shapes,
        extra={"mlp.c_proj.bias": (6,)},
    )  # fmt: skip
    assert found == {"attn.c_proj": layout}


def test_a_linear_family_is_plain(tiny):
    modules = {"q_proj": SQUARE, "c_proj": SQUARE}
    assert set(layouts(tiny, config={"model_type": "gpt_bigcode"}, modules=modules, shapes=modules).values()) == {
        "plain"
    }


@pytest.mark.parametrize(
    ("config", "module", "flag"),
    [
        ({"model_type": "llama"}, "q_proj", True),  # the flag says what this family never does
        ({"model_type": "llama"}, "c_proj", True),
        ({}, "c_proj", False),  # nothing is known of the model
        ({"model_type": "gpt2", "encoder": {"model_type": "gpt_neo"}}, "c_proj", False),
    ],
)
def test_what_cannot_be_told_is_refused_by_name(tiny, config, module, flag):
    with pytest.raises(Incompatible, match=rf"{module}\.lora_A.*both ways"):
        layouts(tiny, config=config, modules={module: SQUARE}, shapes={module: SQUARE}, flag=flag)
