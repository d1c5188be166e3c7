"""Ways to choose coefficients with a budget of evaluations, each on the same noisy measurements of a landscape.

Most know the experts, which were measured beforehand and cost nothing. Rewards are maximised, and what is wanted of
them is linear. What a selector may not know, the landscape itself, it sees through ``Meter`` alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from landscapes import Array, Landscape

from rshub.evaluation.selection.search import Goal, search
from rshub.evaluation.selection.strategy import Space, choose
from rshub.preferences.evidence import gather
from rshub.preferences.scores import Point, RewardScore, Scores
from rshub.preferences.wish import make_wish


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One landscape, one preference (a factor for each reward), one budget, and noise by standard error of a reward."""

    landscape: Landscape
    factors: Array
    budget: int
    noise: Array
    seed: int
    stated: bool = True
    """Whether measurements come with their standard errors."""

    def meter(self) -> Meter:
        """Give measurements, with the same random numbers for every selector."""
        return Meter(trial=self, generator=np.random.default_rng([self.seed, 1]))

    @property
    def experts(self) -> Array:
        """The rewards of the experts as they were measured, shape (experts, rewards)."""
        generator = np.random.default_rng([self.seed, 0])
        true = self.landscape.rewards(self.landscape.experts)
        return true + self.noise * generator.standard_normal(true.shape)


@dataclass(frozen=True, kw_only=True)
class Meter:
    """Measures rows of coefficients, with noise."""

    trial: Trial
    generator: np.random.Generator

    def __call__(self, at: Array) -> Array:
        """Give the rewards of each row."""
        true = self.trial.landscape.rewards(at)
        return true + self.trial.noise * self.generator.standard_normal(true.shape)


Selector = Callable[[Trial, Meter], Array]


def paper(trial: Trial, meter: Meter) -> Array:
    """Draw random soups, and keep the best of them."""
    drawn = meter.generator.dirichlet(np.ones(trial.landscape.count), trial.budget)
    return np.asarray(drawn[int((meter(drawn) @ trial.factors).argmax())])


def random_and_experts(trial: Trial, meter: Meter) -> Array:
    """Draw random soups, and keep the best of them and the experts."""
    return _best_of(trial, meter, meter.generator.dirichlet(np.ones(trial.landscape.count), trial.budget))


def grid_and_experts(trial: Trial, meter: Meter) -> Array:
    """Space soups evenly between two experts, and keep the best of them and the experts."""
    share = np.arange(1, trial.budget + 1) / (trial.budget + 1)
    return _best_of(trial, meter, np.stack([1.0 - share, share], axis=1))


def tpe(trial: Trial, meter: Meter) -> Array:
    """Search with a tree-structured Parzen estimator, and keep the best soup."""
    return _tpe(trial, meter, with_experts=False)


def tpe_and_experts(trial: Trial, meter: Meter) -> Array:
    """Search likewise, but tell the estimator of the experts, and keep the best of all."""
    return _tpe(trial, meter, with_experts=True)


def ours(trial: Trial, meter: Meter) -> Array:
    """Search as ``rshub select`` does, with raw units."""
    names = [f"r{number}" for number in range(trial.landscape.count)]

    def point(at: Array, values: Array) -> Point:
        errors = trial.noise if trial.stated else [None] * len(names)
        measured = {
            name: RewardScore(mean=float(value), stderr=None if error is None else float(error))
            for name, value, error in zip(names, values, errors, strict=True)
        }
        return Point(kind="soup", coefficients=dict(zip(names, at.tolist(), strict=True)), rewards=measured)

    stored = [point(*pair) for pair in zip(trial.landscape.experts, trial.experts, strict=True)]
    scores = Scores(rewards=dict.fromkeys(names, "max"), points=tuple(stored))

    def measure(coefficients: Mapping[str, float]) -> Point:
        at = np.array([coefficients.get(name, 0.0) for name in names])
        return point(at, meter(at[None])[0])

    def keep(new: Point, _: str) -> Scores:
        nonlocal scores
        scores = replace(scores, points=(*scores.points, new))
        return scores

    space = Space(corners=tuple(names), allowed=lambda _: True)
    goal = Goal(space=space, mu=dict(zip(names, trial.factors.tolist(), strict=True)), units="raw")
    search(scores, goal, budget=trial.budget, measure=measure, keep=keep)
    evidence = gather(scores, space.corners)
    choice = choose(space, evidence, make_wish(goal.mu, goal.units, evidence, scores), measured_only=True)
    assert choice is not None
    return choice.shares


SELECTORS: Mapping[str, Selector] = {
    "paper": paper,
    "random+experts": random_and_experts,
    "grid+experts": grid_and_experts,
    "tpe": tpe,
    "tpe+experts": tpe_and_experts,
    "ours": ours,
}


def _best_of(trial: Trial, meter: Meter, at: Array) -> Array:
    everything = np.vstack([at, trial.landscape.experts])
    values = np.vstack([meter(at), trial.experts]) @ trial.factors
    return np.asarray(everything[int(values.argmax())])


def _tpe(trial: Trial, meter: Meter, *, with_experts: bool) -> Array:
    """Let exponential variates be searched, which make every mixture equally likely, as the paper's random ones are."""
    import optuna

    count = trial.landscape.count
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seen: list[tuple[float, Array]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=trial.seed % 2**31, n_startup_trials=max(3, trial.budget // 3))
        study = optuna.create_study(direction="maximize", sampler=sampler)
    names = [f"x{number}" for number in range(count)]
    if with_experts:
        ranges = {name: optuna.distributions.FloatDistribution(1e-6, 1.0) for name in names}
        for at, value in zip(trial.landscape.experts, trial.experts @ trial.factors, strict=True):
            seen.append((float(value), at))
            told = dict(zip(names, np.where(at > 0.0, 1e-6, 1.0).tolist(), strict=True))
            study.add_trial(optuna.trial.create_trial(params=told, distributions=ranges, value=float(value)))

    def objective(one: optuna.Trial) -> float:
        spread = -np.log([min(one.suggest_float(name, 1e-6, 1.0), 1.0 - 1e-9) for name in names])
        at = spread / spread.sum()
        value = float((meter(at[None]) @ trial.factors)[0])
        seen.append((value, at))
        return value

    study.optimize(objective, n_trials=trial.budget)
    return max(seen, key=lambda pair: pair[0])[1]
