"""A task whose rewards are known functions of two parameters, so that theory says which claims hold.

Each model is a place in the plane: the start at the origin, the experts at the ends of two arms, the models trained on
mixtures between these, and a soup where its coefficients put it.
"""

from zlib import crc32

import numpy as np

from rshub.preferences.scores import Point, RewardScore
from rshub.prompts.prompt import Prompt, PromptSet
from rshub.rewards.spec import reward_from_spec
from scripts.reproduction.album import Album
from scripts.reproduction.experiments import UNIFORM
from scripts.reproduction.finding import Picture
from scripts.reproduction.sizes import sizes_of
from scripts.reproduction.study import Study
from scripts.reproduction.worlds import World

PROMPTS = 200
SPECS = {"recall": "metric:rouge1.recall", "precision": "metric:rouge1.precision"}
MORE = {"bleu1": "metric:bleu1", "bleu4": "metric:bleu4"}
OTHER = {"rouge_l": "metric:rouge_l", "length": "metric:length"}


class Quadratic(Study):
    """A study that measures nothing: ``shape`` gives the rewards at a place, ``luck`` is the noise of one prompt."""

    def __init__(self, shape, *, task="news", rewards=2, luck=0.01, apart=0.0):
        specs = SPECS if rewards == 2 else SPECS | MORE
        world = World(
            task=task,
            prompts=PromptSet(prompts=(Prompt(text="?"),) * PROMPTS, name="none", split="test", digest="0" * 64),
            rewards={name: reward_from_spec(spec) for name, spec in specs.items()},
            extras={name: reward_from_spec(spec) for name, spec in OTHER.items()},
            recipe={},
        )
        super().__init__(world, None, sizes=sizes_of(task, fast=False), ledger=None, costs=None)
        self._shape, self._luck, self._apart = shape, luck, apart
        self._common = np.random.default_rng(0).normal(size=PROMPTS)

    def log(self, name):
        ends = [self._shape(self._place(name) * share) for share in (0.1, 0.5, 1.0)]
        return [{"rewards": end} for end in ends]

    def _place(self, name):
        names = list(self.world.rewards)
        corners = dict(zip(names, np.eye(len(names)), strict=True))
        reward, _, kind = name.partition(".")
        if reward in corners:
            aside = np.roll(corners[reward], 1) * self._apart if kind == "seed1" else 0.0
            return corners[reward] + aside
        if name == UNIFORM:
            return np.full(len(names), 1 / len(names))
        return sum(share * corners[reward] for reward, share in self.runs[name].mixture.items())

    def _measured(self, coefficients, *, kind):
        start = np.zeros(len(self.world.rewards))
        place = sum((value * self._place(name) for name, value in coefficients.items()), start)
        rng = np.random.default_rng(crc32(repr((kind, place.tolist())).encode()))
        rewards = {}
        for name, mean in self._shape(place).items():
            samples = mean + self._common + self._luck * rng.normal(size=PROMPTS)
            rewards[name] = RewardScore(
                mean=float(samples.mean()), stderr=float(samples.std(ddof=1)) / PROMPTS**0.5, samples=tuple(samples)
            )
        one = [value for value in coefficients.values() if value]
        return Point(
            kind=kind or ("init" if not one else "expert" if one == [1.0] else "soup"),
            coefficients=None if kind == "morl" else dict(coefficients),
            preference=self.runs[next(iter(coefficients))].preference if kind == "morl" else None,
            rewards=rewards,
        )


class Blank(Album):
    """An album without pictures."""

    def _nothing(self, name, *_, title, amount, **__):
        return Picture(file=f"{name}.png", title=title, caption=amount)

    front = sets = curves = spider = series = _nothing


def hills(place):
    """Give rewards with their best at their own expert: every soup lies above the line, as Lemma 3 has it."""
    return _shaped(place, lambda corner: 1.0 - float(((place - corner) ** 2).sum()) / 2)


def pits(place):
    """Give rewards that fall steeply on the way: every soup lies below the line."""
    return _shaped(place, lambda corner: float(np.exp(-3.0 * np.abs(place - corner).sum())))


def _shaped(place, shape):
    names = list(SPECS | MORE)[: len(place)]
    rewards = {name: shape(corner) for name, corner in zip(names, np.eye(len(place)), strict=True)}
    middle = float(((place - np.full(len(place), 1 / len(place))) ** 2).sum())
    sign = 1.0 if shape(np.zeros(len(place))) > 0.4 else -1.0
    return rewards | {"rouge_l": -sign * middle, "length": 3.0}
