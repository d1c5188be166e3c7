"""YAML for people is read one way only, and every refusal says where."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rshub.errors import IntegrityError, InvalidInput
from rshub.formats.strict_yaml import MAX_DEPTH, load_yaml


def load(text):
    return load_yaml(text.encode(), source="r.yaml")


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1e-3", 0.001),
        ("3.0e-3", 0.003),
        ("-2", -2),
        ("+2", 2),
        ("0.5", 0.5),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("True", "True"),
        ("012", "012"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("0x1f", "0x1f"),
        ("2026-11-21", "2026-11-21"),
        (".inf", ".inf"),
        ("nan", "nan"),
        ("'1e-3'", "1e-3"),
        ('"true"', "true"),
        ("metric:rouge1.recall", "metric:rouge1.recall"),
        ("[1, on, {a: b}]", [1, "on", {"a": "b"}]),
    ],
)
def test_words_have_one_meaning(word, value):
    read = load(f"key: {word}\n")["key"]
    assert read == value
    assert type(read) is type(value)


def test_keys_are_text_as_written():
    assert load("on: 1\n1: 2\n1e-3: 3\n'quoted key': 4\n") == {"on": 1, "1": 2, "1e-3": 3, "quoted key": 4}


def test_blocks_and_nesting():
    text = "a:\n  - b: |\n      two\n      lines\n    c: >-\n      folded\n      text\n  - []\nd: {}\n"
    assert load(text) == {"a": [{"b": "two\nlines\n", "c": "folded text"}, []], "d": {}}


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("a: 1\nb: 2\na: 3\n", "r.yaml:3:1", "'a' is there twice, first in line 1"),
        ("a:\n  x: 1\n  x: 1\n", "r.yaml:3:3", "'x' is there twice"),
        ("a: &k 1\n", "r.yaml:1:4", "anchor &k"),
        ("a: *k\n", "r.yaml:1:4", "alias *k"),
        ("a: !!python/object/apply:os.system [ls]\n", "r.yaml:1:4", "tag"),
        ("a: !!str 1\n", "r.yaml:1:4", "tag"),
        ("<<: {a: 1}\n", "r.yaml:1:1", "merge key"),
        ("? [a, b]\n: 1\n", "r.yaml:1:3", "a key is one word"),
        ("a: 1\n---\nb: 2\n", "r.yaml:2:1", "second document"),
        ("%YAML 1.1\n---\na: 1\n", "r.yaml:1:1", "directives"),
        ("a: [1, 2\nb: 3\n", "r.yaml:2:2", "not YAML"),
        ("a: b: c\n", "r.yaml:1:5", "not YAML"),
        ('a: "\\ud800"\n', "r.yaml:1:4", "no text"),
        ('"\\uDFFF": 1\n', "r.yaml:1:1", "no text"),
        ("a: 1e999\n", "r.yaml:1:4", "too large a number"),
        ("- a\n- b\n", "r.yaml:1:1", "no mapping"),
        ("", "r.yaml:1:1", "no mapping"),
        ("just text\n", "r.yaml:1:1", "no mapping"),
    ],
)
def test_refusals_say_where_and_why(text, place, why):
    with pytest.raises(InvalidInput) as caught:
        load(text)
    assert caught.value.where == place
    assert why in caught.value.message
    assert caught.value.message.startswith(place)


def test_depth_is_capped_at_the_level_that_is_stated():
    assert load("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))
    with pytest.raises(InvalidInput, match="nested deeper"):
        load("a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_bytes_are_capped_and_must_be_utf8_text():
    with pytest.raises(InvalidInput, match="bytes are more than"):
        load_yaml(b"a: 1\n", source="r.yaml", max_bytes=4)
    with pytest.raises(InvalidInput, match="not UTF-8"):
        load_yaml(b"a: \xff\n", source="r.yaml")
    with pytest.raises(InvalidInput, match="not YAML"):
        load_yaml(b"a: \x07\n", source="r.yaml")


def test_the_caller_chooses_the_kind_of_error():
    with pytest.raises(IntegrityError):
        load_yaml(b"- a", source="expert.yaml", error=IntegrityError)


WORDS = st.text("abcxyz-_. 019eE+:#'\"\n", max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(WORDS, VALUES, max_size=4))
def test_json_is_read_as_json_reads_it(value):
    """JSON is the oracle: written with quoted text, a value means the same in both."""
    assert load(json.dumps(value)) == json.loads(json.dumps(value))


PLAIN = st.text("abcxyz-_. 01+:#'\"\n", max_size=8)


@given(st.dictionaries(PLAIN, PLAIN | st.booleans() | st.none(), max_size=4))
def test_what_the_yaml_library_writes_is_read_back(value):
    """Its dumper quotes whatever one of the old rules would take for something else."""
    assert load(yaml.safe_dump(value)) == value
