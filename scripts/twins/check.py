"""Whether each expert of a twin counts: on held-out prompts it gains more than three standard errors on its own reward.

Experts are trained by the very recipe that the twin publishes and measured as anybody measures experts; the errors are
those of the gain, prompt by prompt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev
from time import process_time

from rshub.evaluation.evaluator import Evaluator
from rshub.evaluation.sampling import Sampling
from rshub.preferences.scores import Point
from rshub.prompts.read import read_prompts
from rshub.rewards.spec import reward_from_spec
from rshub.training.train import train
from scripts.twins.twin import Twin

ENOUGH = 3.0
"""Standard errors that an expert has to gain."""
SEEDS = 2
"""Completions of each prompt."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What an expert gained on a reward over its base: per prompt, with the standard error of the mean."""

    expert: str
    reward: str
    before: float
    after: float
    error: float

    @property
    def errors(self) -> float:
        """The gain in standard errors."""
        apart = self.after - self.before
        if not apart:
            return 0.0
        return apart / self.error if self.error else math.copysign(math.inf, apart)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What every expert gained on every reward, and what it cost to train one, in seconds of one core."""

    gains: tuple[Gain, ...]
    seconds: Mapping[str, float]
    points: Mapping[str, Point]

    @property
    def failed(self) -> list[Gain]:
        """The experts that do not count."""
        return [gain for gain in self.gains if gain.expert == gain.reward and gain.errors <= ENOUGH]


def check(twin: Twin, folder: Path, *, endpoint: str, token: str) -> Checked:
    """Train every expert of a twin, and measure them and some of their soups on all rewards."""
    from rshub.training.quiet import torch_on_one_thread

    places, seconds = {}, {}
    with torch_on_one_thread():
        for name in twin.rewards:
            began = process_time()
            wanted = {**twin.recipe, "reward_weights": {name: 1.0}}
            places[name] = train(wanted, output=folder / name, endpoint=endpoint, token=token).folder
            seconds[name] = process_time() - began
        points = _measured(twin, places, endpoint=endpoint, token=token)
    gains = [
        gain(points["base"], points[expert], expert=expert, reward=reward)
        for expert in twin.rewards
        for reward in twin.rewards
    ]
    return Checked(gains=tuple(gains), seconds=seconds, points=points)


def _measured(twin: Twin, places: Mapping[str, Path], *, endpoint: str, token: str) -> dict[str, Point]:
    specs = {**twin.rewards, **twin.watched}
    sampling = Sampling(seeds=SEEDS, max_new_tokens=twin.recipe["max_completion_length"])
    with Evaluator.open(
        places,
        base=twin.base,
        rewards={name: reward_from_spec(spec) for name, spec in specs.items()},
        prompts=read_prompts(twin.test, endpoint=endpoint, token=token),
        sampling=sampling,
        endpoint=endpoint,
        token=token,
    ) as evaluator:
        points = {"base": evaluator.point({})} | {name: evaluator.point({name: 1.0}) for name in places}
        return points | {mixture_name(mixture): evaluator.point(mixture) for mixture in _soups(list(places))}


def _soups(names: Sequence[str]) -> list[dict[str, float]]:
    """Choose soups to look at: along the line between two experts, and the uniform one of more."""
    if len(names) == 2:
        return [{names[0]: share, names[1]: 1 - share} for share in (0.75, 0.5, 0.25)]
    return [dict.fromkeys(names, 1 / len(names))]


def mixture_name(mixture: Mapping[str, float]) -> str:
    """Call a mixture by its coefficients."""
    return " ".join(f"{share:g}" for share in mixture.values())


def gain(before: Point, after: Point, *, expert: str, reward: str) -> Gain:
    """Compare two measurements on the same prompts."""
    pairs = zip(before.rewards[reward].samples or (), after.rewards[reward].samples or (), strict=True)
    apart = [second - first for first, second in pairs if first is not None and second is not None]
    return Gain(
        expert=expert,
        reward=reward,
        before=before.rewards[reward].mean,
        after=after.rewards[reward].mean,
        error=stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else math.inf,
    )


def lines(checked: Checked) -> list[str]:
    """Lay the check out for a person."""
    said = []
    for found in checked.gains:
        own = found.expert == found.reward
        verdict = ("counts" if found.errors > ENOUGH else "DOES NOT COUNT") if own else ""
        said.append(
            f"{found.expert:>12} on {found.reward:<12} {found.before:+.3f} -> {found.after:+.3f}"
            f"  {found.errors:+7.1f} standard errors  {verdict}".rstrip()
        )
    names = list(next(iter(checked.points.values())).rewards)
    said += ["", " " * 12 + "".join(f"{name:>14}" for name in names)]
    for label, point in checked.points.items():
        said.append(f"{label:>12}" + "".join(f"{point.rewards[name].mean:>14.3f}" for name in names))
    spent = ", ".join(f"{name} {seconds:.0f}" for name, seconds in checked.seconds.items())
    return [*said, "", f"CPU-seconds of training: {spent}"]
