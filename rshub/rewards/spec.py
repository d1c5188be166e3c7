"""A reward as a string: ``metric:rouge1.recall``, ``-metric:length``, ``0.5*metric:rouge1.recall + 0.5*metric:length``.

A reward's identity is the digest of what decides its scores: the canonical terms with the version of each metric. Two
ways to write the same sum have one digest. Nothing is imported by name from a spec and nothing is fetched; kinds that
this version does not know are refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rshub.errors import InvalidInput
from rshub.formats.canonical import digest
from rshub.formats.fields import nearest
from rshub.rewards.metrics import METRICS, Metric
from rshub.rewards.samples import TextSample
from rshub.types import Digest

MAX_LENGTH = 2000
LARGEST = 1e100
"""Of a coefficient; sums of scores stay finite below it."""

_TERM = re.compile(
    r"\s*(?P<sign>[-+])?\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)\s*\*\s*)?(?P<name>[A-Za-z][^\s*+]*)\s*"
)
_NO_CONTEXT: Mapping[str, Any] = MappingProxyType({})


class Reward:
    """A reward: a weighted sum of metrics, made by ``reward_from_spec``.

    ``spec`` is the canonical string (terms by name, shortest numbers), ``digest`` the identity, ``direction`` says
    which way is better: a single metric has its own, whatever was given a sign or a weight is to be maximised.
    """

    def __init__(self, terms: Mapping[str, float]) -> None:
        self.terms: Mapping[str, float] = MappingProxyType(dict(sorted(terms.items())))
        self._metrics: dict[str, Metric] = {name: METRICS[name.partition(":")[2]] for name in self.terms}
        self.spec = _canonical(self.terms)
        self.direction: Literal["max", "min"] = "max"
        if list(self.terms.values()) == [1.0]:
            self.direction = next(iter(self._metrics.values())).direction
        self.digest: Digest = digest(
            {
                "schema": "rshub.reward/1",
                "terms": [
                    {"reward": name, "version": self._metrics[name].version, "coefficient": float(coefficient)}
                    for name, coefficient in self.terms.items()
                ],
            }
        )

    def __call__(self, samples: Sequence[TextSample], context: Mapping[str, Any] = _NO_CONTEXT) -> NDArray[np.float64]:
        """Score samples.

        Args:
            samples: What was generated.
            context: What is known beyond the samples (a split, a step); the metrics of this version need none of it.

        Returns:
            Scores, shape (samples,); nan where a sample cannot be scored.
        """
        del context
        scores = np.zeros(len(samples), dtype=np.float64)
        for name, coefficient in self.terms.items():
            values = [self._metrics[name].score(sample) for sample in samples]
            scores += coefficient * np.asarray(values, dtype=np.float64)
        return scores

    def __repr__(self) -> str:
        return f"Reward({self.spec!r})"


def reward_from_spec(spec: str) -> Reward:
    """Make the reward that a string describes.

    Raises:
        InvalidInput: For a kind or metric that this version does not know, with the nearest one, and for bad syntax.
    """
    if len(spec) > MAX_LENGTH:
        raise _refuse(spec[:40] + "...", f"{len(spec)} characters are more than the {MAX_LENGTH} that are read")
    terms: dict[str, float] = {}
    position = 0
    while position < len(spec) or not terms:
        match = _TERM.match(spec, position)
        if match is None or (position > 0 and match["sign"] is None):
            raise _refuse(spec, f"a term like `0.5*metric:rouge1.recall` is expected at character {position + 1}")
        name = _known(spec, match["name"])
        coefficient = float(match["number"] or 1)
        terms[name] = terms.get(name, 0.0) + (-coefficient if match["sign"] == "-" else coefficient)
        if not max(coefficient, abs(terms[name])) <= LARGEST:
            raise _refuse(spec, f"the coefficient of {name} is beyond {LARGEST:g}", "use smaller numbers")
        position = match.end()
    terms = {name: coefficient for name, coefficient in terms.items() if coefficient != 0}
    if not terms:
        raise _refuse(spec, "all of its terms are zero")
    return Reward(terms)


def _known(spec: str, name: str) -> str:
    """Check that a term names a metric of this version."""
    known = [f"metric:{metric}" for metric in METRICS]
    if name in known:
        return name
    kind, colon, _ = name.partition(":")
    guess = nearest(name if colon else f"metric:{name}", known)
    hint = f"; did you mean {guess!r}?" if guess else ""
    if colon and kind != "metric" and not nearest(kind, ["metric"]):
        raise _refuse(spec, f"this version knows no {kind + ':'!r} rewards, only {', '.join(known)}")
    raise _refuse(spec, f"there is no reward {name!r}{hint}", f"known: {', '.join(known)}")


def _canonical(terms: Mapping[str, float]) -> str:
    text = ""
    for name, coefficient in terms.items():
        size = abs(coefficient)
        sign = "-" if coefficient < 0 else "+"
        text += f" {sign} " if text else sign.strip("+")
        text += name if size == 1 else f"{_shortest(size)}*{name}"
    return text


def _shortest(number: float) -> str:
    """Write a positive number in the fewest digits that read back as the same float."""
    return repr(int(number)) if number.is_integer() and number < 1e15 else repr(number)


def _refuse(spec: str, why: str, remedy: str = "") -> InvalidInput:
    return InvalidInput(
        f"reward {spec!r}: {why}",
        where=spec,
        remedy=remedy or "write it like metric:rouge1.recall or 0.5*metric:length",
    )
