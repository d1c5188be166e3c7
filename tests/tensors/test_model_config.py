"""A model's config and its identity."""

import hashlib
import json

import pytest

from rshub.errors import IntegrityError
from rshub.tensors.model_config import config_digest, parse_config


def test_a_config_s_identity_leaves_out_what_says_nothing_of_the_model():
    config = {"hidden_size": 8, "dtype": "float32", "transformers_version": "5", "_name_or_path": "x"}
    assert config_digest(config) == config_digest({"hidden_size": 8, "dtype": "bfloat16"})
    assert config_digest(config) != config_digest({"hidden_size": 9})
    plain = json.dumps({"hidden_size": 8}, sort_keys=True, separators=(",", ":"))
    assert config_digest(config) == hashlib.sha256(plain.encode()).hexdigest()


def test_infinities_that_models_write_are_read_and_have_an_identity():
    limits = parse_config(b'{"time_step_limit": [0.0, Infinity]}', source="x")
    assert limits["time_step_limit"][1] == float("inf")
    assert config_digest(limits) != config_digest({"time_step_limit": [0.0, 1.0]})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"a": "\\ud800"}',
        b'{"\\udc00": 1}',
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b'{"a":' + b"1" * 5000 + b"}",
    ],
)
def test_anything_else_is_refused(data):
    with pytest.raises(IntegrityError):
        parse_config(data, source="x")
