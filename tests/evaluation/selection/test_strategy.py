"""Choices within bounds, against the best point of a fine grid inside them."""

import json

import numpy as np
import pytest

from rshub.errors import Incompatible
from rshub.evaluation.selection.strategy import Space, choose, regret
from rshub.preferences.evidence import gather
from rshub.preferences.limits import limits_of
from rshub.preferences.policy import LambdaBounds, Policy, check
from rshub.preferences.scores import Scores
from rshub.preferences.simplex import lattice
from rshub.preferences.wish import Wish

STEPS = 200


def space_of(names, bounds):
    policy = Policy(bounds={name: LambdaBounds(**ends) for name, ends in bounds.items()})

    def allowed(shares):
        return not check(dict(zip(names, shares.tolist(), strict=True)), policy=policy)

    return Space(corners=tuple(names), allowed=allowed, limits=limits_of(names, policy=policy))


def grid(names, bounds):
    """Every soup inside the bounds in steps of 0.005."""
    at = lattice(len(names), STEPS) / STEPS
    for column, name in enumerate(names):
        ends = bounds.get(name, {})
        at = at[(at[:, column] >= ends.get("min", 0.0) - 1e-9) & (at[:, column] <= ends.get("max", 1.0) + 1e-9)]
    return at


def measured(names, rewards, rows):
    """Scores of these rewards, functions of rows of shares, at some soups."""
    points = [
        {
            "kind": "soup",
            "coefficients": dict(zip(names, row.tolist(), strict=True)),
            "rewards": {name: float(reward(row[None])[0]) for name, reward in rewards.items()},
        }
        for row in rows
    ]
    document = {"rewards": {name: {"direction": "max"} for name in rewards}, "points": points}
    return Scores.parse(json.dumps(document).encode())


@pytest.mark.parametrize(
    "bounds",
    [
        {"a": {"max": 0.1}, "b": {"max": 0.1}, "c": {"max": 0.85}},
        {"a": {"max": 0.2}, "b": {"max": 0.3}, "c": {"max": 0.5}},
        {"a": {"max": 0.5}, "b": {"max": 0.3}, "c": {"max": 0.2}},
        {"a": {"max": 0.2}, "b": {"max": 0.2}, "c": {"max": 0.605}},
        {"a": {"max": 0.05}, "b": {"max": 0.05}, "c": {"max": 0.91}},
        {"a": {"min": 0.2, "max": 0.25}, "b": {"min": 0.7}},
        {"a": {"min": 0.3}, "b": {"min": 0.3}, "c": {"min": 0.4}},
        {"a": {"max": 0.15}},
        {"b": {"min": 0.4, "max": 0.42}},
    ],
)
def test_the_best_soup_within_bounds_is_found(bounds):
    names = ("a", "b", "c")
    rewards = {
        "r": lambda at: at @ [1.0, 0.2, 0.0] + 0.8 * at[:, 0] * at[:, 2] + 0.3 * at[:, 0] * at[:, 1],
        "s": lambda at: at @ [0.0, 1.0, 0.3] + 0.5 * at[:, 1] * at[:, 2],
    }
    scores = measured(names, rewards, lattice(3, 4) / 4)
    evidence, wish = gather(scores, names), Wish(factors={"r": 0.7, "s": 0.3})

    def height(at):
        return 0.7 * rewards["r"](at) + 0.3 * rewards["s"](at)

    space = space_of(names, bounds)
    found = choose(space, evidence, wish, measured_only=False)
    assert space.may(found.shares)
    assert found.shares.sum() == pytest.approx(1.0, abs=1e-12)
    inside = grid(names, bounds)
    best = float(height(inside).max())
    assert float(height(found.shares[None])[0]) >= best - 1e-4
    assert regret(space, evidence, wish, found.shares)[0] >= 0.0
    worst = inside[height(inside).argmin()]
    low, expected, high = regret(space, evidence, wish, worst)
    missed = best - float(height(inside).min())
    assert low - 2e-3 <= missed <= high + 2e-3
    assert expected == pytest.approx(missed, abs=5e-3)


@pytest.mark.parametrize("named", [True, False])
def test_the_end_of_narrow_bounds_is_reached_and_what_is_short_of_it_has_a_regret(named):
    """A straight line rises through the bounds: only their end is best; 0.5786 misses 0.0014 of the slope."""
    names = ("a", "b")
    rewards = {"a": lambda at: at[:, 0], "b": lambda at: 0.1 * at[:, 1]}
    scores = measured(names, rewards, lattice(2, 5) / 5)
    evidence, wish = gather(scores, names), Wish(factors={"a": 0.9, "b": 0.1})
    space = space_of(names, {"a": {"min": 0.55, "max": 0.58}})
    if not named:
        space = Space(corners=names, allowed=space.allowed)
    found = choose(space, evidence, wish, measured_only=False)
    assert found.shares.tolist() == [0.58, 0.42]
    assert regret(space, evidence, wish, found.shares)[2] < 1e-6
    low, expected, high = regret(space, evidence, wish, np.array([0.5786, 0.4214]))
    missed = 0.0014 * (0.9 - 0.01)
    assert low <= missed <= high
    assert expected == pytest.approx(missed, rel=0.1)


@pytest.mark.parametrize("most", [(0.3, 0.3, 0.399), (0.0, 0.5, 0.49)])
def test_bounds_without_a_soup_are_refused(most):
    names = ("a", "b", "c")
    space = space_of(names, {name: {"max": share} for name, share in zip(names, most, strict=True)})
    assert not len(grid(names, {name: {"max": share} for name, share in zip(names, most, strict=True)}))
    with pytest.raises(Incompatible, match="leave no soup"):
        _ = space.candidates
