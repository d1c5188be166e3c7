"""Reading objects field by field."""

import time

import pytest

from rshub.errors import IntegrityError, InvalidInput
from rshub.formats.fields import Fields, nearest


def test_every_fault_is_named_with_its_path_before_anything_is_raised():
    top = Fields({"name": 3, "inner": {"rate": "x"}, "rows": [{"n": -1}, 7], "nmae": 1}, source="r.yaml")
    top.text("name")
    top.inner("inner").number("rate")
    for row in top.each("rows"):
        row.integer("n")
    top.refuse_unknown()
    with pytest.raises(InvalidInput) as caught:
        top.finish()
    assert caught.value.problems == (
        "name: a string is expected, not int",
        "inner.rate: a number is expected, not str",
        "rows[0].n: -1 is outside 0 to 9007199254740992",
        "rows[1]: an object is expected",
        "nmae: no such key; did you mean 'name'?",
    )


def test_true_is_no_number_and_one_is_no_flag():
    top = Fields({"a": True, "b": 1}, source="x")
    top.integer("a")
    top.flag("b")
    with pytest.raises(InvalidInput) as caught:
        top.finish()
    assert len(caught.value.problems) == 2


def test_a_repo_s_faults_are_of_the_kind_that_was_asked_for():
    top = Fields({}, source="x", error=IntegrityError)
    top.text("a")
    with pytest.raises(IntegrityError, match="a: missing"):
        top.finish()


def test_a_choice_suggests_the_nearest():
    top = Fields({"direction": "mxa"}, source="x")
    top.choice("direction", ("max", "min"))
    with pytest.raises(InvalidInput, match=r"max\?"):
        top.finish()


def test_guesses_are_made_for_the_first_faults_only():
    top = Fields({f"direktion{n}": n for n in range(20_000)} | {"rows": [{"mxa": "mxa", "more": 1}] * 2000}, source="x")
    top.has("direction")
    began = time.process_time()
    for row in top.each("rows"):
        row.choice("mxa", ("max", "min"))
        row.refuse_unknown()
    top.refuse_unknown()
    with pytest.raises(InvalidInput) as caught:
        top.finish()
    assert time.process_time() - began < 2.0
    assert len(caught.value.problems) == 24_000
    assert caught.value.problems[-1] == "direktion19999: no such key"


def test_what_is_very_long_is_no_misspelling():
    began = time.process_time()
    assert nearest("max" * 1_000_000, ["max" * 300, "min"]) == ""
    assert time.process_time() - began < 1.0


def test_the_only_choice_is_not_guessed_again():
    fields = Fields({"schema": "rshub.soup/2"}, source="lock")
    fields.choice("schema", ["rshub.soup/1"])
    with pytest.raises(InvalidInput) as caught:
        fields.finish()
    assert caught.value.message == "lock: schema: 'rshub.soup/2' is none of rshub.soup/1"
