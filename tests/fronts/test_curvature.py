"""The interaction between two experts: exact on quadratics, least squares on the published fronts."""

import numpy as np
import pytest

from rshub.fronts.curvature import bends


def curve(typed, reward, shares, *, direction="max", **score):
    """Soups of x and y along lambda of y, and the two experts."""
    points = [
        {
            "kind": "soup",
            "coefficients": {"x": 1 - share, "y": share},
            "rewards": {"r": {"mean": reward(share)} | score},
        }
        for share in shares
    ]
    return typed({"r": direction}, *points)


@pytest.mark.parametrize("direction", ["max", "min"])
def test_a_quadratic_is_found_exactly(typed, direction):
    sign = 1 if direction == "max" else -1
    scores = curve(typed, lambda t: sign * (2 + 4 * t + 3 * t * (1 - t)), [0, 1, 0.1, 0.4, 0.9], direction=direction)
    (bend,) = bends(scores)
    assert (bend.experts, bend.reward, bend.soups) == (("x", "y"), "r", 3)
    assert bend.value == pytest.approx(3.0)
    assert bend.relative == pytest.approx(3.0 / 4.0)
    assert bend.stderr is None


@pytest.mark.parametrize("name", ["news", "captioning"])
def test_least_squares_on_the_published_fronts(name, request):
    scores, raw = request.getfixturevalue(name)
    share = np.array([next(iter(point["lambda"].values())) for point in raw["soups"]])
    found = {bend.reward: bend for bend in bends(scores)}
    for reward in scores.rewards:
        value = np.array([point["rewards"][reward] for point in raw["soups"]])
        start, end = value[share == 0][0], value[share == 1][0]
        mixed = share * (1 - share)
        (expected,), *_ = np.linalg.lstsq(mixed[:, None], value - (1 - share) * start - share * end, rcond=None)
        assert found[reward].value == pytest.approx(expected)
        assert found[reward].relative == pytest.approx(expected / abs(end - start))


def test_the_error_of_one_soup_in_the_middle(typed):
    (bend,) = bends(curve(typed, lambda t: t, [0, 1, 0.5], stderr=0.1))
    # four times the middle minus twice each end
    assert bend.stderr == pytest.approx(0.1 * np.sqrt(16 + 4 + 4))


def test_experts_that_score_alike_have_no_distance_to_compare_with(typed):
    (bend,) = bends(curve(typed, lambda t: t * (1 - t), [0, 1, 0.5]))
    assert (bend.value, bend.relative) == (pytest.approx(1.0), None)


def test_soups_of_three_and_hardly_mixed_ones_say_nothing_of_a_pair(typed):
    points = [
        {"kind": "soup", "coefficients": c, "rewards": {"r": 1.0}}
        for c in ({"x": 1}, {"y": 1}, {"z": 1}, {"x": 0.2, "y": 0.4, "z": 0.4}, {"x": 1 - 1e-9, "y": 1e-9})
    ]
    assert bends(typed({"r": "max"}, *points)) == []
