"""A front measured from its experts: the grid, the names, and the same points as measuring each soup by itself."""

import json
import math
from itertools import product

import pytest

from rshub.errors import InvalidInput
from rshub.evaluation.front import front
from rshub.evaluation.front_grid import lattice, wanted
from rshub.evaluation.report import settings_of
from rshub.preferences.preference import Preference
from rshub.preferences.scores import Scores

REWARDS = ("recall=metric:rouge1.recall", "precision=metric:rouge1.precision", "length=metric:length")


@pytest.mark.parametrize(("count", "side"), list(product((2, 3, 4, 5), (2, 3, 4, 6))))
def test_a_lattice_has_every_mixture_of_its_steps_once(count, side):
    labels = "abcde"[:count]
    found = lattice(labels, side)
    parts = {tuple(round(point.get(label, 0.0) * (side - 1), 9) for label in labels) for point in found}
    expected = {deal for deal in product(range(side), repeat=count) if sum(deal) == side - 1}
    middle = ((side - 1) / count,) * count
    if count > 2 and (side - 1) % count:
        expected.add(tuple(round(part, 9) for part in middle))
    assert parts == expected
    assert len(found) == len(expected)
    assert all(math.fsum(point.values()) == pytest.approx(1.0, abs=1e-12) for point in found)
    assert {"a": 1.0} in found
    assert all(value > 0.0 for point in found for value in point.values())


def test_two_experts_are_measured_in_the_order_of_lambda():
    assert lattice(["x", "y"], 3) == [{"y": 1.0}, {"x": 0.5, "y": 0.5}, {"x": 1.0}]


@pytest.mark.parametrize(
    ("labels", "side", "why"),
    [
        ([], 9, "0 of one reward are named"),
        (["a"], 9, "1 of one reward is named"),
        (["a", "b"], 1, "at least two points a side"),
        (list("abcdef"), 11, "is 3003 soups, more than 1000"),
    ],
)
def test_grids_that_make_no_front_are_refused(labels, side, why):
    with pytest.raises(InvalidInput, match=why):
        lattice(labels, side)


@pytest.mark.parametrize(
    ("mixture", "text"),
    [
        ({"b": 1.0, "a": 3.0}, "a=0.75, b=0.25"),
        ({"a": 1.0, "b": -1.0}, "a=0.5, b=-0.5"),
        ({"a": -1.0, "b": -1.0}, "a=-0.5, b=-0.5"),
        (dict.fromkeys("abc", 1.0), ", ".join(f"{name}={1 / 3!r}" for name in "abc")),
    ],
)
def test_what_a_model_was_trained_on_is_written_in_shares(mixture, text):
    assert wanted(mixture) == text
    values = Preference.parse(text, extrapolate=True).values
    assert math.fsum(map(abs, values.values())) == pytest.approx(1.0, abs=1e-15)


def test_answers_are_shown_along_lambda_or_of_each_expert():
    grid = lattice(["x", "y"], 9)
    assert list(settings_of(["x", "y"], grid)) == [
        "start", "only y", "x 0.25, y 0.75", "x 0.5, y 0.5", "x 0.75, y 0.25", "only x",
    ]  # fmt: skip
    assert list(settings_of(["x", "y"], lattice(["x", "y"], 2))) == ["start", "only y", "only x"]
    shown = settings_of(list("xyz"), lattice("xyz", 4))
    assert list(shown) == ["start", "only x", "only y", "only z", "x 0.333, y 0.333, z 0.333"]
    assert shown["x 0.333, y 0.333, z 0.333"] in lattice("xyz", 4)


@pytest.fixture(scope="module")
def measured(kitchen, tmp_path_factory):
    """The front of the kitchen's experts, its page, and what progress was told."""
    folder = tmp_path_factory.mktemp("front")
    told = []
    result = front(
        [f"precise={kitchen / 'precision'}", kitchen / "recall", kitchen / "morl"],
        base=str(kitchen / "base"),
        grid=3,
        rewards=REWARDS,
        prompts=kitchen / "test.jsonl",
        limit=12,
        max_new_tokens=8,
        ensemble=True,
        ledger=folder / "ledger",
        out=folder / "scores.json",
        plot=folder / "front.png",
        report=folder / "page",
        progress=lambda done, total: told.append((done, total)),
    )
    return folder, result, told


def test_the_grid_the_morl_run_and_the_start_are_measured(measured):
    folder, result, told = measured
    scores = Scores.load(folder / "scores.json")
    assert [(point.kind, point.coefficients, point.preference) for point in scores.points] == [
        ("expert", {"recall": 1.0}, None),
        ("soup", {"precise": 0.5, "recall": 0.5}, None),
        ("expert", {"precise": 1.0}, None),
        ("ensemble", {"precise": 0.5, "recall": 0.5}, None),
        ("morl", None, "precision=0.5, recall=0.5"),
        ("init", {}, None),
    ]
    assert list(scores.rewards) == ["recall", "precision", "length"]
    assert all(len(score.samples) == 12 for point in scores.points for score in point.rewards.values())
    assert told[-1] == (120, 120)  # 6 models and the answers of 4 settings, 12 prompts each
    assert (scores.unknown["base"]["name"], scores.unknown["prompts"]["count"]) == ("base", 12)
    assert set(scores.unknown["experts"]) == {"precise", "recall", "morl"}
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")
    assert set(result["points"].items()) >= {("soup", 1), ("expert", 2), ("morl", 1), ("init", 1)}
    assert "checks" not in result


def test_a_soup_of_the_grid_is_the_soup_that_evaluate_measures(measured, kitchen):
    from rshub.evaluation.evaluate import evaluate

    folder, _, _ = measured
    wanted = f'"{kitchen / "recall"}"=0.5, "{kitchen / "precision"}"=0.5'
    alone = evaluate(
        [wanted], base=str(kitchen / "base"), rewards=REWARDS, prompts=kitchen / "test.jsonl", limit=12,
        max_new_tokens=8, remember=False,
    )  # fmt: skip
    here = Scores.load(folder / "scores.json").points[1]
    assert {name: score.samples for name, score in here.rewards.items()} == {
        name: score.samples for name, score in alone.points[0].rewards.items()
    }


def test_the_page_shows_who_was_trained_how_and_what_was_answered(measured, kitchen):
    folder, _, _ = measured
    text = (folder / "page" / "index.html").read_text()
    assert "not published; the folder precision" in text
    assert str(kitchen) not in text  # where things lie on this machine is nobody's business
    steps = json.loads((kitchen / "recall" / "training.json").read_text())["steps"]
    assert f"<dt>steps</dt><dd>{steps}</dd>" in text
    assert text.count("<h3>Question") == 3
    for setting in ("start", "only recall", "precise 0.5, recall 0.5", "only precise"):
        assert text.count(f"<h4>{setting}</h4>") == 3
    assert "No answers came with these measurements" not in text
    first = json.loads((kitchen / "test.jsonl").read_text().splitlines()[0])["prompt"]
    assert first[:20] in text


def test_nothing_is_written_twice(measured, kitchen, monkeypatch):
    from rshub.evaluation.workbench import Workbench

    folder, result, _ = measured

    def refuse(*_, **__):
        raise AssertionError("a text was written again")

    monkeypatch.setattr(Workbench, "write", refuse)
    again = front(
        [f"precise={kitchen / 'precision'}", kitchen / "recall", kitchen / "morl"], base=str(kitchen / "base"), grid=3,
        ensemble=True, rewards=REWARDS, prompts=kitchen / "test.jsonl", limit=12, max_new_tokens=8,
        ledger=folder / "ledger", report=folder / "again",
    )  # fmt: skip
    assert {**again, "notes": []} == {**result, "notes": []}  # one of them is about the picture
    assert (folder / "again" / "index.html").read_bytes() == (folder / "page" / "index.html").read_bytes()


def test_names_that_are_there_twice_are_refused(kitchen):
    for experts, why in (
        ([f"a={kitchen / 'recall'}", f"a={kitchen / 'precision'}"], "'a' is the name of two experts"),
        ([f"init={kitchen / 'recall'}", kitchen / "precision"], "'init' names the start"),
        ([kitchen / "recall", kitchen / "recall"], "'recall' is the name of two experts"),
        ([kitchen / "recall", kitchen / "morl"], "1 of one reward is named"),
    ):
        with pytest.raises(InvalidInput, match=why):
            front(experts, base=str(kitchen / "base"), grid=3, rewards=REWARDS, prompts=kitchen / "test.jsonl")


def test_experts_beside_scores_are_only_described(measured, kitchen, tmp_path):
    folder, result, _ = measured
    again = front([kitchen / "recall"], scores=folder / "scores.json", report=tmp_path / "page")
    assert {**again, "notes": []} == {**result, "notes": []}  # one of them is about the picture
    text = (tmp_path / "page" / "index.html").read_text()
    assert "not published; the folder recall" in text
    assert "No answers came with these measurements" in text
