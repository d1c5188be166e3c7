"""Ternary maps: marks are measured, the filling is predicted and says so, and only a fit that predicts is drawn."""

import math

import numpy as np
import pytest

from rshub.errors import InvalidInput
from rshub.fronts.pictures.ternary import _filling, _spot, plot_ternary, triangle
from tests.fronts.surface import surface


def model(kind, coefficients, **rewards):
    return {"kind": kind, "coefficients": coefficients, "rewards": rewards}


@pytest.mark.parametrize(("reward", "column", "sign"), [("x", 0, 1), ("z", 2, -1)])
def test_the_filling_is_the_surface_that_the_marks_lie_on(three, reward, column, sign):
    shown = triangle(three, reward)
    assert shown.experts == ("x", "y", "z")
    assert len(shown.measured) == 16
    grid, heights = _filling(shown, reward)
    # where each place of the grid is, in shares: the third from its height, the others from its distance
    third = grid[:, 1] / math.sqrt(0.75)
    second = grid[:, 0] - third / 2
    expected = sign * np.array([surface(row)[column] for row in np.stack([1 - second - third, second, third], axis=1)])
    assert np.abs(heights - expected).max() < 0.01  # the prior pulls a little
    assert shown.r2 > 0.99
    assert "interpolated, not measured" in shown.says
    best = max(shown.measured, key=lambda row: sign * row[1])
    assert shown.measured[shown.best] == best


def test_corners_are_experts():
    assert _spot((0, 0, 1)) == pytest.approx((0.5, math.sqrt(0.75)))
    assert _spot((1 / 3, 1 / 3, 1 / 3)) == pytest.approx((0.5, math.sqrt(0.75) / 3))


def test_too_few_soups_leave_the_triangle_empty_and_say_why(typed, tmp_path):
    corners = [model("expert", {name: 1}, r=value) for name, value in (("a", 1), ("b", 2), ("c", 3))]
    shown = triangle(typed({"r": "max"}, *corners), "r")
    assert shown.surrogate is None
    assert "No filling" in shown.says
    (note,) = plot_ternary(typed({"r": "max"}, *corners), tmp_path / "ternary.png", reward="r")
    assert "too few" in note


def test_a_fit_that_does_not_predict_is_not_drawn(typed):
    noise = np.random.default_rng(0).normal(size=15)
    points = [
        model("soup", {"a": a / 4, "b": b / 4, "c": (4 - a - b) / 4}, r=float(noise[number]))
        for number, (a, b) in enumerate((a, b) for a in range(5) for b in range(5 - a))
    ]
    shown = triangle(typed({"r": "max"}, *points), "r")
    assert shown.surrogate is None
    assert "does not predict" in shown.says


def test_only_soups_of_three_experts_fit_on_a_triangle(typed, noisy, three):
    with pytest.raises(InvalidInput, match="these are of 2"):
        triangle(noisy, "recall")
    with pytest.raises(InvalidInput, match="did you mean"):
        triangle(three, "xx")
    four = [model("expert", {name: 1}, r=1) for name in "abcd"]
    with pytest.raises(InvalidInput, match="these are of 4"):
        triangle(typed({"r": "max"}, *four), "r")
    apart = [model("soup", {"a": 0.5, "b": 0.5, "c": 0.5}, r=1, s=1)]
    with pytest.raises(InvalidInput, match="no soup of these experts has r"):
        triangle(typed({"r": "max", "s": "max"}, *apart), "r")


def test_odd_names_and_one_value_are_drawn_without_a_warning(typed, tmp_path):
    names = ["$x_1^2$ \u4e00<b>", "n" * 200, "org/name@1.0.0"]
    points = [model("expert", {name: 1}, **{names[0]: 5}) for name in names]
    points += [
        model("soup", dict.fromkeys(names, 1 / 3), **{names[0]: 5}),
        model("soup", {names[0]: 0.5, names[1]: 0.5}),
    ]
    scores = typed({names[0]: "min"}, *points)
    for name in ("one.svg", "two.svg"):
        plot_ternary(scores, tmp_path / name, reward=names[0])
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
