"""Rewards of installed packages: found by their metadata alone, pinned to a version, and their answers checked."""

import math

import numpy as np
import pytest

from rshub.errors import Incompatible, InvalidInput, NotFound, RshubError
from rshub.rewards.samples import TextSample
from rshub.rewards.spec import reward_from_spec

SAMPLES = [TextSample(prompt="p", completion=text, references=("a",)) for text in ("please", "now", "")]
CODE = """
import numpy as np

def polite(samples, context):
    "One for a please, nothing known of silence."
    return [None if not s.completion else float("please" in s.completion) for s in samples]

def rude(samples, context):
    return np.array([len(s.completion) for s in samples])

rude.direction, rude.range, rude.needs_references, rude.about = "min", (0, 99), True, "letters"

def raises(samples, context):
    raise KeyError("lost")

def leaves(samples, context):
    raise SystemExit(0)

def interrupted(samples, context):
    raise KeyboardInterrupt

def short(samples, context):
    return [1.0]

def none(samples, context):
    return None

def not_a_number(samples, context):
    return [0.0, float("nan"), 0.0]

def words(samples, context):
    return ["good", "bad", "ugly"]

def sideways(samples, context):
    return [0.0] * len(samples)

sideways.direction = "left"

class Kind:
    pass
"""
NAMES = [
    "polite",
    "rude",
    "raises",
    "leaves",
    "interrupted",
    "short",
    "none",
    "not_a_number",
    "words",
    "sideways",
    "Kind",
]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Give a function that installs a package with rewards, as pip would leave it."""

    def installed(package="kind-words", version="1.2", names=None, module="kind_words_of_a_test", code=CODE):
        site = tmp_path / f"{package}-{version}"
        info = site / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        names = names or NAMES
        lines = [f"{name} = {module}:{name}" for name in names]
        (info / "entry_points.txt").write_text(
            "\n".join(["[rshub.rewards]", *lines, f"lost = {module}:nowhere"]) + "\n"
        )
        (site / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(str(site))
        return site

    return installed


def test_an_installed_function_scores_and_none_is_no_score(install):
    install()
    reward = reward_from_spec("entrypoint:polite").pin(None)
    assert reward.spec == "entrypoint:kind-words/polite@1.2"
    assert reward.asked == "entrypoint:polite"
    scores = reward(SAMPLES, {})
    assert list(scores[:2]) == [1.0, 0.0]
    assert math.isnan(scores[2])
    assert (reward.direction, reward.needs_references) == ("max", False)
    again = reward_from_spec(reward.spec)
    assert again.pinned
    assert again.digest == reward.digest == reward_from_spec("entrypoint:Kind_Words/polite").pin(None).digest
    mixed = reward_from_spec("2*entrypoint:polite + metric:length").pin(None)
    np.testing.assert_allclose(mixed(SAMPLES[:2]), [3, 1])


def test_what_the_function_says_of_itself_counts(install):
    install()
    reward = reward_from_spec("entrypoint:rude").pin(None)
    assert reward.spec == "entrypoint:kind-words/rude@1.2#direction=min"
    assert (reward.direction, reward.range, reward.needs_references) == ("min", (0, 99), True)
    assert list(reward(SAMPLES)) == [6, 3, 0]
    assert reward_from_spec(reward.spec).direction == "min"
    assert reward_from_spec("-entrypoint:rude").pin(None).direction == "max"
    with pytest.raises(Incompatible, match="the function says direction min"):
        reward_from_spec("entrypoint:rude#direction=max").pin(None)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("raises", "it raised KeyError: 'lost'"),
        ("leaves", "it raised SystemExit: 0"),
        ("short", "it gave 1 scores for 3 samples"),
        ("none", "it raised TypeError"),
        ("not_a_number", "its score of sample 1 is nan; None says that a sample is not scored"),
        ("words", "its score of sample 0 is 'good', no number"),
    ],
)
def test_a_wrong_answer_is_an_error_that_names_the_reward(install, name, why):
    install()
    with pytest.raises(RshubError) as caught:
        reward_from_spec(f"entrypoint:{name}").pin(None)(SAMPLES)
    assert caught.value.message.startswith(f"entrypoint:kind-words/{name}@1.2: {why}")


def test_an_interruption_is_no_fault_of_a_reward(install):
    install()
    with pytest.raises(KeyboardInterrupt):
        reward_from_spec("entrypoint:interrupted").pin(None)(SAMPLES)


def test_a_package_that_exits_when_it_is_imported_is_named(install):
    install("leaver", names=("gone",), module="leaver_of_a_test", code="raise SystemExit(0)")
    with pytest.raises(RshubError, match="importing leaver_of_a_test:gone raised SystemExit"):
        reward_from_spec("entrypoint:gone").pin(None)


def test_what_cannot_be_a_reward_is_refused_before_it_scores(install):
    install()
    for name, why in (
        ("Kind", "is no function"),
        ("lost", "importing .*nowhere raised"),
        ("sideways", "neither max nor"),
    ):
        with pytest.raises(RshubError, match=why):
            reward_from_spec(f"entrypoint:{name}").pin(None)


def test_packages_versions_and_names_must_be_clear(install):
    install()
    with pytest.raises(NotFound, match="did you mean 'polite'"):
        reward_from_spec("entrypoint:polit").pin(None)
    with pytest.raises(NotFound, match="no installed package offers the reward 'other/polite'"):
        reward_from_spec("entrypoint:other/polite").pin(None)
    with pytest.raises(Incompatible, match=r"version 1\.1 is asked for, 1\.2 is installed"):
        reward_from_spec("entrypoint:polite@1.1").pin(None)
    with pytest.raises(Incompatible, match=r"version 1\.1 is asked for, 1\.2 is installed"):
        reward_from_spec("entrypoint:kind-words/polite@1.1")(SAMPLES)
    install("kinder-words", "3", names=("polite",), module="kinder_words_of_a_test")
    with pytest.raises(InvalidInput, match="several packages offer it") as caught:
        reward_from_spec("entrypoint:polite").pin(None)
    assert "entrypoint:kind-words/polite, entrypoint:kinder-words/polite" in caught.value.remedy
    assert reward_from_spec("entrypoint:kinder-words/polite").pin(None).spec == "entrypoint:kinder-words/polite@3"


def test_reading_a_spec_runs_no_code_and_a_pinned_one_is_known_without_its_package(install, tmp_path):
    mark = tmp_path / "ran"
    install("loud", names=("loud",), module="loud_of_a_test", code=f"open({str(mark)!r}, 'w')\nloud = len\n")
    reward = reward_from_spec("entrypoint:loud/loud@1.2")
    assert reward.digest
    assert not mark.exists()
    elsewhere = reward_from_spec("entrypoint:not-here/polite@1.0#direction=min")
    assert elsewhere.pin(None).digest == elsewhere.digest
    assert elsewhere.direction == "min"
    assert elsewhere.range == (-float("inf"), float("inf"))
    with pytest.raises(NotFound, match="no installed package offers"):
        elsewhere.make_ready()
