"""All checks at once: on the published fronts, in words, and in the answers of ``front``."""

import json

import numpy as np
import pytest

from rshub.fronts.checks import check
from rshub.fronts.front import front, lines

NAMES = {
    "connectivity", "coverage", "trained", "bounds", "curvature", "antagonism", "ensemble", "own_rewards", "ties",
    "intervals",
}  # fmt: skip


def said(scores, **options):
    return "\n".join(lines(front(scores=scores, checks=True, **options)))


def test_checks_come_under_their_own_key_and_only_when_asked_for(news):
    plain, checked = front(scores=news[0]), front(scores=news[0], checks=True)
    assert set(checked) - set(plain) == {"checks"}
    assert set(checked["checks"]) == NAMES
    json.dumps(checked, allow_nan=False)
    assert lines(checked)[: len(lines(plain))] == lines(plain)


def test_lemma_3_from_the_payoffs_of_the_published_experts(news):
    scores, raw = news
    (bound,) = check(scores)["bounds"]
    first, second = raw["soups"][-1]["rewards"], raw["soups"][0]["rewards"]
    gains = first["R1"] - second["R1"], second["R2"] - first["R2"]
    assert list(bound["gains"].values()) == pytest.approx(gains)
    assert bound["coefficients"]["R2"] == pytest.approx(gains[1] / sum(gains))
    share = np.linspace(0, 1, 200_001)
    along = (first["R1"] - share**2 * gains[0] + second["R2"] - (1 - share) ** 2 * gains[1]) / 2
    assert bound["soup"] == pytest.approx(along.max(), abs=1e-9)
    assert bound["least_ratio"] == pytest.approx(max(gains[0] / gains[1], gains[1] / gains[0]))
    assert 0 < bound["gap"]["2"] < bound["gap"]["10"]


def test_unequal_experts_allow_no_small_ratio(captioning):
    (bound,) = check(captioning[0])["bounds"]
    assert bound["least_ratio"] > 2
    assert bound["gap"]["2"] is None
    assert bound["gap"]["10"] > 0


def test_a_run_is_compared_with_the_soup_that_serves_its_preference_best(typed):
    def point(kind, a, b, **more):
        return {"kind": kind, "rewards": {"a": a, "b": b}} | more

    scores = typed(
        {"a": "max", "b": "min"},
        point("soup", 1.0, 1.0),
        point("soup", 0.5, 0.0),
        point("morl", 1.0, 0.5, preference="a=0.5, b=0.5"),
        point("morl", 0.0, 0.0, preference="a:1 b:3"),
        point("morl", 0.0, 0.0, preference="nonsense"),
        point("morl", 0.0, 0.0, preference="z=1"),
    )
    rows = check(scores)["trained"]
    assert [(row["point"], row["best_soup"]) for row in rows] == [(2, 1), (3, 1)]
    assert [row["regret"] for row in rows] == pytest.approx([0.0, -0.125])
    text = said(scores)
    assert "lemma 1, a=0.5, b=0.5: the run trained for it (point 2) is as good as point 1" in text
    assert "(point 3) is 0.125 worse than point 1" in text


def noisy_line(typed, middle, stderr, count=5):
    shares = np.linspace(0, 1, count)
    return typed(
        {"a": "max"},
        *(
            {
                "kind": "soup",
                "coefficients": {"a": share, "b": 1 - share},
                "rewards": {"a": {"mean": share + 4 * share * (1 - share) * middle, "stderr": stderr}},
            }
            for share in shares.tolist()
        ),
    )


@pytest.mark.parametrize(
    ("middle", "stderr", "verdict", "counts"),
    [
        (0.5, 0.01, "holds", (3, 0, 0)),
        (-0.5, 0.01, "fails", (0, 3, 0)),
        (-0.1, 0.2, "holds within the errors", (0, 0, 3)),
        (0.05, 0.2, "holds", (0, 0, 3)),
        (-0.5, 0.0, "fails", (0, 3, 0)),
    ],
)
def test_connectivity_with_its_confidence(typed, middle, stderr, verdict, counts):
    found = check(noisy_line(typed, middle, stderr))["connectivity"]["a"]
    assert found["verdict"] == verdict
    assert (found["holding"], found["failing"], found["undecided"]) == counts
    assert found["share_between"] == [counts[0] / 3, 1 - counts[1] / 3]
    assert found["confidence"] == 0.95


def test_the_more_soups_the_more_it_takes_to_doubt_the_first_hypothesis(typed):
    # the middle lies 2.1 standard errors below the line: beyond chance for one soup, not for the worst of 39
    few, many = noisy_line(typed, -0.257, 0.1, count=3), noisy_line(typed, -0.257, 0.1, count=41)
    assert check(few)["connectivity"]["a"]["verdict"] == "fails"
    assert check(many)["connectivity"]["a"]["verdict"] == "holds within the errors"


def test_without_errors_there_is_no_confidence(news):
    found = check(news[0])["connectivity"]["R1"]
    assert (found["verdict"], found["holding"], found["share_between"], found["confidence"]) == (
        "holds",
        None,
        None,
        None,
    )
    assert "hypothesis 1" not in said(news[0])


def test_words_of_a_published_front(news):
    text = said(news[0])
    for line in (
        "hypothesis 2, against 1 point of MORL: holds for these; soups and experts match 100% and dominate 100%",
        "hypervolume 0.6448 against 0.2829, 2.279 times as much; box R1 0.9837 to 1.781, R2 -1.526 to -0.768",
        "R2: the soup R1=0.05, R2=0.95 is 0.01953 better than the expert for R2",
        "antagonism: mild sign of it",
        "curvature of R1 between R1 and R2: 0.34",
    ):
        assert line in text


def test_words_of_what_goes_wrong(typed):
    def point(kind, share, a, b, error=0.01):
        rewards = {"a": {"mean": a, "stderr": error}, "b": {"mean": b, "stderr": error}}
        return {"kind": kind, "coefficients": {"a": share, "b": 1 - share}, "rewards": rewards}

    scores = typed(
        {"a": "max", "b": "min"},
        point("expert", 1, 1.0, 5.0),
        point("expert", 0, 0.0, 4.0),
        point("soup", 0.5, 0.1, 4.9),
        point("soup", 0.5, 0.1, 4.9),
        point("ensemble", 0.5, 0.6, 4.5),
        {"kind": "morl", "rewards": {"a": 1.5, "b": 3.0}},
        {"kind": "init", "rewards": {"a": 0.5, "b": 4.0}},
    )
    text = said(scores)
    for line in (
        "hypothesis 1, a: fails; 0% to 0% of 2 soups lie on or above the line",
        "hypothesis 2, against 1 point of MORL: FAILS",
        "box a 0 to 1.5, b 5 to 3",
        "WARNING: every soup and expert on the front is dominated by points of MORL: points 0, 1",
        "WARNING: the expert for b is no better than the start on its own reward",
        "antagonism: strong signs of it",
        "a sags between a and b (-1.6)",
        "advice: train one model on the mixture",
        "lemma 4, a: soup and ensemble differ most at a=0.5, b=0.5, where the ensemble is 0.5 better",
        "a tie in every reward: points 2, 3",
    ):
        assert line in text, line


def test_words_of_intervals(typed):
    generator = np.random.default_rng(0)

    def point(kind, a, b):
        rows = {name: level + generator.normal(size=100) for name, level in (("a", a), ("b", b))}
        return {
            "kind": kind,
            "rewards": {name: {"mean": float(row.mean()), "samples": row.tolist()} for name, row in rows.items()},
        }

    text = said(typed({"a": "max", "b": "max"}, point("soup", 0, 1), point("soup", 1, 0), point("morl", 0.4, 0.4)))
    assert "hypervolume, 95% interval over prompts: " in text
    assert "hypervolume of soups minus that of MORL: " in text


def test_nothing_measured_is_nothing_said(typed):
    assert check(typed({"a": "max"}))["coverage"]["reason"]
    assert "hypothesis" not in said(typed({"a": "max"}))
