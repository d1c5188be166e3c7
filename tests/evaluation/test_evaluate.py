"""Folders, locks and preferences are measured alike, on the same texts; what cannot be measured is refused."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from rshub.errors import Incompatible, InvalidInput, MissingExtra, NotFound, OutputError
from rshub.evaluation.evaluate import evaluate
from rshub.evaluation.ledger import Ledger
from rshub.evaluation.named_rewards import named_rewards
from rshub.fronts.front import front
from rshub.localhub import LocalHub
from rshub.preferences.scores import Scores

REWARDS = {"recall": "metric:rouge1.recall", "precision": "metric:rouge1.precision"}


def measured(kitchen, *soups, **options):
    defaults = {"rewards": REWARDS, "prompts": kitchen / "test.jsonl", "max_new_tokens": 12, "remember": False}
    return evaluate(soups, **(defaults | options))


def means(point):
    return {name: score.mean for name, score in point.rewards.items()}


def test_one_soup_named_four_ways_scores_the_same(kitchen, tmp_path):
    """A preference, its lock, the composed adapter and the composed model all write the same texts."""
    from rshub.soups.compose import compose

    base, both = str(kitchen / "base"), f"{kitchen}/recall=0.5, {kitchen}/precision=0.5"
    compose(both, base=base, out=tmp_path / "model")
    compose(both, base=base, out=tmp_path / "adapter", format="adapter")
    scores = measured(
        kitchen, both, str(tmp_path / "model/soup.lock.json"), str(tmp_path / "model"), str(tmp_path / "adapter"),
        base=base,
    )  # fmt: skip
    assert [point.kind for point in scores.points] == ["soup"] * 4
    assert all(point.coefficients == {"recall": 0.5, "precision": 0.5} for point in scores.points)
    for point in scores.points[1:]:
        assert means(point) == pytest.approx(means(scores.points[0]), abs=1e-9)


def test_folders_are_told_apart(kitchen):
    scores = measured(
        kitchen, *(str(kitchen / name) for name in ("recall", "morl", "base")), base=str(kitchen / "base")
    )
    assert [point.kind for point in scores.points] == ["expert", "morl", "init"]
    assert [point.coefficients for point in scores.points] == [{"recall": 1.0}, None, {}]
    assert [point.unknown["label"] for point in scores.points] == ["recall", "morl", "base"]
    assert means(scores.points[0]) != means(scores.points[2])


def test_a_relative_folder_and_a_hidden_base_are_found(kitchen, monkeypatch):
    monkeypatch.chdir(kitchen)
    (scores,) = measured(kitchen, "./recall").points
    assert scores.kind == "expert"


def test_experts_from_a_hub_by_their_rewards(kitchen, tmp_path):
    from rshub.experts.publish import publish
    from rshub.hub.client import Hub

    with LocalHub(tmp_path / "hub") as served:
        token = served.add_user("ada")
        hub = Hub(served.endpoint, token)
        hub.create_repo("ada/base")
        files = {path.name: path for path in (kitchen / "base").iterdir()}
        hub.commit("ada/base", files, message="A base")
        hub.create_repo("ada/prompts", repo_type="dataset")
        rows = {"test.jsonl": kitchen / "test.jsonl"}
        hub.commit("ada/prompts", rows, message="Prompts", repo_type="dataset")
        for name, spec in REWARDS.items():
            publish(
                kitchen / name, f"ada/{name}", reward=name, spec=spec, base="ada/base", license="mit",
                endpoint=served.endpoint, token=token,
            )  # fmt: skip
        scores = measured(
            kitchen, "recall=1", "recall=0.25, precision=0.75", base="ada/base", prompts="ada/prompts:test",
            endpoint=served.endpoint, token=token,
        )  # fmt: skip
    local = measured(
        kitchen, str(kitchen / "recall"), f"{kitchen}/recall=0.25, {kitchen}/precision=0.75", base=str(kitchen / "base")
    )
    assert [point.coefficients for point in scores.points] == [{"recall": 1.0}, {"recall": 0.25, "precision": 0.75}]
    assert [means(point) for point in scores.points] == [means(point) for point in local.points]


def test_an_experts_folder_says_its_reward_and_is_judged_against_the_base(kitchen, tmp_path):
    """A published expert that was downloaded: its manifest names the reward, and the weights of its base."""
    from rshub.experts.publish import publish
    from rshub.hub.client import Hub

    with LocalHub(tmp_path / "hub") as served:
        token = served.add_user("ada")
        hub = Hub(served.endpoint, token)
        hub.create_repo("ada/base")
        hub.commit("ada/base", {path.name: path for path in (kitchen / "base").iterdir()}, message="A base")
        done = publish(
            kitchen / "recall", "ada/some-name", reward="mentions", base="ada/base", license="mit",
            endpoint=served.endpoint, token=token,
        )  # fmt: skip
        fetched = hub.download("ada/some-name", list(done.files), commit=done.commit)
        folder = shutil.copytree(fetched, tmp_path / "some-name")
    assert not (folder / "training.json").exists()
    (point,) = measured(kitchen, str(folder), base=str(kitchen / "base")).points
    assert (point.kind, point.coefficients) == ("expert", {"mentions": 1.0})

    other = shutil.copytree(kitchen / "base", tmp_path / "other")
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1  # another base of the same shapes
    (other / "model.safetensors").write_bytes(weights)
    for soup in (str(folder), f"{folder}=1"):
        with pytest.raises(Incompatible, match="trained on another base"):
            measured(kitchen, soup, base=str(other))


def test_experts_that_continue_an_adapter_are_anchored_to_it_as_composing_does(kitchen, tmp_path):
    from rshub.soups.compose import compose
    from rshub.soups.lock import SoupLock
    from rshub.soups.resolve import resolve

    base, soup = str(kitchen / "base"), f"{kitchen}/recall=0.25, {kitchen}/precision=0.25, init=0.5"
    resolve(soup, base=base, lock=tmp_path / "lock.json")
    written = json.loads((tmp_path / "lock.json").read_text())
    pins = {expert["label"]: expert for expert in written["experts"]}
    start = {key: pins[f"{kitchen}/recall"][key] for key in ("path", "files")}
    (tmp_path / "lock.json").write_text(json.dumps(written | {"init": start}))
    assert SoupLock.load(tmp_path / "lock.json").init is not None
    compose(str(tmp_path / "lock.json"), out=tmp_path / "soup")
    # anchored to the recall expert itself, the soup is three quarters of it
    same = f"{kitchen}/recall=0.75, {kitchen}/precision=0.25"
    scores = measured(kitchen, str(tmp_path / "lock.json"), str(tmp_path / "soup"), same, base=base)
    assert means(scores.points[0]) == pytest.approx(means(scores.points[1]), abs=1e-9)
    assert means(scores.points[0]) == pytest.approx(means(scores.points[2]), abs=1e-9)
    assert scores.points[0].coefficients == {"recall": 0.25, "precision": 0.25}


def test_a_start_that_counts_for_nothing_is_not_looked_for(kitchen, tmp_path):
    from rshub.soups.resolve import resolve

    soup = f"{kitchen}/recall=0.7, {kitchen}/precision=0.2, {kitchen}/morl=0.1"
    assert 0.7 + 0.2 + 0.1 != 1
    resolve(soup, base=str(kitchen / "base"), lock=tmp_path / "lock.json")
    written = json.loads((tmp_path / "lock.json").read_text())
    gone = {"path": str(tmp_path / "gone"), "files": written["experts"][0]["files"]}
    (tmp_path / "lock.json").write_text(json.dumps(written | {"init": gone}))
    (point,) = measured(kitchen, str(tmp_path / "lock.json"), limit=1).points
    assert point.kind == "soup"


def test_the_file_is_what_was_returned_and_a_front_can_be_drawn_from_it(kitchen, tmp_path):
    soups = [f"{kitchen}/recall={1 - share}, {kitchen}/precision={share}" for share in (0, 0.5, 1)]
    told = []
    scores = measured(
        kitchen,
        *soups,
        base=str(kitchen / "base"),
        seeds=2,
        limit=6,
        out=tmp_path / "deep" / "scores.json",
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(number * 6, 36) for number in range(1, 7)]
    assert Scores.load(tmp_path / "deep" / "scores.json").to_json() == scores.to_json()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["scores.json"]
    assert all(point.rewards["recall"].n == 12 for point in scores.points)
    value = scores.to_json()
    assert value["prompts"]["count"] == 6
    assert (value["generation"]["seeds"], value["generation"]["temperature"]) == (2, 1.0)
    assert value["rewards"]["recall"]["spec"] == REWARDS["recall"]
    assert front(scores=scores)["connectivity"]["recall"] is not None


@pytest.mark.parametrize(("kind", "value"), [("completions", None), ("completions", {"a": 1}), ("scores", "6")])
def test_an_entry_of_the_ledger_that_holds_something_else_is_made_again(kitchen, tmp_path, kind, value):
    """Its digest is right: somebody wrote it so."""
    kept = {"ledger": tmp_path / "ledger", "remember": True, "limit": 3}
    before = measured(kitchen, str(kitchen / "recall"), **kept)
    paths = list((tmp_path / "ledger" / kind).rglob("*.json"))
    assert paths
    for path in paths:
        entry = json.loads(path.read_bytes())
        Ledger(tmp_path / "ledger").keep(kind, entry["key"], [value] * len(entry["value"]))
    after = measured(kitchen, str(kitchen / "recall"), **kept)
    assert means(after.points[0]) == means(before.points[0])


def test_rewards_are_named_by_hand_or_by_their_metric():
    named = named_rewards(["metric:rouge1.recall", "short=-metric:length", "both=metric:length + metric:rouge1.recall"])
    assert {name: reward.spec for name, reward in named.items()} == {
        "rouge1.recall": "metric:rouge1.recall",
        "short": "-metric:length",
        "both": "metric:length + metric:rouge1.recall",
    }
    models = named_rewards(["hf:org/Mood-Model@v1#label=good", "lexicon:vader"])
    assert {name: reward.spec for name, reward in models.items()} == {
        "mood-model": "hf:org/Mood-Model@v1#label=good",
        "vader": "lexicon:vader",
    }
    others = named_rewards({"m": "hf:org/m#label=good", "x": "-entrypoint:p/polite"})
    assert {name: reward.spec for name, reward in others.items()} == {
        "m": "hf:org/m#label=good",
        "x": "-entrypoint:p/polite",
    }
    for rewards in (
        [],
        {},
        {"": "metric:length"},
        ["metric:length + metric:rouge1.recall"],
        ["metric:length", "length=-metric:length"],
        ["=x"],
    ):
        with pytest.raises(InvalidInput):
            named_rewards(rewards)


@pytest.mark.parametrize(
    ("soup", "options", "error", "why"),
    [
        ("recall=1", {}, InvalidInput, "needs a base"),
        ("./nowhere", {}, NotFound, "no such folder"),
        ("./nowhere.json", {}, NotFound, "nowhere.json"),
        ("recall=0.5", {"base": "BASE"}, InvalidInput, "sum to 0.5"),
        ("recall", {"base": "BASE"}, InvalidInput, "'='"),
    ],
)
def test_what_is_no_soup_is_refused(kitchen, soup, options, error, why):
    options = {key: str(kitchen / "base") if value == "BASE" else value for key, value in options.items()}
    with pytest.raises(error, match=why):
        measured(kitchen, soup, **options)


def test_prompts_without_references_cannot_be_scored_by_overlap(kitchen, tmp_path):
    (tmp_path / "bare.jsonl").write_text('{"prompt": "luna pub =>"}\n')
    with pytest.raises(InvalidInput, match="recall: no sample could be scored"):
        measured(kitchen, str(kitchen / "recall"), prompts=tmp_path / "bare.jsonl")


@pytest.mark.parametrize(
    ("mixture", "expected"), [(None, {"odd": 1.0}), ({}, {"odd": 1.0}), (["recall"], None), ("recall", None)]
)
def test_a_summary_of_training_that_names_no_mixture(kitchen, tmp_path, mixture, expected):
    folder = shutil.copytree(kitchen / "recall", tmp_path / "odd")
    (folder / "training.json").write_text(json.dumps({"mixture": mixture}))
    if expected is None:
        with pytest.raises(InvalidInput, match="'mixture' is no object of shares"):
            measured(kitchen, str(folder), limit=1)
    else:
        (point,) = measured(kitchen, str(folder), limit=1).points
        assert (point.kind, point.coefficients) == ("expert", expected)


@pytest.mark.parametrize("options", [{"seeds": 0}, {"temperature": float("nan")}, {"max_new_tokens": 0}, {"limit": 0}])
def test_numbers_that_are_none_are_refused(kitchen, options):
    with pytest.raises(InvalidInput):
        measured(kitchen, str(kitchen / "recall"), **options)


@pytest.mark.parametrize("place", ["taken", "file/scores.json", "/proc/none/scores.json", "nul\0.json"])
def test_a_place_that_cannot_take_the_scores_is_refused_before_anything_is_measured(kitchen, tmp_path, place):
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"is a folder|cannot be written"):
        measured(kitchen, str(tmp_path / "nowhere"), limit=1, out=tmp_path / place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]


@pytest.mark.skipif(os.geteuid() != 0 and not Path("/proc").exists(), reason="needs a path that nobody can write to")
def test_scores_that_cannot_be_written_say_so(kitchen):
    with pytest.raises(OutputError, match="cannot be written"):
        measured(kitchen, str(kitchen / "recall"), limit=1, out="/proc/scores.json")


def test_an_adapter_without_a_known_base_asks_for_it(kitchen, tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / name).write_bytes((kitchen / "recall" / name).read_bytes())
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": None}))
    with pytest.raises(InvalidInput, match="base is not known"):
        measured(kitchen, str(folder))
    (point,) = measured(kitchen, str(folder), base=str(kitchen / "base")).points
    assert (point.kind, point.coefficients) == ("expert", {"plain": 1.0})


def test_what_is_not_installed_is_named(kitchen, monkeypatch):
    monkeypatch.setitem(sys.modules, "rshub.soups.mixing.mixer", None)
    with pytest.raises(MissingExtra, match="evaluating needs the extra 'train'"):
        measured(kitchen, str(kitchen / "recall"))
