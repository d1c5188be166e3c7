"""``scores.json``: which point got which reward, read strictly and written back with every field it came with.

    {"schema": "rshub.scores/1",
     "rewards": {"recall": {"direction": "max"}},
     "points": [{"kind": "soup", "coefficients": {"recall": 0.5, "precision": 0.5},
                 "rewards": {"recall": 0.72, "precision": {"mean": 0.82, "stderr": 0.01, "n": 200}}}]}

A reward that a point lacks, or gives as null, was not measured. Names of coefficients are rewards, repos or whatever
the writer calls an expert; ``init`` among them is the start's share. All faults are refused at once and by path: nan,
infinities, numbers beyond any measurement, directions other than max and min, rewards that are not declared.

Beside mean, stderr and n a reward may hold ``samples``, one value for each prompt in the order of the prompts (null
where nothing could be scored): they make errors paired and intervals possible. Beside its coefficients an expert may
hold ``mixture``, the share of each reward that it was trained on. The kind ``ensemble`` is the average of the experts'
predictions under the same coefficients, at the price of running all of them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from rshub.errors import InvalidInput, NotFound
from rshub.formats.canonical import MAX_BYTES, load_json
from rshub.formats.fields import MOST_GUESSES, Fields, nearest
from rshub.preferences.preference import INIT, SUM_TOLERANCE

SCHEMA = "rshub.scores/1"
KINDS = ("soup", "expert", "init", "morl", "ensemble")
SOUPS = ("soup", "expert")
"""The kinds that are soups: an expert is the soup of itself alone."""
LONGEST_NAME = 300
LARGEST = 1e100
"""No reward and no coefficient is larger than this; it keeps every sum and product of them finite."""

LARGEST_FILE = 256 * 1024 * 1024
"""A file on this machine may be larger than what others send: many points with a value for each prompt are."""

_SAMPLES = re.compile(r'"samples": \[[\s0-9eE+.,nul-]*\]')

Direction = Literal["max", "min"]


@dataclass(frozen=True, kw_only=True)
class RewardScore:
    """One reward measured at one point: the mean over ``n`` samples with its standard error, in reward units.

    ``samples`` is the value of each prompt, the mean of its own samples; None where nothing could be scored.
    """

    mean: float
    stderr: float | None = None
    n: int | None = None
    samples: tuple[float | None, ...] | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not abs(self.mean) <= LARGEST:
            raise InvalidInput(f"a score of {self.mean} is no measurement", where="mean", remedy="leave the reward out")
        if why := _strange(self.samples, self.mean):
            raise InvalidInput(f"samples: {why}", where="samples", remedy="give the value of each prompt")

    def to_json(self) -> float | dict[str, Any]:
        """Give a bare number when nothing else is known."""
        known: dict[str, Any] = {"mean": self.mean, "stderr": self.stderr, "n": self.n}
        known = {key: value for key, value in known.items() if value is not None}
        if self.samples is not None:
            known["samples"] = list(self.samples)
        return self.mean if len(known) == 1 and not self.unknown else {**self.unknown, **known}


@dataclass(frozen=True, kw_only=True)
class Point:
    """What was measured: a soup, an expert, the start, a model trained on mixed rewards, or an ensemble of experts.

    ``mixture`` is what the model was trained on, the share of each reward, where that is known.
    """

    kind: str
    rewards: Mapping[str, RewardScore]
    coefficients: Mapping[str, float] | None = None
    preference: str | None = None
    mixture: Mapping[str, float] | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def vertex(self) -> str | None:
        """The expert that this point is, when its coefficients are one-hot and it is no other kind of model."""
        if self.kind not in SOUPS or self.coefficients is None:
            return None
        named = [(name, value) for name, value in self.coefficients.items() if value != 0.0]
        if len(named) != 1 or named[0][0] == INIT or abs(named[0][1] - 1.0) > SUM_TOLERANCE:
            return None
        return named[0][0]

    def to_json(self) -> dict[str, Any]:
        """Describe the point as it stands in the file."""
        written: dict[str, Any] = {**self.unknown, "kind": self.kind}
        if self.coefficients is not None:
            written["coefficients"] = dict(self.coefficients)
        if self.preference is not None:
            written["preference"] = self.preference
        if self.mixture is not None:
            written["mixture"] = dict(self.mixture)
        return written | {"rewards": {name: score.to_json() for name, score in self.rewards.items()}}


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Everything that was measured: the direction of each reward, and the points in the order of the file."""

    rewards: Mapping[str, Direction]
    points: tuple[Point, ...]
    unknown: Mapping[str, Any] = field(default_factory=dict)
    unknown_of_rewards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path | str) -> Scores:
        """Read a file.

        Raises:
            NotFound: There is no such file, or it cannot be read.
            InvalidInput: The file is no well-formed ``scores.json``.
        """
        try:
            with Path(path).open("rb") as file:
                data = file.read(LARGEST_FILE + 1)
        except OSError as fault:
            raise NotFound(f"{path}: {fault.strerror}", where=str(path), remedy="name a scores.json") from fault
        return cls.parse(data, source=str(path), max_bytes=LARGEST_FILE)

    @classmethod
    def parse(cls, data: bytes, source: str = "scores.json", *, max_bytes: int = MAX_BYTES) -> Scores:
        """Read the bytes of a file.

        Args:
            data: The bytes.
            source: What to call the file in an error.
            max_bytes: The most bytes that are parsed.

        Raises:
            InvalidInput: With every fault and its path.
        """
        top = Fields(load_json(data, source=source, max_bytes=max_bytes), source=source)
        top.choice("schema", [SCHEMA], default=SCHEMA)
        directions, details = _rewards(top)
        guesses: dict[str, str] = {}
        points = tuple(_point(item, directions, guesses) for item in top.each("points"))
        if not top.has("points"):
            top.fault("points", "missing; a list is expected")
        top.finish()
        return cls(rewards=directions, points=points, unknown=top.unknown(), unknown_of_rewards=details)

    def to_json(self) -> dict[str, Any]:
        """Describe everything as one JSON value, with the fields that other tools left there."""
        rewards = {
            name: {**self.unknown_of_rewards.get(name, {}), "direction": direction}
            for name, direction in self.rewards.items()
        }
        return {
            **self.unknown,
            "schema": SCHEMA,
            "rewards": rewards,
            "points": [point.to_json() for point in self.points],
        }

    def to_bytes(self) -> bytes:
        """Write ``scores.json`` with its keys in the order they came in: the first two rewards are a picture's axes.

        The values of prompts stand in one line, so that a person can still read the rest.
        """
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
        return (_SAMPLES.sub(lambda found: " ".join(found[0].split()), text) + "\n").encode()

    def renamed(self, names: Mapping[str, str]) -> Scores:
        """Call the experts in all coefficients by other names, where there are any.

        Raises:
            InvalidInput: Two names in one point become the same.
        """
        points = []
        for number, point in enumerate(self.points):
            called = [names.get(name, name) for name in point.coefficients or {}]
            if len(set(called)) < len(called):
                twice = next(name for name in called if called.count(name) > 1)
                raise InvalidInput(
                    f"scores: two coefficients of point {number} are those of {twice}",
                    where=f"points[{number}].coefficients",
                    remedy="name each expert once",
                )
            values = None if point.coefficients is None else dict(zip(called, point.coefficients.values(), strict=True))
            points.append(replace(point, coefficients=values))
        return replace(self, points=tuple(points))

    def oriented(self) -> npt.NDArray[np.float64]:
        """Give the means as (points, rewards), larger always better (min rewards change sign); nan: not measured."""
        table = np.full((len(self.points), len(self.rewards)), np.nan)
        for row, point in enumerate(self.points):
            for column, (name, direction) in enumerate(self.rewards.items()):
                if name in point.rewards:
                    table[row, column] = oriented(point.rewards[name].mean, direction)
        return table


def oriented(value: float, direction: str) -> float:
    """Turn a reward so that larger is better; turning twice gives it back."""
    return value if direction == "max" else 0.0 - value


def _rewards(top: Fields) -> tuple[dict[str, Direction], dict[str, dict[str, Any]]]:
    """Read the declared rewards: their directions, and whatever else is said of them."""
    directions: dict[str, Direction] = {}
    details: dict[str, dict[str, Any]] = {}
    rewards = top.inner("rewards")
    for name in rewards.unknown():
        if not _is_name(name):
            rewards.fault(ascii(name[:40]), "a name is 1 to 300 printable characters")
            continue
        one = rewards.inner(name)
        directions[name] = cast("Direction", one.choice("direction", ["max", "min"]))
        if one.unknown():
            details[name] = one.unknown()
    if not directions:
        top.fault("rewards", "no reward is declared")
    return directions, details


def _point(item: Fields, directions: Mapping[str, str], guesses: dict[str, str]) -> Point:
    kind = item.choice("kind", KINDS)
    coefficients = _named_numbers(item, "coefficients")
    preference = item.optional_text("preference")
    return Point(
        kind=kind,
        coefficients=coefficients,
        preference=preference,
        mixture=_named_numbers(item, "mixture"),
        rewards=_measured(item.inner("rewards"), directions, guesses),
        unknown=item.unknown(),
    )


def _named_numbers(item: Fields, key: str) -> dict[str, float] | None:
    """Read an object of numbers, or None where it is absent."""
    if not item.has(key):
        return None
    inner = item.inner(key)
    numbers = {}
    for name in inner.unknown():
        if not _is_name(name):
            inner.fault(ascii(name[:40]), "a name is 1 to 300 printable characters")
        numbers[name] = _number(inner, name)
    return numbers


def _measured(rewards: Fields, directions: Mapping[str, str], guesses: dict[str, str]) -> dict[str, RewardScore]:
    """Read the rewards of one point; ``guesses`` remembers what misspelt names may mean, for a few of them."""
    scores = {}
    for name, value in rewards.unknown().items():
        if name not in directions:
            if len(guesses) < MOST_GUESSES and len(name) <= LONGEST_NAME and name not in guesses:
                guesses[name] = nearest(name, directions)
            guess = guesses.get(name, "")
            rewards.fault(name[:40], "no such reward is declared" + (f"; did you mean {guess!r}?" if guess else ""))
        elif isinstance(value, dict):
            one = rewards.inner(name)
            mean = _number(one, "mean")
            stderr = _number(one, "stderr") if one.has("stderr") else None
            if stderr is not None and stderr < 0.0:
                one.fault("stderr", f"{stderr} is negative")
            n = one.integer("n", least=1) if one.has("n") else None
            samples = _samples(one, mean) if one.has("samples") else None
            scores[name] = RewardScore(mean=mean, stderr=stderr, n=n, samples=samples, unknown=one.unknown())
        elif value is not None:
            scores[name] = RewardScore(mean=_number(rewards, name))
    return scores


def _samples(one: Fields, mean: float) -> tuple[float | None, ...] | None:
    values = one.raw("samples")
    if not isinstance(values, list):
        one.fault("samples", f"a list is expected, not {type(values).__name__}")
        return None
    why = _strange(values, mean)
    if why:
        one.fault("samples", why)
        return None
    return tuple(None if value is None else float(value) for value in values)


def _strange(samples: Sequence[Any] | None, mean: float) -> str:
    """Say why a list is not the values of prompts with this mean; any weighting of them stays within their range."""
    if samples is None:
        return ""
    known = [value for value in samples if value is not None]
    for value in known:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= LARGEST:
            return f"{str(value)[:40]!a} is no measurement"
    if not known:
        return "not one of them is a number"
    slack = 1e-9 * max(abs(mean), *map(abs, known))
    if not min(known) - slack <= mean <= max(known) + slack:
        return f"the mean {mean:g} lies outside them"
    return ""


def _number(fields: Fields, key: str) -> float:
    """Read a number, and go on with 0 where it is refused, so that the other faults are found too."""
    number = fields.number(key)
    if abs(number) <= LARGEST:
        return number
    if math.isfinite(number):
        fields.fault(key, f"{number:g} is larger than {LARGEST:g}")
    return 0.0


def _is_name(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME and name.isprintable()
