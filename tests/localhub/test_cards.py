"""Cards become JSON and tags; what is no card becomes nothing."""

import json

import pytest
from huggingface_hub import ModelCardData

from rshub.localhub import cards


def front(text):
    return cards.front_matter(f"---\n{text}\n---\n# body\n")


def test_what_the_client_writes_is_read():
    data = ModelCardData(
        base_model=["org/base", "org/other"],
        datasets=["a/b"],
        license="mit",
        library_name="peft",
        tags=["rewarded-soup", "reward:helpful"],
        rewarded_soup={"reward": "helpful", "scores": [0.1, None]},
    )
    assert front(data.to_yaml()) == {key: value for key, value in data.to_dict().items() if value is not None}


def test_every_value_is_json():
    card = front("a: 2026-01-02\nb: .nan\nc: 2026-01-02 03:04:05\n1: x\nd: !!binary aGk=\ne: !!set {x, y}")
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card["a"] == "2026-01-02"


@pytest.mark.parametrize("text", ["", "# no front matter\n", "---\nnot closed\n", "text\n---\na: 1\n---\n"])
def test_no_front_matter(text):
    assert cards.front_matter(text) is None


def test_an_empty_one():
    assert cards.front_matter("---\n\n---\n") == {}


@pytest.mark.parametrize(
    "text",
    ["- a list", "just text", "a: [", "a: *unknown", "[" * 5000, "a: " + "x" * 300_000, "a: !!python/name:os.system x",
     "a: 2026-99-99", "a: &a [*a, *a]"],
)  # fmt: skip
def test_what_is_refused(text):
    with pytest.raises(cards.CardError):
        front(text)


def tags(card, *paths, kind="model", text=""):
    library = cards.library_of(card, paths, None) if kind == "model" else None
    return cards.tags_of(kind, card, text, paths, library)


@pytest.mark.parametrize(
    ("card", "paths", "expected"),
    [
        ({"base_model": "o/b"}, ["adapter_config.json"], "base_model:adapter:o/b"),
        ({"base_model": "o/b"}, ["model.safetensors"], "base_model:finetune:o/b"),
        ({"base_model": ["o/b", "o/c"]}, [], "base_model:merge:o/c"),
        (
            {"base_model": "o/b", "base_model_relation": "quantized"},
            ["adapter_config.json"],
            "base_model:quantized:o/b",
        ),
        ({"base_model": "o/b", "base_model_relation": ["x"]}, [], "base_model:finetune:o/b"),
        ({"license": "mit"}, [], "license:mit"),
        ({"datasets": "d/x"}, [], "dataset:d/x"),
        ({"language": ["en", "de"]}, [], "de"),
        ({"pipeline_tag": "text-generation"}, [], "text-generation"),
        ({}, ["a/model.safetensors"], "safetensors"),
        ({}, ["adapter_config.json"], "peft"),
        ({}, ["model_index.json"], "diffusers"),
    ],
)
def test_computed_tags(card, paths, expected):
    assert expected in tags(card, *paths)


def test_tags_come_once_and_in_order():
    assert tags({"tags": ["b", "a", "b", "peft"], "library_name": "peft"})[:3] == ["b", "a", "peft"]


def test_papers_and_datasets():
    assert "arxiv:2306.04488" in tags({}, text="see https://arxiv.org/abs/2306.04488v2")
    assert "task_categories:x" in tags({"task_categories": ["x"], "language": "en"}, kind="dataset")


@pytest.mark.parametrize("value", [None, 7, {"a": 1}, [None, ["x"], {}], True])
def test_fields_of_another_kind_give_no_tags(value):
    fields = ("tags", "base_model", "datasets", "language", "license", "pipeline_tag", "library_name")
    assert tags(dict.fromkeys(fields, value)) == ["region:us"]
