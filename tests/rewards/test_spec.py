"""A reward string means one thing, has one identity, and scores what it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rshub.errors import InvalidInput
from rshub.rewards.samples import TextSample
from rshub.rewards.spec import reward_from_spec

SAMPLES = [
    TextSample(prompt="p", completion="the cat sat", references=("the cat sat on the mat",)),
    TextSample(prompt="p", completion="a dog", references=("the cat sat on the mat", "a dog barked")),
    TextSample(prompt="p", completion="no references"),
]
NAMES = ["metric:rouge1.recall", "metric:rouge1.precision", "metric:rouge_l.fmeasure", "metric:length", "lexicon:vader"]
NUMBERS = st.floats(-100, 100, allow_nan=False).map(lambda number: round(number, 3))


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("metric:length", "metric:length"),
        (" - metric:length ", "-metric:length"),
        ("1*metric:length", "metric:length"),
        (
            "0.50*metric:rouge1.recall+.5*metric:length".replace("+.5", "+0.5"),
            "0.5*metric:length + 0.5*metric:rouge1.recall",
        ),
        ("metric:length - 2e-1*metric:rouge1.recall", "metric:length - 0.2*metric:rouge1.recall"),
        ("metric:length + metric:length", "2*metric:length"),
        ("metric:rouge1.recall + metric:length - metric:length", "metric:rouge1.recall"),
        ("metric:length + -1*metric:rouge1.recall".replace("+ -", "- "), "metric:length - metric:rouge1.recall"),
    ],
)
def test_a_spec_has_one_canonical_form(written, canonical):
    assert reward_from_spec(written).spec == canonical
    assert reward_from_spec(canonical).spec == canonical
    assert reward_from_spec(written).digest == reward_from_spec(canonical).digest


@given(st.dictionaries(st.sampled_from(NAMES), NUMBERS.filter(bool), min_size=1))
def test_canonical_form_round_trips_and_scores_are_the_weighted_sum(terms):
    text = " ".join(f"{'-' if value < 0 else '+'} {abs(value)!r}*{name}" for name, value in terms.items())
    reward = reward_from_spec(text)
    again = reward_from_spec(reward.spec)
    assert (again.spec, again.digest, dict(again.terms)) == (reward.spec, reward.digest, terms)
    expected = sum(value * reward_from_spec(name)(SAMPLES) for name, value in terms.items())
    np.testing.assert_allclose(reward(SAMPLES, {}), expected, rtol=1e-12, atol=1e-12)


def test_different_rewards_have_different_digests():
    specs = [*NAMES, *(f"-{name}" for name in NAMES), "0.5*metric:length", "metric:length + metric:rouge1.recall"]
    assert len({reward_from_spec(spec).digest for spec in specs}) == len(specs)


def test_scores_are_float64_one_for_each_sample_and_nan_where_not_scored():
    scores = reward_from_spec("-metric:rouge1.recall")(SAMPLES, {})
    assert scores.dtype == np.float64
    assert scores.shape == (3,)
    assert scores[:2] == pytest.approx([-3 / 6, -(0 / 6 + 2 / 3) / 2])
    assert np.isnan(scores[2])
    assert np.isnan(reward_from_spec("metric:length + metric:rouge1.recall")(SAMPLES, {})[2])
    assert reward_from_spec("metric:length")([], {}).shape == (0,)


@pytest.mark.parametrize(
    ("spec", "digest"),
    [
        ("metric:rouge1.recall", "499aeb608dd98ae8accb028d42779a79520aa3538a48312c2b835017b33eb0f1"),
        ("metric:rouge1.precision", "f27f0b6a55250bc7c07fa35853243315e52f6e3c030e0d9cb43b0dc8a1b897a4"),
        ("metric:rouge1", "3e4257500c0db47298f2d279ac33c1bbd7fe78e9f178d143ee6a13bc623eb167"),
        ("-metric:length", "592a3d7b723c6ed7982f8de17b028308665b194c7886f2bf20d612d19cf8abf1"),
        (
            "0.5*metric:length + 0.5*metric:rouge1.recall",
            "867fde95de28b9928a5554366327672137c6d4267859b434a1b7d88a59abe6ca",
        ),
    ],
)
def test_digests_of_the_first_release_stay_what_they_were(spec, digest):
    assert reward_from_spec(spec).digest == digest


def test_ranges_and_directions_follow_the_terms():
    assert reward_from_spec("metric:rouge1.recall").range == (0, 1)
    assert reward_from_spec("-2*lexicon:vader").range == (-2, 2)
    assert reward_from_spec("metric:rouge1.recall - metric:rouge_l").range == (-1, 1)
    assert reward_from_spec("-metric:length").range == (-float("inf"), 0)
    assert reward_from_spec("hf:org/model#index=1").range == (-float("inf"), float("inf"))
    assert reward_from_spec("hf:org/model#difference=a-b,activation=softmax").range == (-1, 1)
    assert reward_from_spec("-metric:length").direction == "max"
    assert not reward_from_spec("metric:length + lexicon:vader").needs_references
    assert reward_from_spec("metric:length + metric:cider").needs_references


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_what_can_move_has_no_digest_until_it_is_pinned():
    loose, fixed = reward_from_spec("hf:org/model#label=good"), reward_from_spec(f"hf:org/model@{COMMIT}#label=good")
    assert fixed.pinned
    assert len({fixed.digest, reward_from_spec(f"hf:org/model@{COMMIT}#label=bad").digest}) == 2
    assert not loose.pinned
    with pytest.raises(InvalidInput, match="hf:org/model#label=good may mean another thing tomorrow"):
        loose.digest  # noqa: B018
    with pytest.raises(InvalidInput, match="no hub to fetch it from"):
        loose.pin(None)


class Source:
    """A hub on which every revision is one commit."""

    endpoint = "http://127.0.0.1:1"
    commit = COMMIT
    files = ("config.json", "model.safetensors")

    def info(self, repo_id, revision=None):
        return self


def test_terms_that_turn_out_the_same_are_added_up():
    asked = "0.5*hf:org/model + 0.25*hf:org/model@main + metric:length"
    pinned = reward_from_spec(asked).pin(Source())
    assert pinned.spec == f"0.75*hf:org/model@{COMMIT} + metric:length"
    assert pinned.asked == reward_from_spec(asked).spec
    assert reward_from_spec(pinned.spec).digest == pinned.digest
    assert reward_from_spec("metric:length").pin(Source()).asked is None
    with pytest.raises(InvalidInput, match="all of its terms are zero"):
        reward_from_spec("hf:org/model - hf:org/model@main").pin(Source())


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("hf:org/model#input=joined,label=good,activation=none", "hf:org/model#label=good"),
        (
            "hf:org/model#max_length=9,activation=sigmoid,index=1",
            "hf:org/model#index=1,activation=sigmoid,max_length=9",
        ),
        ('hf:org/model#label="5 stars"', 'hf:org/model#label="5 stars"'),
        ('hf:org/model#label="good"', "hf:org/model#label=good"),
        ("hf:org/model#label=not-good", "hf:org/model#label=not-good"),
        ('hf:org/model#difference="not-good"-good', 'hf:org/model#difference="not-good"-good'),
        ('hf:org/model#difference=good-"a, b"', 'hf:org/model#difference=good-"a, b"'),
        (
            'hf:org/m#template="{prompt}\\n\\"{completion}\\""+metric:length',
            'hf:org/m#template="{prompt}\\n\\"{completion}\\"" + metric:length',
        ),
        ('hf:org/model@"v1+x"', 'hf:org/model@"v1+x"'),
        ("entrypoint:polite", "entrypoint:polite"),
        ("metric:rouge_l", "metric:rouge_l.fmeasure"),
        (".5*lexicon:vader + -1.*metric:length", "0.5*lexicon:vader - metric:length"),
    ],
)
def test_options_have_one_canonical_form(written, canonical):
    assert reward_from_spec(written).spec == canonical
    assert reward_from_spec(canonical).spec == canonical


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (
            "metric:rouge1.recal",
            "column 1: there is no reward 'metric:rouge1.recal'; did you mean 'metric:rouge1.recall'",
        ),
        ("rouge1.recall", "did you mean 'metric:rouge1.recall'"),
        ("metrics:length", "did you mean 'metric:length'"),
        ("lexicon:vadr", "did you mean 'lexicon:vader'"),
        ("metric:length + 2*metric:lenght", "column 19: there is no reward 'metric:lenght'"),
        ("metric:length@main", "has no revision and no options"),
        ("metric:length#label=x", "has no revision and no options"),
        ("python:os.system", "this version knows no 'python:' rewards"),
        ("hf:model", "'model' is no repo"),
        ("hf:./folder", "'./folder' is no repo"),
        ("hf:/etc/passwd", "'/etc/passwd' is no repo"),
        ("hf:org/model@", "column 14: a revision is expected, not the end"),
        ("hf:org/model#", "column 14: an option like label=good is expected, not the end"),
        ("hf:org/model#label", "column 19: '=' is expected after 'label'"),
        ("hf:org/model#lable=x", "no option 'lable'; did you mean 'label'"),
        ("hf:org/model#label=x,label=y", "column 22: the option 'label' is there twice"),
        ("hf:org/model#label=x,index=1", "more than one of label, index and difference"),
        ("hf:org/model#index=-1", "index=-1 is no whole number"),
        ("hf:org/model#index=01", "index=01 is no whole number"),
        ("hf:org/model#max_length=0", "leaves nothing to read"),
        ("hf:org/model#difference=a", "column 25: two labels with one '-' between them"),
        ("hf:org/model#difference=a-b-c", "column 25: two labels with one '-' between them"),
        ("hf:org/model#difference=a-a", "always zero"),
        ("hf:org/model#activation=softmx", "did you mean 'softmax'"),
        ("hf:org/model#input=pairs", "did you mean 'pair'"),
        ('hf:org/model#template="{promt}{completion}"', "a template knows no {promt}"),
        ('hf:org/model#template="{prompt}"', "leaves {completion} out"),
        ('hf:org/model#template="{completion.__class__}"', "a template knows no {completion.__class__}"),
        ("hf:org/model#second={completion}", "second is the second half of a template"),
        ("hf:org/model#input=pair,template={completion}", "both input and template"),
        ('hf:org/model#label="x', "column 20: the quote is never closed"),
        ('hf:org/model#label=""', "a text in quotes is empty"),
        ('hf:org/model#label="\\q"', "column 21: an unknown escape"),
        ("entrypoint:a/b/c", "no name of an entry point"),
        ("entrypoint:./x.py", "no name of an entry point"),
        ("entrypoint:x#direction=up", "entry points have no option direction=up"),
        ("", "column 1: a term like"),
        ("metric:length metric:length", "column 15: '+' or '-' is expected between terms"),
        ("metric:length +", "column 16: a term like"),
        ("2*", "column 3: a term like"),
        ("2 metric:length", "column 3: '*' is expected after the number"),
        ("metric:length*2", "column 14: '+' or '-' is expected between terms"),
        ("metric:", "column 8: a name is expected after 'metric':"),
        ("metric:length\x00", "has no place in metric:length"),
        ("0*metric:length", "all of its terms are zero"),
        ("1e-999*metric:length", "too small for float64"),
        ("1e999*metric:length", "beyond 1e+100"),
        ("1e308*metric:length + 1e308*metric:length", "beyond 1e+100"),
        ("9e99*metric:length + 9e99*metric:length", "beyond 1e+100"),
        ("nan*metric:length", "column 4: '+' or '-' is expected"),
        ("metric:length " * 300, "more than the 2000"),
    ],
)
def test_a_bad_spec_is_refused_with_the_reason(spec, why):
    with pytest.raises(InvalidInput) as caught:
        reward_from_spec(spec)
    assert why in caught.value.message
    assert caught.value.remedy
    assert len(caught.value.message) < 300


PIECES = [
    *(
        "metric:",
        "hf:",
        "org/model",
        "@",
        "#",
        "label=",
        "difference=",
        "template=",
        '"',
        "\\",
        "-",
        "+",
        "*",
        "0.5",
        " ",
    ),
    *(
        "length",
        "lexicon:vader",
        "{completion}",
        ",",
        "=",
        "a",
        "\ud800",
        "\u2028",
        "\x00",
        "1e400",
        "entrypoint:x",
        "東",
    ),
]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=60))
def test_hostile_strings_are_refused_or_round_trip(text):
    try:
        reward = reward_from_spec(text)
    except InvalidInput as fault:
        fault.message.encode()
        return
    again = reward_from_spec(reward.spec)
    assert (again.spec, dict(again.terms)) == (reward.spec, dict(reward.terms))


LABELS = st.text(
    st.characters(exclude_characters="\x7f", exclude_categories=["Cc", "Cs"]) | st.sampled_from("\n\t"),
    min_size=1,
    max_size=9,
)


@given(LABELS, LABELS)
def test_any_label_can_be_written(first, second):
    def written(label):
        for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
            label = label.replace(plain, escaped)
        return f'"{label}"'

    (part,) = reward_from_spec(f"hf:org/model#label={written(first)}").parts.values()
    assert part.text.options == {"label": (first,)}
    assert reward_from_spec(part.name).spec == part.name
    if first != second:
        (part,) = reward_from_spec(f"hf:org/model#difference={written(first)}-{written(second)}").parts.values()
        assert part.text.options == {"difference": (first, second)}
        assert reward_from_spec(part.name).spec == part.name
