"""One task under study: measures the soups that a claim asks for, training what they are made of when it is missing.

Claims say which soups they need and get points back. All points of a task are measured on the same held-out prompts
with the same random numbers, in every reward and extra metric, so that any two can be compared prompt by prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rshub.evaluation.evaluator import Evaluator
from rshub.evaluation.ledger import Ledger
from rshub.evaluation.sampling import Sampling
from rshub.experts.training_summary import LOG
from rshub.preferences.scores import Direction, Point, Scores
from rshub.training.runs.log_file import whole_log
from scripts.reproduction.costs import Costs
from scripts.reproduction.experiments import Run, between, runs
from scripts.reproduction.sizes import Sizes
from scripts.reproduction.workshop import Workshop
from scripts.reproduction.worlds import World


class Study:
    """A task, its models and its measurements.

    Args:
        world: The task's twin.
        workshop: Where models come from.
        sizes: How much is measured.
        ledger: What was measured before.
        costs: The book of costs.
    """

    def __init__(self, world: World, workshop: Workshop, *, sizes: Sizes, ledger: Ledger, costs: Costs) -> None:
        self.world = world
        self.workshop = workshop
        self.sizes = sizes
        self._costs = costs
        self._ledger = ledger
        self.runs: Mapping[str, Run] = runs(list(world.rewards), sizes.morl)
        self._points: dict[Any, Point] = {}
        self._open: tuple[set[str], Evaluator] | None = None

    @property
    def task(self) -> str:
        """Name the task."""
        return self.world.task

    @property
    def pair(self) -> tuple[str, str]:
        """The two rewards of the pictures."""
        first, second = list(self.world.rewards)[:2]
        return first, second

    def directions(self, rewards: Sequence[str] | None = None) -> dict[str, Direction]:
        """Say which way some rewards are better: those that were trained on, unless named."""
        names = self.world.rewards if rewards is None else rewards
        return {name: self.world.judged[name].direction for name in names}

    @property
    def amount(self) -> str:
        """How much every point is measured on, for captions."""
        seeds = self.sizes.seeds
        return f"{len(self.world.prompts.prompts)} held-out prompts, {seeds} completion{'s' * (seeds > 1)} each"

    def soup(self, coefficients: Mapping[str, float]) -> Point:
        """Measure the soup of some models; what is left to a sum of one is the start's."""
        return self._measured(coefficients, kind=None)

    def start(self) -> Point:
        """Measure the start itself."""
        return self._measured({}, kind=None)

    def trained(self, name: str) -> Point:
        """Measure a model that was trained on a mixture of rewards, as what it is: no soup."""
        return self._measured({name: 1.0}, kind="morl")

    def ensemble(self, coefficients: Mapping[str, float]) -> Point:
        """Measure the average of models' predictions."""
        return self._measured(coefficients, kind="ensemble")

    def line(self, first: str, second: str, tenths: Sequence[int]) -> list[Point]:
        """Measure the soups on the line between two models; ``tenths`` of the second."""
        return [self.soup(between(first, second, part)) for part in tenths]

    def scores(self, points: Sequence[Point], rewards: Sequence[str] | None = None) -> Scores:
        """Put points together, in some of the rewards that they were measured in."""
        names = list(self.world.rewards) if rewards is None else list(rewards)
        kept = tuple(replace(point, rewards={name: point.rewards[name] for name in names}) for point in points)
        return Scores(rewards=self.directions(names), points=kept)

    def distance(self, reward: str, first: Point, second: Point) -> float:
        """Give how far two points lie apart in one reward, never zero: the unit of what is gained or lost between."""
        return max(abs(first.rewards[reward].mean - second.rewards[reward].mean), 1e-9)

    def log(self, name: str) -> list[dict[str, Any]]:
        """Read the training log of a model."""
        return whole_log(self.workshop.model(self.runs[name]) / LOG)

    def close(self) -> None:
        """Let go of the models in memory."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _measured(self, coefficients: Mapping[str, float], *, kind: str | None) -> Point:
        named = {name: value for name, value in coefficients.items() if value}
        key = f"{kind or 'soup'} {dict(sorted(named.items()))}"
        if key not in self._points:
            folders = {name: self.workshop.model(self.runs[name]) for name in named}
            with self._costs.of(f"measuring {self.task} {key}"):
                self._points[key] = self._taken(self._evaluator(folders), named, kind)
        return self._points[key]

    def _taken(self, evaluator: Evaluator, named: Mapping[str, float], kind: str | None) -> Point:
        if kind == "ensemble":
            return evaluator.ensemble(named)
        preference = self.runs[next(iter(named))].preference if kind == "morl" else None
        return evaluator.point(named, kind=kind, preference=preference)

    def _evaluator(self, folders: Mapping[str, Path]) -> Evaluator:
        """Give an evaluator of just these models: the last one, if it serves, for one is in memory at a time."""
        if self._open is not None and set(folders) <= self._open[0]:
            return self._open[1]
        self.close()
        world = self.world
        evaluator = Evaluator.open(
            folders,
            base=world.recipe["base"],
            rewards=world.judged,
            prompts=world.prompts,
            sampling=Sampling(seeds=self.sizes.seeds, max_new_tokens=world.recipe["max_completion_length"]),
            ledger=self._ledger,
            endpoint=world.endpoint,
            token=world.token,
            extrapolate=True,
            device="cpu",
        )
        self._open = set(folders), evaluator
        return evaluator
