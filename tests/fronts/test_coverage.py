"""Hypothesis 2: against numbers worked out by hand, moocore, the published fronts, and a front that MORL beats."""

import math

import moocore
import numpy as np
import pytest

from rshub.errors import Incompatible, InvalidInput
from rshub.fronts.coverage import cover, uncovered
from rshub.fronts.front import front


def point(kind, a, b, **more):
    return {"kind": kind, "rewards": {"a": a, "b": b}} | more


@pytest.fixture
def mixed(typed):
    """Three soups, and MORL points of which one is beaten, one matched and one out of reach."""
    return typed(
        {"a": "max", "b": "min"},
        point("expert", 0.0, 0.0),
        point("soup", 6.0, 4.0),
        point("expert", 10.0, 10.0),
        point("morl", 5.0, 5.0),
        point("morl", 6.0, 4.0),
        point("morl", 8.0, 5.0),
        point("init", 99.0, -99.0),
    )


def test_by_hand(mixed):
    found = cover(mixed)
    assert found["against"] == "MORL"
    assert found["box"] == {"nadir": {"a": 0.0, "b": -10.0}, "ideal": {"a": 10.0, "b": 0.0}}
    assert (found["points"], found["front"]) == (3, 3)
    assert found["covered_share"] == pytest.approx(2 / 3)
    assert found["dominated_share"] == pytest.approx(1 / 3)
    assert found["escaping"] == [5]
    assert found["beaten"] == []
    # in the box: soups (0, 1), (.6, .6), (1, 0) and MORL (.5, .5), (.6, .6), (.8, .5)
    assert found["epsilon"] == pytest.approx(0.2)
    assert found["igd_plus"] == pytest.approx((0.0 + 0.2) / 2)  # (.5, .5) is no part of the other front
    assert found["hypervolume"] == pytest.approx(0.36)
    assert found["hypervolume_others"] == pytest.approx(0.36 + 0.2 * 0.5)
    assert found["hypervolume_ratio"] == pytest.approx(0.36 / 0.46)
    regret = found["regret"]
    mu = np.linspace(0, 1, 101)
    ours = np.maximum.reduce([1 - mu, np.full(101, 0.6), mu])
    lost = np.maximum(np.maximum(0.6, 0.8 * mu + 0.5 * (1 - mu)) - ours, 0.0)
    assert regret["preferences"] == 101
    assert regret["largest"] == pytest.approx(lost.max())
    assert regret["mean"] == pytest.approx(lost.mean())
    assert regret["at"]["a"] == pytest.approx(mu[lost.argmax()])
    assert uncovered(found) == "coverage fails: 1 of 3 MORL points are matched by no soup or expert: point 5"


def test_a_front_that_morl_beats_everywhere(typed):
    scores = typed(
        {"a": "max", "b": "max"},
        *(point("soup", 1 - i / 4, i / 4) for i in range(5)),
        *(point("morl", 1.1 - i, 0.1 + i) for i in (0.0, 1.0)),
        point("morl", 0.8, 0.8),
    )
    found = cover(scores)
    assert found["beaten"] == [0, 1, 2, 3, 4]
    assert found["front"] == 5
    assert found["covered_share"] == 0.0
    assert "WARNING: every soup and expert on the front is dominated" in text(scores)


def text(scores, **options):
    from rshub.fronts.front import lines

    return "\n".join(lines(front(scores=scores, checks=True, **options)))


def test_the_published_news_front_covers_its_morl_run(news):
    scores, raw = news
    found = cover(scores)
    soups = np.array([list(row["rewards"].values()) for row in raw["soups"]])
    morl = np.array([list(row["rewards"].values()) for row in raw["morl"]])
    both = np.concatenate([soups, morl])
    unit = (both - both.min(axis=0)) / (both.max(axis=0) - both.min(axis=0))
    ours, theirs = unit[: len(soups)], unit[len(soups) :]
    assert found["covered_share"] == found["dominated_share"] == 1.0
    assert found["epsilon"] == pytest.approx(moocore.epsilon_additive(ours, theirs, maximise=True), abs=1e-12)
    assert found["igd_plus"] == 0.0
    expected = [moocore.hypervolume(rows, ref=np.zeros(2), maximise=True) for rows in (ours, theirs)]
    assert found["hypervolume_ratio"] == pytest.approx(expected[0] / expected[1], rel=1e-9)
    assert found["hypervolume_ratio"] == pytest.approx(0.6448 / 0.2829, abs=5e-4)
    assert found["regret"]["largest"] == 0.0


def test_a_reference_front_takes_the_place_of_morl_points(mixed, typed):
    other = typed({"b": "min", "a": "max"}, point("soup", 9.0, 1.0), point("init", 50, 50), point("ensemble", 0.0, 9.0))
    found = cover(mixed, other)
    assert (found["against"], found["points"], found["escaping"]) == ("the reference", 2, [0])
    assert found["box"]["ideal"] == {"a": 10.0, "b": 0.0}
    assert found["beaten"] == [1]
    with pytest.raises(Incompatible, match="1 of 2 reference points"):
        front(scores=mixed, require=["coverage"], reference=other)
    assert "against 2 points of the reference: FAILS" in text(mixed, reference=other)


@pytest.mark.parametrize(
    ("rewards", "why"), [({"a": "max"}, "lacks the reward b"), ({"a": "min", "b": "min"}, "turns a")]
)
def test_a_reference_on_other_rewards_is_refused(mixed, typed, rewards, why):
    with pytest.raises(InvalidInput, match=why):
        cover(mixed, typed(rewards))


def test_a_soup_that_is_dominated_within_the_errors_ties(typed):
    def score(mean, *samples):
        return {"mean": mean, "stderr": 0.2, "samples": samples}

    soup = point("soup", score(0.5, 0.0, 1.0), score(0.5, 0.0, 1.0))
    luck = point("morl", score(0.6, 0.3, 0.9), score(0.6, 0.4, 0.8))
    better = point("morl", score(0.6, 0.1, 1.1), score(0.6, 0.4, 0.8))  # better on every single prompt in a
    tie, clear = (typed({"a": "max", "b": "max"}, soup, other) for other in (luck, better))
    assert (cover(tie)["beaten"], cover(tie)["clearly_beaten"]) == ([0], [])
    assert "point 0; within two standard errors in every reward: a tie" in text(tie)
    assert (cover(clear)["beaten"], cover(clear)["clearly_beaten"]) == ([0], [0])
    assert "the better choice" in text(clear)
    alone = typed({"a": "max", "b": "max"}, soup)
    assert cover(alone, clear)["clearly_beaten"] == []  # other prompts, for all we know: errors are independent


def test_a_miss_within_the_errors_is_a_tie(typed):
    def score(mean):
        return {"mean": mean, "stderr": 0.05}

    scores = typed(
        {"a": "max", "b": "max"},
        point("soup", score(0.0), score(1.0)),
        point("soup", score(1.0), score(0.0)),
        point("soup", score(0.5), score(0.5)),
        point("morl", score(0.55), score(0.55)),
        point("morl", score(0.8), score(0.8)),
        point("morl", 0.51, 0.51),
    )
    found = cover(scores)
    assert found["escaping"] == [3, 4, 5]
    assert found["tied"] == [3]  # .05 with an error of .07; an unknown error makes no tie
    assert "tied within two standard errors: point 3" in text(scores)


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([point("morl", 1, 1)], "no soup or expert has every reward measured"),
        ([point("soup", 1, 1)], "no point of MORL has every reward measured"),
        ([point("soup", 1, 1), {"kind": "morl", "rewards": {"a": 1}}], "no point of MORL has every reward measured"),
    ],
)
def test_why_there_is_no_comparison(typed, points, why):
    scores = typed({"a": "max", "b": "max"}, *points)
    assert cover(scores)["reason"] == why
    with pytest.raises(Incompatible, match=why):
        front(scores=scores, require=["coverage"])


def test_a_flat_box_still_tells_what_is_covered(typed):
    found = cover(typed({"a": "max", "b": "max"}, point("soup", 1, 1), point("morl", 1, 2)))
    assert (found["covered_share"], found["epsilon"]) == (0.0, 1.0)
    assert found["hypervolume"] is None
    assert found["hypervolume_reason"] == "the box has no extent"
    found = cover(typed({"a": "max", "b": "max"}, point("soup", 1, 1), point("morl", 0, 0)))
    assert (found["hypervolume"], found["hypervolume_ratio"]) == (1.0, None)
    assert not math.isnan(found["epsilon"])
