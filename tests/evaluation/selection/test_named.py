"""What the experts of a selection are called, on the embedded hub; and coefficients written as what composes them."""

import json
import shutil

import pytest

from rshub.errors import Incompatible, InvalidInput
from rshub.evaluation.front_grid import describe_experts
from rshub.evaluation.selection.named import as_preference, offered
from rshub.preferences.policy import Policy
from rshub.preferences.preference import Preference


@pytest.fixture
def pair(registry):
    for who, reward in (("ada", "recall"), ("ben", "precision")):
        registry.expert(f"{who}/{reward}-expert", reward, spec=f"metric:rouge1.{reward}")
    return registry


def ask(registry, *experts, rules=None):
    return offered(experts, base="lab/base", rules=rules, endpoint=registry.endpoint, token=None)


def test_an_expert_is_called_by_its_reward_or_as_it_is_told(pair):
    found = ask(pair, "ada/recall-expert", "sharp=ben/precision-expert")
    assert {name: (one.place, one.repo, one.reward) for name, one in found.items()} == {
        "recall": ("ada/recall-expert", "ada/recall-expert", "recall"),
        "sharp": ("ben/precision-expert", "ben/precision-expert", "precision"),
    }


def test_a_folder_is_called_by_what_it_was_trained_on_or_by_its_own_name(pair, tmp_path):
    plain = pair.adapters["ada/recall-expert"].folder
    assert list(ask(pair, str(plain), f"mine={plain}")) == [plain.name, "mine"]
    for name, mixture in (("one", {"brief": 1.0}), ("two", {"brief": 1.0}), ("both", {"brief": 0.5, "kind": 0.5})):
        shutil.copytree(plain, tmp_path / name)
        (tmp_path / name / "training.json").write_text(json.dumps({"mixture": mixture}))
    assert list(ask(pair, str(tmp_path / "one"), str(tmp_path / "both"))) == ["brief", "both"]
    assert list(ask(pair, str(tmp_path / "one"), str(tmp_path / "two"))) == ["one", "two"]


def test_a_front_calls_them_alike(pair):
    folder = pair.adapters["ben/precision-expert"].folder
    experts = ["ada/recall-expert", f"{folder}", "sharp=ben/precision-expert"]
    described = describe_experts(experts, endpoint=pair.endpoint)
    assert [sheet.label for sheet in described] == list(ask(pair, *experts)) == ["recall", folder.name, "sharp"]


@pytest.mark.parametrize(
    ("experts", "said"),
    [
        (("ada/recall-expert", "recall=ben/precision-expert"), "'recall' is the name of two experts"),
        (("init=ada/recall-expert",), "'init' names the start"),
        (("Loud=ada/recall-expert",), "is no name"),
        (("recall",), "is no repo"),
    ],
)
def test_names_that_cannot_be_are_refused(pair, experts, said):
    with pytest.raises(InvalidInput, match=said):
        ask(pair, *experts)


def test_a_policy_denies(pair):
    rules = Policy.parse(json.dumps({"schema": "rshub.policy/1", "deny": ["ben/*"]}).encode())
    assert ask(pair, "ada/recall-expert", rules=rules)
    with pytest.raises(Incompatible):
        ask(pair, "ada/recall-expert", "ben/precision-expert", rules=rules)


def test_coefficients_are_written_as_a_preference_of_places():
    text = as_preference({"a": 0.25, "b": 0.5, "c": 0.0, "init": 0.25}, {"a": "org/x@v1", "b": "./my dir", "c": "o/c"})
    read = Preference.parse(text)
    assert read.values == {"org/x@v1": 0.25, "./my dir": 0.5, "init": 0.25}
    assert as_preference({"helpful": 0.5, "R 1": 0.5}, {}) is None
