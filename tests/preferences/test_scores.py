"""scores.json: what is read, what is kept, and every fault at once."""

import json

import numpy as np
import pytest

from rshub.errors import InvalidInput, NotFound
from rshub.preferences.scores import Payoff, RewardScore, Scores

FULL = {
    "schema": "rshub.scores/1",
    "made_by": "a person",
    "rewards": {"recall": {"direction": "max", "spec": "metric:rouge1.recall"}, "length": {"direction": "min"}},
    "points": [
        {
            "kind": "soup",
            "label": "half",
            "preference": "length=0.5, recall=0.5",
            "coefficients": {"recall": 0.5, "length": 0.5},
            "rewards": {"recall": {"mean": 0.5, "stderr": 0.01, "n": 200, "seed": 3}, "length": 12},
        },
        {"kind": "expert", "coefficients": {"recall": 1.0}, "rewards": {"recall": 0.75}},
        {"kind": "init", "rewards": {"recall": 0.25, "length": None}},
        {"kind": "morl", "rewards": {"recall": 0.5, "length": 9.5}},
    ],
}


def parse(document):
    return Scores.parse(json.dumps(document).encode())


def test_everything_is_read():
    scores = parse(FULL)
    assert scores.rewards == {"recall": "max", "length": "min"}
    assert [point.kind for point in scores.points] == ["soup", "expert", "init", "morl"]
    half = scores.points[0]
    assert half.rewards["recall"] == RewardScore(mean=0.5, stderr=0.01, n=200, unknown={"seed": 3})
    assert half.rewards["length"] == RewardScore(mean=12.0)
    assert half.preference == "length=0.5, recall=0.5"
    assert "length" not in scores.points[1].rewards
    assert "length" not in scores.points[2].rewards


def test_everything_is_written_back():
    written = parse(FULL).to_json()
    expected = json.loads(json.dumps(FULL))
    del expected["points"][2]["rewards"]["length"]  # null says the same as nothing
    assert written == expected
    again = Scores.parse(parse(FULL).to_bytes())
    assert again.to_json() == written
    assert list(again.rewards) == ["recall", "length"]  # the order of the axes


def test_the_schema_may_be_left_out_by_a_person():
    assert parse({key: value for key, value in FULL.items() if key != "schema"}).to_json()["schema"] == "rshub.scores/1"


def test_a_table_with_every_reward_larger_better():
    table = parse(FULL).oriented()
    np.testing.assert_array_equal(table, [[0.5, -12.0], [0.75, np.nan], [0.25, np.nan], [0.5, -9.5]])


@pytest.mark.parametrize(
    ("coefficients", "kind", "vertex"),
    [
        ({"a": 1}, "expert", "a"),
        ({"a": 1.0, "b": 0}, "soup", "a"),
        ({"a": 1.0 + 1e-12, "init": 0}, "soup", "a"),
        ({"a": 0.5, "b": 0.5}, "soup", None),
        ({"a": 1.2}, "soup", None),
        ({"a": 1, "b": 1e-3}, "soup", None),
        ({"a": 1, "init": 0.1}, "soup", None),
        ({"init": 1}, "soup", None),
        ({"a": 1}, "morl", None),
        ({"a": 1}, "init", None),
        ({}, "soup", None),
        (None, "expert", None),
    ],
)
def test_which_point_is_an_expert(coefficients, kind, vertex):
    point = {"kind": kind, "rewards": {"r": 1}} | ({} if coefficients is None else {"coefficients": coefficients})
    assert parse({"rewards": {"r": {"direction": "max"}}, "points": [point]}).points[0].vertex == vertex


def test_every_fault_is_named_with_its_path():
    with pytest.raises(InvalidInput) as caught:
        parse(
            {
                "schema": "rshub.scores/2",
                "rewards": {"recall": {"direction": "up"}, "length": {}},
                "points": [
                    {"kind": "sup", "rewards": {"recal": 1, "length": True}},
                    {"kind": "soup", "coefficients": {"a": "1", "b": 10**400}, "rewards": {"length": {"mean": "x"}}},
                    {"kind": "soup", "rewards": {"recall": {"mean": 1, "stderr": -1, "n": 0}, "length": 1e200}},
                    "soup",
                    {"rewards": []},
                ],
            }
        )
    problems = "\n".join(caught.value.problems)
    for path in (
        "schema:",
        "rewards.recall.direction:",
        "rewards.length.direction:",
        "points[0].kind: 'sup' is none of expert, init, morl, soup; soup?",
        "points[0].rewards.recal: no such reward is declared; did you mean 'recall'?",
        "points[0].rewards.length:",
        "points[1].coefficients.a:",
        "points[1].coefficients.b:",
        "points[1].rewards.length.mean:",
        "points[2].rewards.recall.stderr:",
        "points[2].rewards.recall.n:",
        "points[2].rewards.length:",
        "points[3]:",
        "points[4].kind:",
        "points[4].rewards:",
    ):
        assert path in problems, path


@pytest.mark.parametrize(
    "text",
    [
        '{"rewards": {"r": {"direction": "max"}}, "points": [{"kind": "soup", "rewards": {"r": NaN}}]}',
        '{"rewards": {"r": {"direction": "max"}}, "points": [{"kind": "soup", "rewards": {"r": 1e999}}]}',
        '{"rewards": {"r": {"direction": "max"}}, "points": [{"kind": "soup", "rewards": {"r": -Infinity}}]}',
        '{"rewards": {}, "points": []}',
        '{"rewards": {"r": {"direction": "max"}}}',
        '{"rewards": {"": {"direction": "max"}}, "points": []}',
        "[]",
        "",
    ],
)
def test_what_is_no_table_is_refused(text):
    with pytest.raises(InvalidInput):
        Scores.parse(text.encode())


def test_a_file_is_loaded_and_a_missing_one_is_not_found(tmp_path):
    path = tmp_path / "scores.json"
    path.write_bytes(parse(FULL).to_bytes())
    assert Scores.load(path) == parse(FULL)
    with pytest.raises(NotFound):
        Scores.load(tmp_path / "none.json")


def test_a_score_is_never_nan():
    with pytest.raises(InvalidInput):
        RewardScore(mean=float("nan"))


def test_payoff_from_one_hot_points(three):
    payoff = Payoff.from_scores(three)
    assert payoff.cell("a", "b") == 2.0
    assert payoff.cell("c", "c") == 3.0  # length -3, to be minimised
    with pytest.raises(InvalidInput, match="no z of the expert for a: it was not measured"):
        payoff.cell("a", "z")


def test_payoff_averages_seeds_and_takes_experts_by_their_reward(typed):
    scores = typed(
        {"a": "max"},
        {"kind": "expert", "coefficients": {"org/x": 1}, "rewards": {"a": 1}},
        {"kind": "soup", "coefficients": {"org/x": 1, "org/y": 0}, "rewards": {"a": 2}},
    )
    assert Payoff.from_scores(scores, serves={"org/x": "a"}).cell("a", "a") == 1.5


def test_two_experts_of_one_reward_have_no_single_payoff(typed):
    scores = typed(
        {"a": "max"},
        {"kind": "expert", "coefficients": {"o/x": 1}, "rewards": {"a": 1}},
        {"kind": "expert", "coefficients": {"o/y": 1}, "rewards": {"a": 2}},
    )
    with pytest.raises(InvalidInput, match="both serve a"):
        Payoff.from_scores(scores, serves={"o/x": "a", "o/y": "a"})


def test_published_scores_compare_only_on_equal_prompts():
    def row(value, prompts="p1", reward="a", **more):
        return {"reward": reward, "value": value, "split": "test", "prompts_digest": prompts} | more

    payoff = Payoff.from_published(
        {
            "a": [row(5.0, "p2"), row(3.0, n=10), row(4.0, n=100), row(1.0, reward="b")],
            "b": [row(2.0), row(7.0, reward="b"), row(1.0, reward="unknown")],
            "c": [row(9.0, "p3")],
        },
        directions={"a": "max", "b": "min"},
    )
    assert payoff.cells == {("a", "a"): 4.0, ("b", "a"): 2.0, ("a", "b"): -1.0, ("b", "b"): -7.0}
    with pytest.raises(InvalidInput, match="other prompts"):
        payoff.cell("c", "a")
