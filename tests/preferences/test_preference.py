"""The preference string: what each form means, how it is written back, and where every fault is."""

import math

import pytest

from rshub.errors import InvalidInput
from rshub.preferences.preference import MAX_BYTES, Preference, PreferenceTerm, check_names


def values(text, **options):
    return Preference.parse(text, **options).values


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("helpful=0.7, concise=0.3", "concise=0.3, helpful=0.7"),
        ("0.7*helpful + 0.3*concise", "concise=0.3, helpful=0.7"),
        ("  .7 *helpful+3e-1* concise ", "concise=0.3, helpful=0.7"),
        ("helpful:3 concise:1", "concise=0.25, helpful=0.75"),
        ("helpful:3,concise:1", "concise=0.25, helpful=0.75"),
        ("helpful : 3 , concise : 1", "concise=0.25, helpful=0.75"),
        ("a:1", "a=1"),
        ("a=1.0", "a=1"),
        ("a=0.25,\n\tb=0.75", "a=0.25, b=0.75"),
        ("a=1, b=0", "a=1"),
        ("a=0.8, init=0.2", "a=0.8, init=0.2"),
        ("init:1 a:3 zeal:4", "a=0.375, init=0.125, zeal=0.5"),
        ("Org/repo=0.5, org/repo@v1.2.0=0.5", "Org/repo=0.5, org/repo@v1.2.0=0.5"),
        ("org/repo@refs/pr/1=1", "org/repo@refs/pr/1=1"),
        ("./runs/a=0.5, /data/b=0.5", "./runs/a=0.5, /data/b=0.5"),
        ('".//runs/./a/"=1', "./runs/a=1"),
        ('"./my run"=1', '"./my run"=1'),
        (r'"./a\"b\\c"=1', r'"./a\"b\\c"=1'),
        ("0.5*3d.v-2 + 0.5*7", "3d.v-2=0.5, 7=0.5"),
        ("1e-10=1", "1e-10=1"),
    ],
)
def test_forms_and_their_canonical_text(text, canonical):
    assert str(Preference.parse(text)) == canonical


def test_terms_say_what_kind_of_name_they_hold():
    terms = Preference.parse('helpful=0.25, o/r@main=0.25, ./d=0.25, "/e f"=0.25').terms
    assert terms == (
        PreferenceTerm(name="./d", kind="directory", revision=None, value=0.25),
        PreferenceTerm(name="/e f", kind="directory", revision=None, value=0.25),
        PreferenceTerm(name="helpful", kind="reward", revision=None, value=0.25),
        PreferenceTerm(name="o/r", kind="repo", revision="main", value=0.25),
    )
    assert [term.label for term in terms] == ["./d", "/e f", "helpful", "o/r@main"]


def test_the_three_forms_agree_and_hash_alike():
    forms = ["a=0.25, b=0.75", "0.75*b + 0.25*a", "b:3 a:1"]
    assert len({Preference.parse(text) for text in forms}) == 1


def test_a_ratio_of_any_scale_is_normalised():
    assert values("a:1e308 b:1e308 c:2e307")["a"] == pytest.approx(10 / 22, rel=1e-15)
    assert values("a:1 b:1 c:1") == {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}


def test_the_sum_may_miss_one_by_a_billionth_and_values_stay_as_written():
    assert values("a=0.3333333333, b=0.6666666667") == {"a": 0.3333333333, "b": 0.6666666667}
    assert values("a=0.5, b=0.5000000009")["b"] == 0.5000000009
    with pytest.raises(InvalidInput, match="sum to"):
        Preference.parse("a=0.5, b=0.500000002")


def test_extrapolation_only_when_asked_for():
    for text in ("a=-0.3, b=1.3", "-0.3*a + 1.3*b"):
        with pytest.raises(InvalidInput, match="'a' is negative") as caught:
            Preference.parse(text)
        assert "extrapolate" in caught.value.remedy
        assert values(text, extrapolate=True) == {"a": -0.3, "b": 1.3}
    preference = Preference.parse("a=0.5, b=0.9", extrapolate=True)
    assert preference.total == pytest.approx(1.4)
    assert Preference.parse(str(preference), extrapolate=True) == preference


@pytest.mark.parametrize("text", ["init=1", "a=0, init=1", "1*init + 0*a", "init:7 a:0"])
def test_the_start_alone(text):
    preference = Preference.parse(text)
    assert (preference.terms, preference.init, str(preference), preference.total) == ((), 1.0, "init=1", 1.0)


def test_all_zero_terms_are_the_start_when_extrapolating():
    assert str(Preference.parse("a=0, b=0", extrapolate=True)) == "init=1"
    assert str(Preference.parse("a=-0.0", extrapolate=True)) == "init=1"
    with pytest.raises(InvalidInput, match="sum to 0, not to 1"):
        Preference.parse("a=0, b=0")


@pytest.mark.parametrize(
    ("text", "column", "why"),
    [
        ("", 1, "nothing is written"),
        ("   ", 4, "nothing is written"),
        ("helpful", 8, "'=' or ':' is expected"),
        ("helpful 0.7", 9, "'=' or ':' is expected"),
        ("a=0,7, b=0.3", 6, "not ','"),
        ("a=0.7 b=0.3", 7, "',' is expected"),
        ("a=0.7; b=0.3", 6, "',' is expected"),
        ("a=0.7, 0.3*b", 11, r"'\*' in a preference that began with '='"),
        ("0.7*a + b=0.3", 10, r"'=' in a preference that began with '\*'"),
        ("a:1 b=2", 6, "'=' in a preference that began with ':'"),
        ("0.7*a - 0.3*b", 7, "'-' is no sign between terms"),
        ("0.7*a, 0.3*b", 6, r"'\+' is expected"),
        ("a=0.7,", 7, "a term is expected"),
        ("a=0.7,, b=0.3", 7, "a name is expected, not ','"),
        ("a=1, a=0", 6, "'a' is there twice, first in column 1"),
        ("o/r@v1=1, o/r@v1=0", 11, "twice"),
        ("./a=1, ./a/=0", 8, "twice"),
        ("init=1, init=0", 9, "twice"),
        ("a=nan", 3, "'nan' is no finite number"),
        ("a=inf", 3, "'inf'"),
        ("inf*a", 1, "'inf' is no number"),
        ("a=1_0", 3, "'1_0'"),
        ("a=0x1", 3, "'0x1'"),
        ("a=+1", 3, "no finite number"),
        ("a=--1", 3, "no finite number"),
        ("a=", 3, "not the end"),
        ("a=1e999", 3, "too large"),
        ("a=1e-999", 3, "too small"),
        ("a:-1 b:2", 3, "no negative terms"),
        ("a:0 b:0", 1, "ratio of zeros"),
        ("a:1e-320 b:1e300", 1, "vanishes"),
        ("Helpful=1", 1, "no name of a reward"),
        ("a@v1=1", 1, "revision without owner/repo"),
        ("a/b/c=1", 1, "neither owner/repo nor a directory"),
        ("../a=1", 1, "neither owner/repo nor a directory"),
        ("a/--b=1", 1, "neither"),
        ("a/b@=1", 1, "no revision"),
        ("a/b@x@y=1", 1, "no revision"),
        ("a/b@x..y=1", 1, "no revision"),
        ("./a@b=1", 1, "'@' in the directory"),
        ('"helpful"=1', 1, "in quotes is no directory"),
        ('""=1', 1, "in quotes is no directory"),
        ('"./a', 1, "never closed"),
        ('"./a\\', 5, "unknown escape"),
        (r'"./a\n"=1', 5, "unknown escape"),
        ('"./a\n"=1', 5, "control character"),
        ("a=1 #", 5, "',' is expected, not '#'"),
        ("a=\u22120.3", 3, "no finite number"),
        ("a\u00a0=1", 2, "expected after 'a'"),
    ],
)
def test_every_fault_has_its_column(text, column, why):
    with pytest.raises(InvalidInput, match=why) as caught:
        Preference.parse(text)
    assert caught.value.message.startswith(f"preference, column {column}: ")
    assert caught.value.where.startswith(f"column {column}: ")
    assert caught.value.remedy


def test_a_fault_of_case_names_the_nearest():
    with pytest.raises(InvalidInput) as caught:
        Preference.parse("Helpful=1")
    assert "did you mean 'helpful'?" in caught.value.remedy


def test_an_extrapolated_sum_must_be_finite():
    with pytest.raises(InvalidInput, match="more than float64"):
        Preference.parse("a=1.7e308, b=1.7e308", extrapolate=True)


def test_too_long_a_text_is_not_read():
    with pytest.raises(InvalidInput, match=f"{MAX_BYTES} bytes"):
        Preference.parse("a" * (MAX_BYTES + 1))
    with pytest.raises(InvalidInput, match=f"{MAX_BYTES} bytes"):
        Preference.parse("\u20ac" * (MAX_BYTES // 2))


def test_unknown_rewards_are_refused_with_column_and_nearest_name():
    preference = Preference.parse("concise=0.5, hepful=0.5, saef=0, o/r=0")
    with pytest.raises(InvalidInput) as caught:
        check_names(preference, {"helpful", "concise", "safe"})
    assert caught.value.problems == (
        "column 14: no reward 'hepful'; did you mean 'helpful'?",
        "column 26: no reward 'saef'; did you mean 'safe'?",
    )
    assert caught.value.where == "column 14: 'hepful'"
    assert "concise, helpful, safe" in caught.value.remedy
    check_names(Preference.parse("concise=0.5, o/r=0.25, ./d=0.25"), {"concise"})


def test_no_reward_on_offer():
    with pytest.raises(InvalidInput) as caught:
        check_names(Preference.parse("a=1"), ())
    assert "publish an expert first" in caught.value.remedy


def test_total_is_exact():
    assert Preference.parse(", ".join(f"r{n}=0.1" for n in range(10))).total == math.fsum([0.1] * 10) == 1.0
