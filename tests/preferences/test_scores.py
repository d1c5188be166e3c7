"""scores.json: what is read, what is kept, and every fault at once."""

import json

import numpy as np
import pytest

from rshub.errors import InvalidInput, NotFound
from rshub.preferences.scores import Point, RewardScore, Scores

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
        "points[0].kind: 'sup' is none of ensemble, expert, init, morl, soup; soup?",
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


def test_values_of_prompts_and_training_mixtures_are_read_and_written_back():
    document = {
        "schema": "rshub.scores/1",
        "rewards": {"r": {"direction": "max"}},
        "points": [
            {
                "kind": "ensemble",
                "coefficients": {"r": 1.0},
                "mixture": {"r": 0.75, "s": 0.25},
                "rewards": {"r": {"mean": 2.0, "stderr": 0.5, "n": 3, "samples": [1.0, None, 3.0, 2.0]}},
            }
        ],
    }
    scores = parse(document)
    (point,) = scores.points
    assert point.rewards["r"].samples == (1.0, None, 3.0, 2.0)
    assert point.mixture == {"r": 0.75, "s": 0.25}
    assert point.vertex is None
    assert scores.to_json() == document
    assert '"samples": [ 1.0, null, 3.0, 2.0 ]\n' in scores.to_bytes().decode()
    assert Scores.parse(scores.to_bytes()).to_json() == document


def test_only_numbers_are_written_in_one_line():
    document = json.loads(json.dumps(FULL)) | {"samples": ["two  blanks", "]  "], "x": {"samples": [[1, 2], "a\n  b"]}}
    del document["points"][2]["rewards"]["length"]
    assert json.loads(parse(document).to_bytes()) == document


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        ("many", "a list is expected"),
        ([], "not one of them is a number"),
        ([None], "not one of them is a number"),
        ([1, "2"], "is no measurement"),
        ([1, True], "is no measurement"),
        ([1, 1e200], "is no measurement"),
        ([0.0, 0.9], "the mean 1 lies outside them"),
    ],
)
def test_values_that_cannot_be_those_of_prompts_are_refused(samples, why):
    point = {"kind": "soup", "rewards": {"r": {"mean": 1, "samples": samples}}}
    with pytest.raises(InvalidInput, match=why) as caught:
        parse({"rewards": {"r": {"direction": "max"}}, "points": [point]})
    assert "points[0].rewards.r.samples" in caught.value.problems[0]


def test_a_score_made_in_memory_is_held_to_the_same_rule():
    with pytest.raises(InvalidInput, match="outside them"):
        RewardScore(mean=1.0, samples=(2.0, 3.0))


def test_what_is_written_is_read_again_however_many_prompts_and_points_there_are(tmp_path):
    values = tuple(number / 7 for number in range(2000))
    score = RewardScore(mean=values[1000], stderr=0.1, n=2000, samples=values)
    points = tuple(
        Point(kind="soup", coefficients={"a": share / 300, "b": 1 - share / 300}, rewards={"a": score})
        for share in range(300)
    )
    scores = Scores(rewards={"a": "max"}, points=points)
    data = scores.to_bytes()
    assert len(data) > 9_000_000
    (tmp_path / "scores.json").write_bytes(data)
    assert Scores.load(tmp_path / "scores.json") == scores
    with pytest.raises(InvalidInput, match="more than the"):  # what others send is held to less
        Scores.parse(data)


def test_a_file_beyond_all_measure_is_refused_before_it_is_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr("rshub.preferences.scores.LARGEST_FILE", 1000)
    (tmp_path / "scores.json").write_bytes(b" " * 1001)
    with pytest.raises(InvalidInput, match="1001 bytes are more than the 1000"):
        Scores.load(tmp_path / "scores.json")
