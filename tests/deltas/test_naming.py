"""Names in memory and on disk."""

import pytest

from rshub.deltas.naming import VISION, Rename, clash, find_spots, renamed
from rshub.tensors.checkpoint import Checkpoint


def base(tiny, *names, **config):
    shapes = dict.fromkeys(names, (3, 3))
    return Checkpoint.open(tiny.base(shapes=shapes, config={"model_type": "x", "tie_word_embeddings": False} | config))


@pytest.mark.parametrize(
    ("path", "disk", "rename"),
    [
        ("a.b.weight", "a.b.weight", None),
        ("h.0.w.weight", "transformer.h.0.w.weight", Rename(memory="", disk="transformer.")),
        ("transformer.h.0.w.weight", "h.0.w.weight", Rename(memory="transformer.", disk="")),
        ("lm_head.weight", "embed_out.weight", Rename(memory="lm_head.", disk="embed_out.")),
        (
            "lm_head.weight",
            "language_model.lm_head.weight",
            Rename(memory="lm_head.", disk="language_model.lm_head."),
        ),
        (
            "model.language_model.layers.0.q.weight",
            "language_model.model.layers.0.q.weight",
            Rename(memory="model.language_model.", disk="language_model.model."),
        ),
        (
            "model.language_model.layers.0.q.weight",
            "model.layers.0.q.weight",
            Rename(memory="model.language_model.", disk="model."),
        ),
        (
            "model.visual.blocks.0.q.bias",
            "visual.blocks.0.q.bias",
            Rename(memory="model.visual.", disk="visual."),
        ),
        ("vit.layers.0.attention.q_proj.bias", "vit.encoder.layer.0.attention.attention.query.bias", VISION),
        ("vit.layers.11.mlp.fc2.weight", "vit.encoder.layer.11.output.dense.weight", VISION),
        ("layers.1.norm.weight", "encoder.layer.1.norm.weight", VISION),
        ("encoder.layer.3.attention.o_proj.weight", "encoder.layer.3.attention.output.dense.weight", VISION),
    ],
)
def test_a_parameter_is_found_under_its_name_on_disk(tiny, path, disk, rename):
    (spot,) = find_spots(path, base(tiny, disk, "other.weight"))
    assert spot.tensor == disk
    assert spot.rename == rename


def test_what_leads_nowhere_or_to_two_places_is_not_found(tiny):
    assert find_spots("a.weight", base(tiny, "b.weight")) == []
    two = find_spots("a.weight", base(tiny, "model.a.weight", "transformer.a.weight"))
    assert [spot.tensor for spot in two] == ["model.a.weight", "transformer.a.weight"]


@pytest.mark.parametrize("head", ["lm_head.weight", "embed_out.weight"])
def test_a_head_that_is_the_embedding_lies_there(tiny, head):
    tied = base(tiny, "gpt_neox.embed_in.weight", tie_word_embeddings=True)
    (spot,) = find_spots(head, tied)
    assert (spot.tensor, spot.placed.name) == ("embed_out.weight", "gpt_neox.embed_in.weight")
    assert find_spots("score.weight", tied) == []


@pytest.mark.parametrize(
    ("names", "clashes"),
    [
        ([("a.q", "model.a.q"), ("b.q", "model.b.q")], False),
        ([("a.q", "model.a.q"), ("model.b.q", "model.b.q")], True),
        ([("model.a.q", "a.q"), ("b.q", "b.q")], True),
        ([("model.a.q", "a.q"), ("lm_head.weight", "lm_head.weight")], False),
        ([("lm_head.weight", "embed_out.weight"), ("gpt_neox.l.q", "gpt_neox.l.q")], False),
        ([("lm_head.weight", "embed_out.weight"), ("embed_out.weight", "embed_out.weight")], True),
        (
            [
                ("model.language_model.a.q", "language_model.model.a.q"),
                ("lm_head.weight", "language_model.lm_head.weight"),
            ],
            False,
        ),
        ([("model.language_model.a.q", "model.a.q"), ("model.visual.b.q", "visual.b.q")], False),
        ([("model.language_model.a.q", "model.a.q"), ("model.b.q", "model.b.q")], True),
        (
            [
                ("l.0.attention.q_proj.weight", "l.0.attention.attention.query.weight"),
                ("l.1.attention.attention.key.weight", "l.1.attention.attention.key.weight"),
            ],
            True,
        ),
        ([("l.0.mlp.fc1.weight", "l.0.intermediate.dense.weight"), ("l.0.norm.weight", "l.0.norm.weight")], False),
    ],
)
def test_names_of_two_models_do_not_go_together(tiny, names, clashes):
    known = base(tiny, *(disk for _, disk in names))
    found = [(spot.tensor, spot.rename) for path, _ in names for spot in find_spots(path, known)]
    assert [name for name, _ in found] == [disk for _, disk in names]
    assert (clash(found) is not None) is clashes
    assert (clash(found[::-1]) is not None) is clashes


def test_a_rename_is_what_differs_at_the_start():
    assert renamed("a.b.c", "a.b.c") is None
    assert renamed("down.0.w", "unet/down.0.w") == Rename(memory="down.", disk="unet/down.")
