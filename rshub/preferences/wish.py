"""What a preference makes of rewards: one number, the sum of factor times reward, each reward larger better.

In raw units a factor is what the preference says. In normalised ones it is that over the reach of the reward among the
experts, from the worst of them to the reward's own (or the best, where none is its own): 0 is the worst, 1 the own.

Refused by name: rewards that nobody measured, and in normalised units those of which no reach is known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rshub.errors import InvalidInput
from rshub.formats.fields import nearest
from rshub.preferences.evidence import Evidence
from rshub.preferences.preference import INIT
from rshub.preferences.scores import Point, Scores, oriented


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The factor of each wanted reward, by its direction and unit."""

    factors: Mapping[str, float]

    def of(self, values: Mapping[str, float]) -> float | None:
        """Sum rewards, each larger better; None where one is not there."""
        if not set(self.factors) <= set(values):
            return None
        return math.fsum(factor * values[name] for name, factor in self.factors.items())

    def of_point(self, point: Point, directions: Mapping[str, str]) -> float | None:
        """Sum the rewards of a point."""
        return self.of({name: oriented(score.mean, directions[name]) for name, score in point.rewards.items()})


def make_wish(mu: Mapping[str, float], units: str, evidence: Evidence, scores: Scores) -> Wish:
    """Turn a preference into factors.

    Args:
        mu: What each reward counts; ``init`` is no reward.
        units: ``normalised`` or ``raw``.
        evidence: What was measured of the experts.
        scores: Where it was read, for the names.

    Raises:
        InvalidInput: A reward was not measured, or has no unit.
    """
    refuse_unknown(mu, scores)
    wanted = {name: value for name, value in mu.items() if name != INIT and value != 0.0}
    return Wish(
        factors={name: value / (1.0 if units == "raw" else _reach(name, evidence)) for name, value in wanted.items()}
    )


def refuse_unknown(mu: Mapping[str, float], scores: Scores) -> None:
    """Refuse a preference for what is not scored.

    Raises:
        InvalidInput: The message names it, and the nearest reward that is.
    """
    for name in mu:
        if name != INIT and name not in scores.rewards:
            guess = nearest(name[:40], scores.rewards)
            raise InvalidInput(
                f"select: {name[:40]} is not among the scores" + (f"; did you mean {guess!r}?" if guess else ""),
                where=name[:40],
                remedy=f"scored are {', '.join(list(scores.rewards)[:12])}",
            )


def _reach(reward: str, evidence: Evidence) -> float:
    column = evidence.columns.get(reward)
    experts = [corner for corner in evidence.corners if corner != INIT]
    known = {} if column is None else {evidence.corners[at]: value for at, value in column.vertices.items()}
    known.pop(INIT, None)
    if len(experts) == 1:
        return 1.0  # one expert is the only choice, whatever the unit
    if reward in experts and reward not in known:
        raise InvalidInput(
            f"select: the expert for {reward} was not measured on {reward}, so {reward} has no normalised unit",
            where=f"{reward} -> {reward}",
            remedy="measure it (rshub evaluate), or use --units raw",
        )
    if len(known) < 2:
        raise InvalidInput(
            f"select: {reward} was measured on {len(known)} of {len(experts)} experts, so it has no normalised unit",
            where=reward,
            remedy="measure every expert on it (rshub evaluate), or use --units raw",
        )
    reach = known.get(reward, max(known.values())) - min(known.values())
    if reach < 1e-200:
        who = f"the expert for {reward} is no better" if reward in known else "no expert is better"
        raise InvalidInput(
            f"select: {who} on {reward} than the worst of the experts, so it has no normalised unit",
            where=reward,
            remedy="use --units raw",
        )
    return reach
