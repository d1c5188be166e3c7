"""Which files of a repo are fetched for a classifier, from their names alone."""

import json

import pytest

from rshub.errors import IntegrityError, NotFound
from rshub.rewards.model_files import shards, small_files

TOKENIZER = {"tokenizer.json", "tokenizer_config.json", "vocab.txt", "chat_template.jinja"}
OTHERS = {"README.md", "modeling.py", "training_args.bin", "adapter_config.json", "onnx/model.onnx", "tf_model.h5"}


def test_config_and_tokenizer_and_the_index_of_the_weights():
    names = {"config.json", "model.safetensors", *TOKENIZER, *OTHERS}
    assert set(small_files(names, source="org/m")) == {"config.json", *TOKENIZER}
    split = {"config.json", "model.safetensors.index.json", "model-1.safetensors", *OTHERS}
    assert set(small_files(split, source="org/m")) == {"config.json", "model.safetensors.index.json"}
    index = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-1.safetensors"}}).encode()
    assert shards(index, split, source="org/m") == ["model-1.safetensors"]


@pytest.mark.parametrize(
    ("names", "error", "why"),
    [
        ({"model.safetensors"}, NotFound, "no config.json"),
        ({"config.json"}, NotFound, "no model.safetensors"),
        ({"config.json", "pytorch_model.bin"}, IntegrityError, "in pytorch_model.bin alone"),
        ({"config.json", "tf_model.h5"}, IntegrityError, "in tf_model.h5 alone"),
        ({"config.json", "adapter_model.safetensors"}, NotFound, "no model.safetensors"),
    ],
)
def test_what_has_no_safe_weights_is_refused(names, error, why):
    with pytest.raises(error, match=why):
        small_files(names, source="org/m")


@pytest.mark.parametrize(
    "index",
    [
        b"[]",
        b"{",
        b"{}",
        b'{"weight_map": []}',
        b'{"weight_map": {}}',
        b'{"weight_map": {"a": 3}}',
        b'{"weight_map": {"a": "../../etc/passwd"}}',
        b'{"weight_map": {"a": "sub/model.safetensors"}}',
        b'{"weight_map": {"a": "pytorch_model.bin"}}',
        b'{"weight_map": {"a": "gone.safetensors"}}',
    ],
)
def test_a_hostile_index_is_refused(index):
    there = {"../../etc/passwd", "pytorch_model.bin", "sub/model.safetensors"}
    with pytest.raises(IntegrityError):
        shards(index, there, source="org/m")
