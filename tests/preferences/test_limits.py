"""Limits of shares: whether any soup lies within, and its corners, against every point of a grid judged one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rshub.preferences.limits import limits_of
from rshub.preferences.policy import LambdaBounds, Policy, check
from rshub.preferences.simplex import lattice

STEPS = 10
"""Bounds are tenths here, so whatever region holds a point holds one of this grid, and has its corners there."""


@st.composite
def rules(draw):
    """Experts with bounds of every kind: by reward, by repo, by publisher; two of one reward; a share of the start."""
    count = draw(st.integers(1, 4))
    names = [f"e{at}" for at in range(count)]
    rewards = {name: draw(st.sampled_from(["help", "safe", name])) for name in names if draw(st.booleans())}
    repos = {name: f"org/{name}" for name in names}

    def bounds():
        low = draw(st.integers(0, STEPS))
        return LambdaBounds(min=low / STEPS, max=draw(st.integers(low, STEPS)) / STEPS)

    written = {name: bounds() for name in draw(st.sets(st.sampled_from([*names, "help", "safe"]), max_size=4))}
    written |= {f"ORG/{name}": bounds() for name in draw(st.sets(st.sampled_from(names), max_size=1))}
    deny = tuple(repos[name] for name in draw(st.sets(st.sampled_from(names), max_size=1)))
    published = {name: bounds() for name in draw(st.sets(st.sampled_from(names), max_size=3))}
    asked = {"policy": Policy(bounds=written, deny=deny), "published": published, "repos": repos, "rewards": rewards}
    return names, draw(st.sampled_from([0.0, 0.3])), asked


def grid(names, init, asked):
    """Every soup in tenths that breaks no rule."""
    tenths = lattice(len(names), STEPS - round(STEPS * init)) / STEPS
    found = [row for row in tenths if not check(dict(zip(names, row.tolist(), strict=True)), **asked)]
    shares = np.array(found).reshape(-1, len(names))
    return np.hstack([shares, np.full((len(shares), 1), init)]) if init else shares


@given(rules(), st.integers(0, 1000))
@settings(max_examples=300, deadline=None)
def test_limits_hold_a_soup_exactly_where_the_grid_does_and_reach_as_far(given_rules, seed):
    names, init, asked = given_rules
    generator = np.random.default_rng(seed)
    allowed = grid(names, init, asked)
    found = limits_of(names, init=init, **asked).points(generator, 20)
    assert bool(len(found)) == bool(len(allowed))
    if not len(allowed):
        return
    for row in found:
        assert not check(dict(zip(names, row.tolist(), strict=False)), **asked)
        assert row.min() >= 0.0
        assert row.sum() == pytest.approx(1.0, abs=1e-12)
        assert not init or row[-1] == pytest.approx(init, abs=1e-12)
    for _ in range(10):
        way = generator.normal(size=found.shape[1])
        assert (found @ way).max() == pytest.approx((allowed @ way).max(), abs=1e-9)


@pytest.mark.parametrize(
    ("most", "fits"),
    [
        ((0.1, 0.1, 0.85), True),
        ((0.2, 0.3, 0.5), True),
        ((0.5, 0.3, 0.2), True),
        ((0.2, 0.2, 0.605), True),
        ((0.05, 0.05, 0.91), True),
        ((0.05, 0.05, 0.899), False),
        ((0.1, 0.1, 0.1, 0.75), True),
        ((0.25, 0.25, 0.25, 0.25), True),
        ((0.25, 0.25, 0.25, 0.2499), False),
    ],
)
def test_narrow_limits_hold_a_soup_where_the_largest_shares_sum_to_one(most, fits):
    names = [f"e{at}" for at in range(len(most))]
    policy = Policy(bounds={name: LambdaBounds(max=share) for name, share in zip(names, most, strict=True)})
    assert bool(limits_of(names, policy=policy).corners(np.random.default_rng(0))) == fits


@pytest.mark.parametrize("count", [12, 15])
def test_limits_of_many_experts_keep_so_many_corners_at_most(count):
    names = [f"e{at}" for at in range(count)]
    policy = Policy(bounds={name: LambdaBounds(min=0.01, max=0.15) for name in names})
    (found,) = limits_of(names, policy=policy).corners(np.random.default_rng(0))
    assert 300 < len(found) <= 400
    between = (found > 0.01 + 1e-9) & (found < 0.15 - 1e-9)
    assert between.sum(axis=1).max() <= 1
    assert found.sum(axis=1) == pytest.approx(1.0)


def test_experts_that_may_each_be_left_out_do_not_multiply_the_points():
    published = {f"e{at}": LambdaBounds(min=0.05, max=0.3) for at in range(12)}
    found = limits_of(list(published), published=published).points(np.random.default_rng(0), 10)
    assert 12 < len(found) < 1300
    assert not any(check(dict(zip(published, row.tolist(), strict=True)), published=published) for row in found)
