"""Rewards as functions of the coefficients, to try selectors on: families drawn by seed, and published fronts.

    bowls       every reward a quadratic of the mixed weights with its own curvatures (log-normal) and its own optimum,
                which its expert misses by some way, seen through a reward that saturates
    tilted      the same with curvatures that do not follow the axes, experts farther off, and no saturation
    saturating  bowls through rewards that saturate hard: tanh, exponential or a root
    gentle      nearly linear, as rewards of fine-tuned language models are: little gain over the line between experts
    s-shaped    every reward a steep S of the share of its own expert: what no quadratic describes
    s-bowls     bowls seen through a steep S

Each comes in units of its own. A published front is known at its lambdas alone and taken to be straight in between.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Rewards = Callable[[Array], Array]
"""Rows of coefficients, shape (points, experts), to rewards, shape (points, experts): one for each expert."""

_DIRECTIONS = 10


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """Rewards with what a judge of selectors may know: the true best and worst, and the range of the experts."""

    rewards: Rewards
    count: int
    dense: Array

    @property
    def experts(self) -> Array:
        """The coefficients of the experts."""
        return np.eye(self.count)

    @property
    def ranges(self) -> Array:
        """How far the experts are apart in each reward."""
        return np.ptp(self.rewards(self.experts), axis=0)

    def regret(self, chosen: Array, factors: Array) -> float:
        """Give what a choice misses, as a share of what is between the worst and the best soup."""
        wished = self.rewards(self.dense) @ factors
        best = float(wished.max())
        missed = best - float((self.rewards(chosen[None]) @ factors)[0])
        return max(0.0, missed) / (best - float(wished.min()))


def draw(family: str, count: int, generator: np.random.Generator) -> Landscape:
    """Draw one landscape of a family."""
    rewards = FAMILIES[family](count, generator)
    mixed = [generator.dirichlet(np.full(count, even), 1500) for even in (1.0, 0.3)]
    return Landscape(rewards=rewards, count=count, dense=np.vstack([np.eye(count), *mixed]))


def _bowls(count: int, generator: np.random.Generator) -> Rewards:
    experts = generator.normal(size=(count, _DIRECTIONS))
    optima = experts + 0.5 * generator.normal(size=(count, _DIRECTIONS))
    curvatures = np.exp(1.2 * generator.normal(size=(count, _DIRECTIONS)))

    def raw(at: Array) -> Array:
        apart = (at @ experts)[:, None, :] - optima[None]
        return -np.einsum("pkd,kd->pk", apart**2, curvatures)

    return _through(raw, count, generator, lambda unit: np.log1p(0.6 * np.maximum(unit, -1.5)))


def _tilted(count: int, generator: np.random.Generator) -> Rewards:
    few = 6
    experts = generator.normal(size=(count, few))
    optima = experts + generator.normal(size=(count, few))
    turned = [np.linalg.qr(generator.normal(size=(few, few)))[0] for _ in range(count)]
    hessians = np.array([(turn * np.exp(1.4 * generator.normal(size=few))) @ turn.T for turn in turned])

    def raw(at: Array) -> Array:
        apart = (at @ experts)[:, None, :] - optima[None]
        return -np.einsum("pkd,kde,pke->pk", apart, hessians, apart)

    return _through(raw, count, generator, lambda unit: unit)


def _saturating(count: int, generator: np.random.Generator) -> Rewards:
    shapes: list[Callable[[Array], Array]] = [
        lambda unit: np.tanh(1.6 * unit),
        lambda unit: 1.0 - np.exp(-2.2 * np.maximum(unit, -1.0)),
        lambda unit: np.sign(unit) * np.sqrt(np.abs(unit)),
    ]
    shape = shapes[int(generator.integers(len(shapes)))]
    return _through(_bowls(count, generator), count, generator, shape)


def _gentle(count: int, generator: np.random.Generator) -> Rewards:
    payoff = generator.normal(0.0, 0.3, size=(count, count))
    payoff[np.arange(count), np.arange(count)] = generator.normal(1.1, 0.2, size=count)
    first, second = np.triu_indices(count, 1)
    bends = np.exp(np.log(0.45) + 0.6 * generator.normal(size=(len(first), count)))
    units = np.exp(generator.normal(size=count))
    return lambda at: units * (at @ payoff + (at[:, first] * at[:, second]) @ bends)


def _s_shaped(count: int, generator: np.random.Generator) -> Rewards:
    steep = np.exp(np.log(12.0) + 0.4 * generator.normal(size=count))
    middle = generator.uniform(0.25, 0.75, size=count)
    cross = generator.normal(0.0, 0.1, size=(count, count)) * (1.0 - np.eye(count))
    units = np.exp(generator.normal(size=count))
    low, high = _logistic(-steep * middle), _logistic(steep * (1.0 - middle))
    return lambda at: units * ((_logistic(steep * (at - middle)) - low) / (high - low) + at @ cross)


def _s_bowls(count: int, generator: np.random.Generator) -> Rewards:
    steep, middle = generator.uniform(6.0, 14.0, size=count), generator.uniform(0.3, 0.7, size=count)
    return _through(_bowls(count, generator), count, generator, lambda unit: _logistic(steep * (unit - middle)))


def _through(raw: Rewards, count: int, generator: np.random.Generator, shape: Callable[[Array], Array]) -> Rewards:
    """Bend rewards whose experts reach from 0 to 1, and give each a unit of its own."""
    at_experts = raw(np.eye(count))
    low, reach = at_experts.min(axis=0), np.ptp(at_experts, axis=0)
    units = np.exp(generator.normal(size=count))
    return lambda at: units * shape((raw(at) - low) / reach)


def _logistic(value: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-value))


FAMILIES: Mapping[str, Callable[[int, np.random.Generator], Rewards]] = {
    "bowls": _bowls,
    "tilted": _tilted,
    "saturating": _saturating,
    "gentle": _gentle,
    "s-shaped": _s_shaped,
    "s-bowls": _s_bowls,
}


def published(folder: Path) -> dict[str, Landscape]:
    """Read the published fronts of two experts, with the reward of each: the one that is called like it."""
    found: dict[str, Landscape] = {}
    for path in sorted(folder.glob("*.json")):
        front = json.loads(path.read_text())
        names = list(front["soups"][0]["lambda"])
        measured = list(front["soups"][0]["rewards"])
        own = [next((reward for reward in measured if _plain(reward).startswith(_plain(name))), "") for name in names]
        if len(own) == 2 and all(own):
            found[path.stem] = _front(front, names, own)
    return found


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _front(front: Mapping[str, Any], names: list[str], rewards: list[str]) -> Landscape:
    soups = sorted(front["soups"], key=lambda soup: soup["lambda"][names[1]])
    at = np.array([soup["lambda"][names[1]] for soup in soups])
    values = np.array([[soup["rewards"][reward] for reward in rewards] for soup in soups])
    low = np.minimum(values[0], values[-1])
    units = (values - low) / np.abs(values[0] - values[-1])
    share = np.linspace(0.0, 1.0, 401)
    return Landscape(
        rewards=lambda rows: np.stack([np.interp(rows[:, 1], at, units[:, k]) for k in range(2)], axis=1),
        count=2,
        dense=np.stack([1.0 - share, share], axis=1),
    )
