"""Canonical JSON: one byte form, strict reading."""

import hashlib
import json
import time

import pytest

from rshub.errors import IntegrityError, InvalidInput
from rshub.formats.canonical import canonical_bytes, digest, file_bytes, load_json


def test_the_canonical_form_is_sorted_compact_and_keeps_letters():
    assert canonical_bytes({"b": 1, "a": [1.5, "é"]}) == '{"a":[1.5,"é"],"b":1}'.encode()


def test_a_digest_does_not_depend_on_order_or_indentation():
    value = {"b": [1, 2], "a": None}
    again = json.loads(file_bytes(value))
    assert digest(value) == digest(again) == hashlib.sha256(b'{"a":null,"b":[1,2]}').hexdigest()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_json_has_no_word_for_is_not_written(bad):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_bytes({"a": bad})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": NaN}', "NaN"),
        ('{"a": 1e999}', "too large"),
        ('{"a": Infinity}', "Infinity"),
        ("[1]", "no object"),
        ('{"a": ', "line 1"),
        ('{"a":' + "[" * 100 + "]" * 100 + "}", "nested deeper"),
        ('{"a": ' + "1" * 5000 + "}", "not JSON"),
        ('{"a": ["\\ud800"]}', "other half"),
        ('{"\\uDfFf": 1}', "other half"),
        ('{"a": "\\ude00\\ud83d"}', "other half"),
    ],
)
def test_what_is_not_one_plain_object_is_refused_with_the_reason(text, why):
    with pytest.raises(InvalidInput, match=why) as caught:
        load_json(text.encode(), source="x.json")
    assert "x.json" in str(caught.value)


def test_whole_characters_may_be_escaped_and_escapes_may_be_written_of():
    assert load_json(rb'{"a": "\ud83d\ude00", "b": "\\ud800"}', source="x") == {"a": "\U0001f600", "b": "\\ud800"}


def test_a_repeated_key_is_found_in_time_that_grows_with_the_file():
    text = "{" + ",".join(f'"{number}": 0' for number in range(200_000)) + ', "199999": 1}'
    began = time.process_time()
    with pytest.raises(InvalidInput, match="'199999' is there twice"):
        load_json(text.encode(), source="x")
    assert time.process_time() - began < 5.0


def test_brackets_inside_strings_are_no_nesting():
    assert load_json(json.dumps({"a": '"[' * 200}).encode(), source="x") == {"a": '"[' * 200}


def test_the_kind_of_error_is_the_callers():
    with pytest.raises(IntegrityError):
        load_json(b"\xff", source="x", error=IntegrityError)


def test_a_file_that_is_too_large_is_not_parsed():
    with pytest.raises(InvalidInput, match="more than the 10"):
        load_json(b"{" + b" " * 20 + b"}", source="x", max_bytes=10)
