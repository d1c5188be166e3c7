"""What a picture of two rewards holds, worked out before anything is drawn: marks, experts, the path of the soups.

A soup counts as beaten when another soup or expert dominates it in the two rewards that are shown. A path, and lambda
beside its points, exist only where all soups lie between the same two experts. Refused: a reward that was not measured,
one reward on both axes, and scores without any point to draw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

import numpy as np

from rshub.errors import InvalidInput
from rshub.formats.fields import nearest
from rshub.fronts.pareto import non_dominated
from rshub.preferences.preference import INIT, SUM_TOLERANCE
from rshub.preferences.scores import SOUPS, Point, Scores, oriented

Spot = tuple[float, float]

_MOST_WITH_CHORDS = 4


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One point of the picture; ``kind`` is that of the scores or ``beaten``, ``share`` is lambda of the leader."""

    kind: str
    spot: Spot
    stderr: tuple[float | None, float | None]
    share: float | None


@dataclass(frozen=True, kw_only=True)
class View:
    """Everything that a picture shows.

    ``leader`` is the expert whose lambda stands beside the soups; ``gain`` is the outline between the path of the soups
    and the line between the experts, empty unless every soup there lies on the better side of that line.
    """

    x: str
    y: str
    lower_is_better: tuple[bool, bool]
    drawn: tuple[Drawn, ...]
    experts: Mapping[str, Spot]
    path: tuple[Spot, ...]
    gain: tuple[Spot, ...]
    trails: Mapping[str, tuple[Spot, ...]]
    leader: str | None
    rewards: int
    notes: tuple[str, ...]

    @property
    def chords(self) -> list[tuple[Spot, Spot]]:
        """The lines between every two experts; none where there are too many to be read."""
        return list(combinations(self.experts.values(), 2)) if len(self.experts) <= _MOST_WITH_CHORDS else []


def view(
    scores: Scores,
    *,
    x: str | None = None,
    y: str | None = None,
    trajectories: Mapping[str, Sequence[Mapping[str, float | None]]] = MappingProxyType({}),
) -> View:
    """Choose two rewards (the first two unless named) and work out what their picture holds.

    Args:
        scores: What was measured.
        x: The reward across.
        y: The reward upwards.
        trajectories: Name of a training run to its rewards at each logged step.

    Raises:
        InvalidInput: A reward was not measured, or there is nothing to draw.
    """
    x, y = _axes(scores, x, y)
    points = [point for point in scores.points if x in point.rewards and y in point.rewards]
    if not points:
        raise InvalidInput(f"no point has both {x} and {y} measured", where="points", remedy="choose other rewards")
    spots = [(point.rewards[x].mean, point.rewards[y].mean) for point in points]
    experts = _experts(points, spots, (x, y))
    pair = pair_of(points)
    leader = leader_of(scores, pair, x) if pair else None
    shares = [share_of(point, leader) if leader is not None else None for point in points]
    drawn = tuple(
        Drawn(kind=kind, spot=spot, stderr=(point.rewards[x].stderr, point.rewards[y].stderr), share=share)
        for point, spot, kind, share in zip(points, spots, _kinds(scores, points, spots, (x, y)), shares, strict=True)
    )
    on_path = sorted((share, spot) for share, spot in zip(shares, spots, strict=True) if share is not None)
    notes = []
    if len(points) < len(scores.points):
        notes.append(f"picture: {len(scores.points) - len(points)} of the points lack {x} or {y} and are not drawn")
    if len(scores.rewards) > 2:
        count = len(scores.rewards)
        notes.append(f"picture: shows {x} and {y}, 2 of {count} rewards; a soup is called beaten in these two alone")
    trails = {name: _trail(steps, (x, y)) for name, steps in trajectories.items()}
    notes += [f"picture: the training run {name} logged no {x} with {y}" for name, way in trails.items() if not way]
    return View(
        x=x,
        y=y,
        lower_is_better=(scores.rewards[x] == "min", scores.rewards[y] == "min"),
        drawn=drawn,
        experts=experts,
        path=tuple(spot for _, spot in on_path),
        gain=_gain(scores, on_path, (x, y)),
        trails={name: way for name, way in trails.items() if way},
        leader=leader,
        rewards=len(scores.rewards),
        notes=tuple(notes),
    )


def known_rewards(scores: Scores, names: Sequence[str] | None) -> list[str]:
    """Give the named rewards, all of them unless named.

    Raises:
        InvalidInput: A reward was not measured, or none was named.
    """
    known = list(scores.rewards)
    for name in names or ():
        if name not in known:
            guess = nearest(name[:80], known)
            raise InvalidInput(
                f"no reward {name[:80]!r} was measured" + (f"; did you mean {guess!r}?" if guess else ""),
                where=name[:80],
                remedy=f"one of {', '.join(known)}",
            )
    if names is not None and not names:
        raise InvalidInput("no reward was named", where="rewards", remedy=f"one of {', '.join(known)}")
    return list(dict.fromkeys(names)) if names is not None else known


def pair_of(points: Sequence[Point]) -> list[str]:
    """Give the two experts when all soups lie between the same two."""
    names = {
        name
        for point in points
        if point.kind in SOUPS
        for name, value in (point.coefficients or {}).items()
        if value != 0.0 and name != INIT
    }
    return sorted(names) if len(names) == 2 else []


def leader_of(scores: Scores, pair: Sequence[str], reward: str) -> str:
    """Give the expert whose lambda is shown: the better one in a reward."""

    def height(name: str) -> float:
        measured = [
            point.rewards[reward].mean for point in scores.points if point.vertex == name and reward in point.rewards
        ]
        return oriented(_mean(measured), scores.rewards[reward]) if measured else -math.inf

    return max(pair, key=height)


def share_of(point: Point, leader: str, *, kinds: Sequence[str] = SOUPS) -> float | None:
    """Give lambda of the leader for a point on the line through the two experts."""
    if point.kind not in kinds or not point.coefficients:
        return None
    if point.coefficients.get(INIT, 0.0) != 0.0 or abs(math.fsum(point.coefficients.values()) - 1.0) > SUM_TOLERANCE:
        return None
    return point.coefficients.get(leader, 0.0)


def _axes(scores: Scores, x: str | None, y: str | None) -> tuple[str, str]:
    names = known_rewards(scores, None)
    known_rewards(scores, [name for name in (x, y) if name is not None] or None)
    if len(names) < 2:
        raise InvalidInput(
            "a picture takes two rewards, and one was measured", where="rewards", remedy="measure another"
        )
    x = x if x is not None else next(name for name in names if name != y)
    y = y if y is not None else next(name for name in names if name != x)
    if x == y:
        raise InvalidInput(f"both axes are {x}", where="y", remedy="choose two different rewards")
    return x, y


def _kinds(scores: Scores, points: Sequence[Point], spots: Sequence[Spot], axes: tuple[str, str]) -> list[str]:
    """Say which mark each point gets."""
    ours = [number for number, point in enumerate(points) if point.kind in SOUPS]
    table = np.array([[oriented(v, scores.rewards[name]) for v, name in zip(s, axes, strict=True)] for s in spots])
    unbeaten = {number for number, best in zip(ours, non_dominated(table[ours]), strict=True) if best}
    kinds = []
    for number, point in enumerate(points):
        if point.kind == "expert" or point.vertex is not None:
            kinds.append("expert")
        elif point.kind == "soup" and number not in unbeaten:
            kinds.append("beaten")
        else:
            kinds.append(point.kind)
    return kinds


def _experts(points: Sequence[Point], spots: Sequence[Spot], axes: tuple[str, str]) -> dict[str, Spot]:
    """Give every expert's place, the mean where it was measured several times; those named like the axes first."""
    places: dict[str, list[Spot]] = {}
    for point, spot in zip(points, spots, strict=True):
        if point.vertex is not None:
            places.setdefault(point.vertex, []).append(spot)
    names = sorted(places, key=lambda name: axes.index(name) if name in axes else len(axes))
    return {
        name: (_mean([spot[0] for spot in places[name]]), _mean([spot[1] for spot in places[name]])) for name in names
    }


def _gain(scores: Scores, path: Sequence[tuple[float, Spot]], axes: tuple[str, str]) -> tuple[Spot, ...]:
    """Outline what the soups between two experts gain in both rewards over the line between these."""
    between = [(share, spot) for share, spot in path if 0.0 <= share <= 1.0]
    if len(between) < 3 or between[0][0] != 0.0 or between[-1][0] != 1.0:
        return ()
    start, end = between[0][1], between[-1][1]
    for share, spot in between:
        for axis, name in enumerate(axes):
            line = (1.0 - share) * start[axis] + share * end[axis]
            if oriented(spot[axis], scores.rewards[name]) < oriented(line, scores.rewards[name]):
                return ()
    return tuple(spot for _, spot in between)


def _trail(steps: Sequence[Mapping[str, float | None]], axes: tuple[str, str]) -> tuple[Spot, ...]:
    """Give the places of the steps at which both rewards were logged as numbers."""
    found = []
    for step in steps:
        across, up = (step.get(name) for name in axes)
        if across is not None and up is not None and math.isfinite(across) and math.isfinite(up):
            found.append((across, up))
    return tuple(found)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
