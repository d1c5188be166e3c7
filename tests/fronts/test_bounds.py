"""Lemmas 2 and 3: the closed forms of Figure 8, and random quadratic rewards solved by brute force."""

import numpy as np
import pytest

from rshub.errors import InvalidInput
from rshub.fronts.bounds import best_share, gap_bound, soup_loss

GRID = np.linspace(0.0, 1.0, 100_001)


@pytest.mark.parametrize(
    ("mu", "ratio", "gap"), [(0.5, 2, 0.02778), (0.5, 10, 0.16736), (0.25, 2, 0.01607), (0.25, 10, 0.11306)]
)
def test_the_gap_of_figure_8(mu, ratio, gap):
    assert gap_bound(mu, 1.0, 1.0, ratio=ratio) == pytest.approx(gap, abs=5e-6)
    assert gap_bound(1 - mu, 1.0, 1.0, ratio=ratio) == pytest.approx(gap, abs=5e-6)


@pytest.mark.parametrize("mu", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_curves_of_figure_8(mu):
    assert 1 - soup_loss(mu, 1.0, 1.0) == pytest.approx(1 - mu * (1 - mu))
    assert best_share(mu, 1.0, 1.0) == pytest.approx(mu)
    assert gap_bound(mu, 1.0, 1.0, ratio=1.0) == 0.0


def quadratics(generator, size, spread):
    """Two rewards -sum eta_j (x_j - optimum_j)^2, each with its optimum; shapes (size,)."""
    first, second = np.exp(spread * generator.normal(size=(2, size)))
    apart = generator.normal(size=size)
    return first, second, apart


@pytest.mark.parametrize("seed", range(60))
def test_the_gap_of_random_quadratic_rewards_never_exceeds_the_bound(seed):
    generator = np.random.default_rng(seed)
    first, second, apart = quadratics(generator, int(generator.integers(1, 6)), generator.uniform(0.05, 1.5))
    mu = float(generator.uniform(0.01, 0.99))
    deltas = (first * apart**2).sum(), (second * apart**2).sum()
    along = -(1 - mu) * GRID**2 * deltas[0] - mu * (1 - GRID) ** 2 * deltas[1]
    # theta_1 = 0, theta_2 = apart; the best model solves each direction alone
    place = mu * second * apart / ((1 - mu) * first + mu * second)
    best = -((1 - mu) * first * place**2 + mu * second * (place - apart) ** 2).sum()
    ratio = max((first / second).max(), (second / first).max())
    assert best_share(mu, *deltas) == pytest.approx(GRID[along.argmax()], abs=2e-5)
    assert -soup_loss(mu, *deltas) == pytest.approx(along.max(), rel=1e-8, abs=1e-8)
    gap = best + soup_loss(mu, *deltas)
    assert gap >= -1e-9
    assert gap <= gap_bound(mu, *deltas, ratio=ratio) + 1e-9


def test_one_curvature_for_all_directions_leaves_no_gap():
    generator = np.random.default_rng(3)
    mu, etas, optima = 0.3, (2.0, 7.0), generator.normal(size=(2, 4))
    far = ((optima[1] - optima[0]) ** 2).sum()
    deltas = etas[0] * far, etas[1] * far
    share = best_share(mu, *deltas)
    soup = (1 - share) * optima[0] + share * optima[1]
    # the gradient of the wanted sum vanishes at the soup, so no model anywhere is better
    slope = (1 - mu) * etas[0] * (soup - optima[0]) + mu * etas[1] * (soup - optima[1])
    np.testing.assert_allclose(slope, 0.0, atol=1e-12)
    assert gap_bound(mu, *deltas, ratio=3.5) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: gap_bound(0.5, 3.0, 1.0, ratio=2.0),
        lambda: gap_bound(0.5, 1.0, 1.0, ratio=float("inf")),
        lambda: gap_bound(0.5, 1.0, 1.0, ratio=float("nan")),
        lambda: gap_bound(1.5, 1.0, 1.0, ratio=2.0),
        lambda: soup_loss(0.5, 0.0, 1.0),
        lambda: best_share(0.5, 1.0, -1.0),
    ],
)
def test_numbers_without_a_meaning_are_refused(wrong):
    with pytest.raises(InvalidInput):
        wrong()
