"""The belief of a reward, held against Gaussian conditioning written out, and refits without each soup."""

import itertools

import numpy as np
import pytest

from rshub.preferences.belief import believe, describe

POINTS = np.array(
    [*np.eye(3), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5), (1 / 3, 1 / 3, 1 / 3), (0.6, 0.2, 0.2), (0.1, 0.3, 0.6)]
)
ELSEWHERE = np.array([(0.2, 0.3, 0.5), (0.8, 0.1, 0.1), (0.0, 0.9, 0.1)])


def bowl(at):
    x, y, z = at.T
    return 3 * x + y - z + 2.5 * x * y + 1.5 * x * z + 2 * y * z


def step(at):
    return 1 / (1 + np.exp(-30 * (at[:, 0] - 0.5)))


def by_hand(belief, shares, values, at):
    """Condition the prior of the module's docstring on the evaluations, point by point."""

    def products(x):
        return [x[i] * x[j] for i, j in itertools.combinations(range(len(x)), 2)]

    def kernel(x, y):
        bends = sum(p * q for p, q in zip(products(x), products(y), strict=True))
        linear = 4 * sum(a * b for a, b in zip(x, y, strict=True))
        far = sum((a - b) ** 2 for a, b in zip(x, y, strict=True))
        return (
            linear
            + 1.5**2 * sum(products(x)) * sum(products(y))
            + belief.shape.interactions**2 * bends
            + belief.shape.remainder**2 * np.exp(-far / (2 * 0.35**2))
        )

    centre, scale = values[:3].mean(), np.ptp(values[:3])
    seen = (values - centre) / scale - 0.5 * np.array([sum(products(x)) for x in shares])
    table = np.array([[kernel(x, y) for y in shares] for x in shares]) + belief.noise / scale**2 * np.eye(len(shares))
    cross = np.array([[kernel(x, y) for y in shares] for x in at])
    own = np.array([[kernel(x, y) for y in at] for x in at])
    mean = 0.5 * np.array([sum(products(x)) for x in at]) + cross @ np.linalg.solve(table, seen)
    return centre + scale * mean, scale**2 * (own - cross @ np.linalg.solve(table, cross.T))


@pytest.mark.parametrize("errors", [None, 0.05])
@pytest.mark.parametrize("reward", [bowl, step])
def test_mean_and_covariance_are_those_of_the_prior_given_the_evaluations(reward, errors):
    values = reward(POINTS)
    belief = believe(POINTS, values, None if errors is None else np.full(len(POINTS), errors))
    mean, covariance = by_hand(belief, POINTS, values, ELSEWHERE)
    assert belief.mean(ELSEWHERE) == pytest.approx(mean, abs=1e-6)
    assert belief.covariance(ELSEWHERE, ELSEWHERE) == pytest.approx(covariance, abs=1e-6)
    assert belief.variance(ELSEWHERE) == pytest.approx(np.diag(covariance), abs=1e-6)


def test_a_quadratic_is_learned_and_the_unit_does_not_matter():
    belief = believe(POINTS, bowl(POINTS))
    assert belief.mean(ELSEWHERE) == pytest.approx(bowl(ELSEWHERE), abs=0.05)
    far = believe(POINTS, 1e6 * bowl(POINTS) - 3e7)
    assert far.mean(ELSEWHERE) == pytest.approx(1e6 * belief.mean(ELSEWHERE) - 3e7, rel=1e-6)
    assert np.sqrt(far.variance(ELSEWHERE)) == pytest.approx(1e6 * np.sqrt(belief.variance(ELSEWHERE)), rel=1e-6)


def test_an_s_is_followed_where_it_was_seen_and_doubted_elsewhere():
    share = np.linspace(0, 1, 11)
    shares = np.stack([share, 1 - share], axis=1)
    belief = believe(shares, step(shares))
    assert belief.mean(shares) == pytest.approx(step(shares), abs=0.15)
    few = believe(shares[[0, 3, 7, 10]], step(shares[[0, 3, 7, 10]]))
    assert np.sqrt(few.variance(shares[[5]])[0]) > 2 * np.sqrt(belief.variance(shares[[5]])[0])


def test_how_well_a_quadratic_predicts_is_told_by_refits_without_each_soup():
    """The errors are stated and small, so no noise is chosen: only the shape is, and that the same for every refit."""
    values = bowl(POINTS)
    said = describe(POINTS, values, np.full(len(POINTS), 0.05))
    soups = [row for row, at in enumerate(POINTS) if (at > 0).sum() > 1]
    missed = []
    for row in soups:
        rest = [other for other in range(len(POINTS)) if other != row]
        design = np.array([[*x, *(x[i] * x[j] for i, j in itertools.combinations(range(3), 2))] for x in POINTS])
        solved = np.linalg.lstsq(design[rest], values[rest], rcond=None)[0]
        missed.append(values[row] - design[row] @ solved)
    assert np.abs(missed).max() < 1e-9
    assert said.r2 == pytest.approx(1 - np.mean(np.square(missed)) / values.var(), abs=0.01)
    assert said.by_chance


def test_misfit_and_noise_are_told_apart():
    generator = np.random.default_rng(1)
    share = np.linspace(0, 1, 11)
    shares = np.stack([share, 1 - share], axis=1)
    steep = describe(shares, 1 / (1 + np.exp(-60 * (share - 0.3))))
    assert steep.r2 < 0.8
    assert not steep.by_chance
    noisy = describe(shares, share + generator.normal(scale=0.5, size=11), np.full(11, 0.5))
    assert noisy.r2 < 0.8
    assert noisy.by_chance


def test_with_too_few_soups_nothing_is_said_and_flat_rewards_fit():
    assert describe(POINTS[:5], bowl(POINTS[:5])) is None
    flat = describe(POINTS, np.full(len(POINTS), 2.0))
    assert flat.r2 == 1.0
    assert believe(POINTS, np.full(len(POINTS), 2.0)).mean(ELSEWHERE) == pytest.approx(2.0)
    assert believe(POINTS, np.zeros(len(POINTS))).mean(ELSEWHERE) == pytest.approx(0.0, abs=1e-9)


def test_errors_that_all_evaluations_share_do_not_blur_differences():
    """Common random numbers: each prompt is easy or hard for every soup alike."""
    generator = np.random.default_rng(2)
    prompts = generator.normal(scale=1.0, size=40)
    samples = bowl(POINTS)[:, None] + prompts + generator.normal(scale=0.05, size=(len(POINTS), 40))
    values = samples.mean(axis=1)
    alone = believe(POINTS, values, samples.std(axis=1) / np.sqrt(40))
    together = believe(POINTS, values, np.cov(samples) / 40)

    def doubt(belief):
        table = belief.covariance(ELSEWHERE, ELSEWHERE)
        return np.sqrt(table[0, 0] + table[1, 1] - 2 * table[0, 1])

    assert doubt(together) < doubt(alone)
    apart = together.mean(ELSEWHERE[:1]) - together.mean(ELSEWHERE[1:2])
    assert apart == pytest.approx(bowl(ELSEWHERE[:1]) - bowl(ELSEWHERE[1:2]), abs=0.1)
