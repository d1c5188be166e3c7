"""Spider maps: which models are shown, what 0 and 1 are, and that outwards is better also where lower is."""

import numpy as np
import pytest

from rshub.errors import InvalidInput
from rshub.fronts.pictures.spider import plot_spider, spokes


def model(kind, coefficients=None, **rewards):
    point = {"kind": kind, "rewards": rewards}
    return point if coefficients is None else point | {"coefficients": coefficients}


def test_experts_the_even_soup_the_morl_run_and_the_start_are_shown(three):
    shown = spokes(three)
    assert [web.name for web in shown.webs] == ["soup of equal parts", "x", "y", "z", "MORL x=0.5, y=0.5", "init"]
    assert (shown.rewards, shown.directions, shown.notes) == (("x", "y", "z"), ("max", "max", "min"), ())
    chosen = [15, 14, 4, 0, 16, 17]  # of the points: the even soup, the experts, the MORL run, the start
    chosen[1:4] = [next(n for n, p in enumerate(three.points) if p.vertex == name) for name in "xyz"]
    table = np.array([[p.rewards[name].mean for name in "xyz"] for p in (three.points[n] for n in chosen)])
    table[:, 2] *= -1
    low, high = table.min(axis=0), table.max(axis=0)
    assert [web.heights for web in shown.webs] == [pytest.approx(row) for row in (table - low) / (high - low)]
    assert shown.ends[2] == (pytest.approx(-low[2]), pytest.approx(-high[2]))  # a min reward, in its own direction


def test_without_an_even_soup_the_most_balanced_one_is_shown(typed):
    scores = typed(
        dict.fromkeys("abc", "max"),
        model("expert", {"a": 1}, a=10, b=0, c=0),
        model("expert", {"b": 1}, a=0, b=1, c=1),
        model("soup", {"a": 0.9, "b": 0.1}, a=9, b=0.1, c=0.1),
        model("soup", {"a": 0.4, "b": 0.6}, a=4, b=0.5, c=0.6),
        model("morl", a=1, b=1, c=1),
        model("morl", a=5, b=0.5, c=0.5),
    )
    shown = spokes(scores)
    assert [web.name for web in shown.webs] == ["soup a 0.4, b 0.6", "a", "b", "MORL"]
    assert shown.webs[3].heights == (0.5, 0.5, 0.5)
    assert shown.notes == ("picture: of 2 MORL runs the one whose worst reward is best",)


@pytest.mark.parametrize(
    ("mixture", "name"),
    [
        ("a=0.25, b=0.25, c=0.25, d=0.25", "MORL of equal parts"),
        ("a=0.5, b=0.5", "MORL a=0.5, b=0.5"),
        ("half of each", "MORL half of each"),
    ],
)
def test_a_model_trained_on_all_rewards_alike_is_named_by_that(typed, mixture, name):
    values = dict.fromkeys("abcd", 1)
    scores = typed(dict.fromkeys("abcd", "max"), model("morl", **values) | {"preference": mixture})
    assert [web.name for web in spokes(scores).webs] == [name]


def test_a_reward_that_is_the_same_everywhere_does_not_decide_who_is_balanced(typed):
    scores = typed(
        dict.fromkeys("abc", "max"),
        model("expert", {"a": 1}, a=1, b=0, c=7),
        model("expert", {"b": 1}, a=0, b=1, c=7),
        model("soup", {"a": 0.9, "b": 0.1}, a=0.9, b=0.1, c=7),
        model("soup", {"a": 0.6, "b": 0.4}, a=0.6, b=0.4, c=7),
    )
    assert spokes(scores).webs[0].name == "soup a 0.6, b 0.4"


def test_what_is_missing_leaves_a_gap_and_what_is_alike_stands_at_1(typed):
    scores = typed(
        {"a": "max", "b": "min", "c": "max", "d": "max"},
        model("expert", {"a": 1}, a=1, b=2, c=5),
        model("expert", {"b": 1}, a=0, b=1, c=5),
        model("init", a=0.5),
    )
    shown = spokes(scores)
    assert shown.rewards == ("a", "b", "c")  # nobody measured d
    assert [web.heights for web in shown.webs] == [(1, 0, 1), (0, 1, 1), (0.5, None, None)]
    assert shown.notes == ("picture: all models shown are alike in c, which stands at 1",)


def test_two_rewards_and_no_model_are_refused(typed, noisy):
    with pytest.raises(InvalidInput, match="takes three rewards, and 2"):
        spokes(noisy)
    with pytest.raises(InvalidInput, match="takes three rewards"):
        spokes(typed(dict.fromkeys("abc", "max")))


def test_many_experts_and_rewards_are_cut_and_said(typed, tmp_path):
    names = [f"a-name-that-is-much-too-long-for-a-picture-{n}" for n in range(20)]
    points = [
        model("expert", {name: 1}, **{r: (n * k) % 7 for k, r in enumerate(names)}) for n, name in enumerate(names)
    ]
    notes = plot_spider(typed(dict.fromkeys(names, "min"), *points), tmp_path / "spider.png", title="T" * 300)
    assert notes[:2] == ["picture: shows 6 of 20 experts", "picture: shows 16 of 20 rewards"]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_map_is_the_same_bytes_each_time(suffix, three, tmp_path):
    plot_spider(three, tmp_path / f"one{suffix}")
    plot_spider(three, tmp_path / f"two{suffix}")
    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
