"""Front matter that is written without a library is read back by one."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rshub.experts.card import front_matter


def test_words_stand_as_they_are():
    told = front_matter({"license": "apache-2.0", "base_model": "org/base", "tags": ["soup", "reward:a.b"]})
    assert told == "license: apache-2.0\nbase_model: org/base\ntags:\n- soup\n- reward:a.b"


def test_what_is_not_known_is_left_out():
    assert front_matter({"license": None, "datasets": [], "library_name": "", "tags": ["x"]}) == "tags:\n- x"


ODD = """on|No|NULL|1.0|0x1|1e3|2024-01-01|01-ai/Yi|.inf|~|-|- a|a: b|a:|a #b|#|{a}|[a]|&a|*a|!a|>|'|"|\\|%|`|@a|---"""


@pytest.mark.parametrize("text", [*ODD.split("|"), "|", "a\nb: c", "\x7f", "\u2028", "\U0001f600"])
def test_every_text_is_read_back_as_that_text(text):
    told = front_matter({"license": text, "tags": [text, text]})
    assert yaml.safe_load(told) == {"license": text, "tags": [text, text]}
    assert "\n---" not in told


@given(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1))
def test_any_text_is(text):
    assert yaml.safe_load(front_matter({"license": text})) == {"license": text}
