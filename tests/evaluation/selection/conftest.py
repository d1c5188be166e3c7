"""Rewards with a known optimum, measured by a function: what a selection finds can be held against a fine grid."""

import json
from dataclasses import dataclass, field

import numpy as np
import pytest

from rshub.preferences.scores import Point, RewardScore, Scores


@dataclass
class Kitchen:
    """Three rewards of three experts, quadratic in the coefficients; ``taste`` counts what was measured."""

    names: tuple = ("a", "b", "c")
    direction: str = "max"
    noise: float = 0.0
    asked: list = field(default_factory=list)

    def rewards(self, at):
        """Rows of shares to rows of rewards, larger better whatever the direction."""
        at = np.atleast_2d(at)
        places = np.array([(0, 0), (2, 0), (0.5, 1.5)])[: len(self.names)]
        optima = np.array([(0.4, 0.1), (1.8, 0.2), (0.6, 1.0)])[: len(self.names)]
        scales = np.array([1.0, 30.0, 0.02])[: len(self.names)]
        mixed = at @ places
        return scales * -(((mixed[:, None] - optima[None]) ** 2) * np.array([1.0, 1.6])).sum(axis=2)

    def point(self, coefficients, kind="soup"):
        shares = [coefficients.get(name, 0.0) for name in self.names]
        sign = 1 if self.direction == "max" else -1
        values = self.rewards(shares)[0]
        if self.noise:
            values = values + self.noise * np.random.default_rng(len(self.asked)).normal(size=len(values))
        scored = {name: RewardScore(mean=float(sign * value)) for name, value in zip(self.names, values, strict=True)}
        return Point(kind=kind, coefficients=dict(coefficients), rewards=scored)

    def taste(self, coefficients):
        self.asked.append(dict(coefficients))
        return self.point(coefficients)

    def scores(self, *rows):
        rows = rows or tuple(np.eye(len(self.names)))
        points = tuple(self.point({n: float(s) for n, s in zip(self.names, row, strict=True) if s}) for row in rows)
        return Scores(rewards=dict.fromkeys(self.names, self.direction), points=points)

    def regret(self, coefficients, factors):
        """What the coefficients miss of the best of a fine grid, as a share of what lies between best and worst."""
        steps = 60
        count = len(self.names)
        grid = (
            np.array([(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]) / steps
            if count == 3
            else np.array([(i, steps - i) for i in range(steps + 1)]) / steps
        )
        wished = self.rewards(grid) @ np.array([factors.get(name, 0.0) for name in self.names])
        here = self.rewards([coefficients.get(name, 0.0) for name in self.names])[0]
        got = float(here @ np.array([factors.get(name, 0.0) for name in self.names]))
        return (wished.max() - got) / (wished.max() - wished.min())


@pytest.fixture
def kitchen3():
    return Kitchen()


@pytest.fixture
def kitchen2():
    return Kitchen(names=("a", "b"))


@pytest.fixture
def written(tmp_path):
    """Write points as a person types them, and give the file."""

    def write(points, rewards, name="scores.json"):
        path = tmp_path / name
        document = {"rewards": {key: {"direction": way} for key, way in rewards.items()}, "points": points}
        path.write_text(json.dumps(document))
        return path

    return write
