"""Laws of the preference string: it reads back what it writes, and no text does anything but parse or be refused."""

import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rshub.errors import InvalidInput
from rshub.preferences.preference import Preference

rewards = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,12}", fullmatch=True)
repos = st.from_regex(r"[A-Za-z0-9]{1,8}/[A-Za-z0-9]{1,8}(@[a-z0-9][a-z0-9._/]{0,4}[a-z0-9])?", fullmatch=True).filter(
    lambda name: ".." not in name
)
any_path = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


def quoted(path):
    return '"./' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


names = st.one_of(rewards, repos, any_path.map(quoted), st.just("init"))
finite = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)
terms = st.dictionaries(names, finite, min_size=1, max_size=6)
grammar = st.text(st.sampled_from('abz019.-_/@=:*+, "\\eEin\tA\u2212\u00a0\ud800'), max_size=40)


def parsed(text, **options):
    try:
        return Preference.parse(text, **options)
    except InvalidInput:
        return None


@given(terms)
def test_what_is_written_is_read_back(values):
    text = ", ".join(f"{name}={value!r}" for name, value in values.items())
    preference = parsed(text, extrapolate=True)
    if preference is None:  # two spellings of one directory
        return
    assert Preference.parse(str(preference), extrapolate=True) == preference
    assert str(Preference.parse(str(preference), extrapolate=True)) == str(preference)
    assert all(term.value in values.values() and term.value != 0 for term in preference.terms)
    labels = [term.label for term in preference.terms]
    assert labels == sorted(set(labels))


@given(st.dictionaries(rewards, st.floats(0, 1e300), min_size=1, max_size=8))
def test_a_ratio_sums_to_one_and_reads_back_without_extrapolation(values):
    preference = parsed(" ".join(f"{name}:{value!r}" for name, value in values.items()))
    if preference is None:
        return
    assert math.isclose(preference.total, 1.0, abs_tol=1e-12)
    assert Preference.parse(str(preference)) == preference
    whole = sum(Fraction(value) for value in values.values())
    for name, share in preference.values.items():
        if name != "init" or preference.terms:
            assert math.isclose(share, Fraction(values[name]) / whole, rel_tol=1e-9, abs_tol=1e-300)


@given(st.dictionaries(rewards.filter(lambda name: name != "init"), st.floats(0.01, 1), min_size=1, max_size=6))
def test_a_sum_means_the_same_as_assignments(values):
    assignments = ", ".join(f"{name}={value!r}" for name, value in values.items())
    formula = " + ".join(f"{value!r}*{name}" for name, value in values.items())
    assert Preference.parse(assignments, extrapolate=True) == Preference.parse(formula, extrapolate=True)


@given(st.one_of(st.text(st.characters(exclude_categories=()), max_size=60), grammar))
@example("\ud800")
@example('"./\ud800"=1')
@example("0.5*a+0.5*")
def test_no_text_raises_anything_else(text):
    for extrapolate in (False, True):
        preference = parsed(text, extrapolate=extrapolate)
        if preference is not None:
            assert Preference.parse(str(preference), extrapolate=extrapolate) == preference
            str(preference).encode()


@given(grammar.map(lambda text: text + ","))
def test_every_refusal_has_a_place_and_can_be_printed(text):
    with pytest.raises(InvalidInput) as caught:
        Preference.parse(text)
    assert caught.value.where.startswith("column ")
    f"{caught.value.message} {caught.value.where} {caught.value.remedy}".encode()
