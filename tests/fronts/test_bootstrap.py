"""Redrawn prompts: the spread of a mean is its standard error, and what points have in common cancels."""

import numpy as np
import pytest

from rshub.fronts.bootstrap import interval, redraw
from rshub.fronts.intervals import intervals

COUNT = 400


@pytest.fixture(scope="module")
def drawn_scores():
    generator = np.random.default_rng(5)
    hard = generator.normal(size=COUNT)

    def build(typed, *, shift=0.02, direction="max"):
        def point(kind, coefficients, a, b):
            rewards = {}
            for name, level in (("a", a), ("b", b)):
                values = level + hard + 0.1 * generator.normal(size=COUNT)
                rewards[name] = {"mean": float(values.mean()), "samples": values.tolist()}
            return {"kind": kind, "coefficients": coefficients, "rewards": rewards}

        return typed(
            {"a": direction, "b": "max"},
            point("expert", {"a": 1.0}, 1.0, 0.0),
            point("expert", {"b": 1.0}, 0.0, 1.0),
            point("soup", {"a": 0.5, "b": 0.5}, 0.6 + shift, 0.6 + shift),
            point("morl", {}, 0.6, 0.6),
        )

    return build


def test_redrawn_means_spread_as_their_standard_error(typed, drawn_scores):
    scores = drawn_scores(typed)
    drawn, why = redraw(scores, [0, 2])
    assert why == ""
    assert drawn.shape == (1000, 2, 2)
    samples = np.array(scores.points[0].rewards["a"].samples)
    error = samples.std(ddof=1) / np.sqrt(COUNT)
    assert drawn[:, 0, 0].mean() == pytest.approx(samples.mean(), abs=4 * error / np.sqrt(1000))
    assert drawn[:, 0, 0].std() == pytest.approx(error, rel=0.1)
    # the prompts are drawn for all points at once: what they share cancels in a difference
    gap = samples - np.array(scores.points[2].rewards["a"].samples)
    assert (drawn[:, 0, 0] - drawn[:, 1, 0]).std() == pytest.approx(gap.std(ddof=1) / np.sqrt(COUNT), rel=0.1)
    np.testing.assert_array_equal(drawn, redraw(scores, [0, 2])[0])


def test_min_rewards_change_their_sign(typed, drawn_scores):
    scores = drawn_scores(typed, direction="min")
    drawn, _ = redraw(scores, [0])
    assert drawn[:, 0, 0].mean() == pytest.approx(-scores.points[0].rewards["a"].mean, abs=0.01)


def test_unscored_prompts_take_no_part(typed):
    values = [1.0, None, 3.0, None]
    scores = typed({"r": "max"}, {"kind": "soup", "rewards": {"r": {"mean": 2.0, "samples": values}}})
    drawn, _ = redraw(scores, [0])
    assert set(np.round(np.unique(drawn), 6)) <= set(np.round([1, 1.5, 5 / 3, 2, 7 / 3, 2.5, 3], 6))


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ((None, [1.0, 1.0]), "not every point holds"),
        (([1.0, 1.0], [1.0, 1.0, 1.0]), "different numbers of prompts"),
        (([1.0], [1.0]), "one prompt cannot"),
    ],
)
def test_why_nothing_is_redrawn(typed, values, why):
    scores = typed(
        {"r": "max"}, *({"kind": "soup", "rewards": {"r": {"mean": 1.0, "samples": value}}} for value in values)
    )
    drawn, reason = redraw(scores, [0, 1])
    assert drawn is None
    assert why in reason


def test_an_interval_leaves_out_a_fortieth_on_each_side():
    assert interval(np.arange(1001.0)) == pytest.approx([25.0, 975.0])


def test_intervals_hold_the_figures_and_see_a_tie(typed, drawn_scores):
    found = intervals(drawn_scores(typed))
    low, high = found["hypervolume"]
    assert low < high
    assert found["gain"][0] > 0.0  # experts are in it too
    # the soup lies .12 above the line, with an error of about .006
    low, high = found["worst_margin"]["a"]
    assert low < 0.12 < high
    assert high - low < 0.05
    assert intervals(drawn_scores(typed))["draws"] == 1000


def test_a_gain_that_luck_may_have_made_straddles_zero(typed):
    generator = np.random.default_rng(8)
    base = generator.normal(size=(2, 200))

    def point(kind, levels):
        rows = [level + row + 0.5 * generator.normal(size=200) for level, row in zip(levels, base, strict=True)]
        rewards = {n: {"mean": float(r.mean()), "samples": r.tolist()} for n, r in zip("ab", rows, strict=True)}
        return {"kind": kind, "rewards": rewards}

    scores = typed(
        {"a": "max", "b": "max"},
        *(point(kind, levels) for kind in ("soup", "morl") for levels in ((0, 1), (0.6, 0.6), (1, 0))),
    )
    low, high = intervals(scores)["gain"]
    assert low < 0.0 < high


def test_no_interval_exceeds_the_box_where_there_is_only_noise(typed):
    generator = np.random.default_rng(3)

    def point(kind):
        rewards = {n: generator.normal(size=50) for n in "ab"}
        measured = {n: {"mean": float(r.mean()), "samples": r.tolist()} for n, r in rewards.items()}
        return {"kind": kind, "rewards": measured}

    found = intervals(typed({"a": "max", "b": "max"}, *(point(kind) for kind in ["soup"] * 6 + ["morl"] * 3)))
    assert 0.5 < found["hypervolume"][1] <= 1.0
    assert found["morl_hypervolume"][1] <= 1.0
    assert -1.0 <= found["gain"][0] < found["gain"][1] <= 1.0


def test_why_there_are_no_intervals(typed, noisy):
    assert intervals(noisy)["reason"] == "not every point holds the values of its prompts"
    assert intervals(typed({"a": "max"}))["reason"].startswith("no soup or expert")
    many = [{"kind": "soup", "rewards": dict.fromkeys("abcdef", float(i))} for i in range(16)]
    assert "more than are drawn" in intervals(typed(dict.fromkeys("abcdef", "max"), *many))["reason"]
