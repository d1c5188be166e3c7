"""Hostile preference strings end in a refusal in bounded time."""

import time

import pytest

from rshub.errors import InvalidInput
from rshub.preferences.preference import MAX_BYTES, Preference, check_names

SHORT = MAX_BYTES - 64
NASTY = {
    "one long name": "a" * SHORT,
    "one long number": "a=0." + "1" * SHORT,
    "digits before a star": "1" * SHORT + "*",
    "minus signs": "-" * SHORT,
    "dots": "." * SHORT,
    "slashes": "a" + "/" * SHORT + "=1",
    "blanks": " " * SHORT,
    "blanks inside": "a" + " " * SHORT + "=2",
    "open quote": '"./' + "x" * SHORT,
    "backslashes": '"./' + "\\" * SHORT,
    "many terms": ", ".join(f"r{n}=0" for n in range(SHORT // 9)),
    "many ratio terms": " ".join("a:1" for _ in range(SHORT // 4)),
    "repo of dashes": "a/" + "b-" * (SHORT // 2) + "=1",
    "exponents": "a=1e" + "9" * SHORT,
    "revision": "a/b@" + "./" * (SHORT // 2) + "=1",
    "too long by far": "a=1," * 5_000_000,
}


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY.keys())
def test_refused_soon(text):
    start = time.perf_counter()
    with pytest.raises(InvalidInput) as caught:
        Preference.parse(text)
    assert time.perf_counter() - start < 1.0
    assert len(caught.value.message) < 400
    assert len(caught.value.where) < 200


def test_thousands_of_unknown_names_are_refused_soon():
    count = 2_000
    preference = Preference.parse(" ".join(f"r{n}:1" for n in range(count)))
    start = time.perf_counter()
    with pytest.raises(InvalidInput) as caught:
        check_names(preference, {f"reward-{n}" for n in range(500)})
    assert time.perf_counter() - start < 2.0
    assert len(caught.value.problems) == count


def test_time_grows_with_length_and_not_with_its_square():
    def seconds(text):
        best = 1.0
        for _ in range(5):
            start = time.perf_counter()
            Preference.parse(text)
            best = min(best, time.perf_counter() - start)
        return best

    short = seconds(" ".join(f"r{n}:1" for n in range(200)))
    assert seconds(" ".join(f"r{n}:1" for n in range(2_000))) < 40 * short


def test_a_bell_or_an_escape_sequence_never_reaches_the_terminal():
    for text in ("\x1b[31m=1", '"./\x07"=1', "a=1\x1b]0;x", "\u202ea=1"):
        with pytest.raises(InvalidInput) as caught:
            Preference.parse(text)
        assert (caught.value.message + caught.value.where + caught.value.remedy).isprintable()
