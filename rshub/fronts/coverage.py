"""Coverage, the second hypothesis of rewarded soups: no other model is better than all soups.

The other models are MORL runs, or any points of another file. A point is covered when one soup or expert is at least as
good in every reward. Epsilon and IGD+ say by how much the rest is missed, in units of a box that holds both sets and is
given with them. The answer holds for these points: nobody has measured all models there are.

Source: Rame et al., 2023, Hypothesis 2 and Remark 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rshub.errors import InvalidInput
from rshub.fronts.box import Box
from rshub.fronts.differences import clear, combine
from rshub.fronts.distances import epsilon, igd_plus
from rshub.fronts.pareto import Array, dominates, hypervolume, non_dominated
from rshub.fronts.regret import even_preferences, regrets
from rshub.fronts.words import listed
from rshub.preferences.scores import SOUPS, Scores


@dataclass(frozen=True, kw_only=True)
class Side:
    """Complete points of one file: their numbers in it, and their rewards, larger always better."""

    scores: Scores
    numbers: tuple[int, ...]
    table: Array


def side(scores: Scores, kinds: tuple[str, ...], *, order: tuple[str, ...] | None = None) -> Side:
    """Take the points of some kinds that have every reward measured, rewards in the order given."""
    names = order if order is not None else tuple(scores.rewards)
    table = scores.oriented()[:, [list(scores.rewards).index(name) for name in names]]
    numbers = [
        number for number, point in enumerate(scores.points) if point.kind in kinds and np.isfinite(table[number]).all()
    ]
    return Side(scores=scores, numbers=tuple(numbers), table=table[numbers])


def cover(scores: Scores, reference: Scores | None = None) -> dict[str, Any]:
    """Compare soups and experts with MORL points, or with all points but the start of another file.

    Returns:
        against, points, box, covered_share, dominated_share, escaping (numbers of points that no soup covers), tied
        (those whose distance is within two standard errors), beaten (soups and experts on the front that another model
        dominates), clearly_beaten (those for which that is beyond the error in some reward), front (its size),
        hypervolume, hypervolume_others, hypervolume_ratio, epsilon, igd_plus and regret {preferences, largest, mean,
        at}; or the reason why there is none.

    Raises:
        InvalidInput: The other file lacks a reward, or turns one round.
    """
    against = "MORL" if reference is None else "the reference"
    names = tuple(scores.rewards)
    ours = side(scores, SOUPS)
    if reference is None:
        theirs = side(scores, ("morl",))
    else:
        _same_rewards(scores, reference)
        theirs = side(reference, (*SOUPS, "morl", "ensemble"), order=names)
    if not ours.numbers:
        return {"against": against, "reason": "no soup or expert has every reward measured"}
    if not theirs.numbers:
        return {"against": against, "reason": f"no point of {against} has every reward measured"}
    box = Box.around(ours.table, theirs.table)
    unit_ours, unit_theirs = box.unit(ours.table), box.unit(theirs.table)
    covered = np.array([bool((ours.table >= point).all(axis=1).any()) for point in theirs.table])
    beaten_theirs = [bool(dominates(ours.table, point).any()) for point in theirs.table]
    best = np.flatnonzero(non_dominated(ours.table))
    beaten = [row for row in best.tolist() if dominates(theirs.table, ours.table[row]).any()]
    clearly = [row for row in beaten if _clearly_beaten(ours, theirs, row, names)]
    tied = _tied(ours, theirs, box, names)
    result: dict[str, Any] = {
        "against": against,
        "points": len(theirs.numbers),
        "box": {
            "nadir": dict(zip(names, box.nadir.tolist(), strict=True)),
            "ideal": dict(zip(names, box.ideal.tolist(), strict=True)),
        },
        "covered_share": float(covered.mean()),
        "dominated_share": sum(beaten_theirs) / len(beaten_theirs),
        "escaping": [theirs.numbers[row] for row in np.flatnonzero(~covered)],
        "tied": [theirs.numbers[row] for row in np.flatnonzero(tied)],
        "beaten": [ours.numbers[row] for row in beaten],
        "clearly_beaten": [ours.numbers[row] for row in clearly],
        "front": len(best),
        "epsilon": epsilon(unit_ours, unit_theirs),
        "igd_plus": igd_plus(unit_ours, unit_theirs[non_dominated(unit_theirs)]),
        "regret": _regret(names, unit_ours, unit_theirs),
    }
    return result | _volumes(unit_ours, unit_theirs, not box.flat.any())


def uncovered(covering: dict[str, Any]) -> str:
    """Say which points no soup or expert matches, or that nothing can be said; empty when all are covered."""
    if "reason" in covering:
        return f"coverage is not shown: it takes soups and other points, and {covering['reason']}"
    if not covering["escaping"]:
        return ""
    missed, what = covering["escaping"], "MORL" if covering["against"] == "MORL" else "reference"
    return (
        f"coverage fails: {len(missed)} of {covering['points']} {what} points are matched by no soup or expert: "
        f"{listed(missed)}"
    )


def _same_rewards(scores: Scores, reference: Scores) -> None:
    for name, direction in scores.rewards.items():
        if reference.rewards.get(name) != direction:
            why = f"turns {name} round" if name in reference.rewards else f"lacks the reward {name}"
            raise InvalidInput(f"the reference {why}", where=name, remedy="give points measured on the same rewards")


def _tied(ours: Side, theirs: Side, box: Box, names: tuple[str, ...]) -> list[bool]:
    """Mark the points whose distance from being matched is within two standard errors, where these are known.

    The distance is that in the worst reward of the nearest point.
    """
    found = []
    for other, target in enumerate(theirs.table):
        gaps = (target - ours.table) / box.extent
        row = int(gaps.max(axis=1).argmin())
        value, stderr = _difference(ours, theirs, (row, other), names[int(gaps[row].argmax())])
        found.append(value == 0.0 or (stderr is not None and not clear(value, stderr)))
    return found


def _clearly_beaten(ours: Side, theirs: Side, row: int, names: tuple[str, ...]) -> bool:
    """Say whether a point that dominates this one is better beyond the error, in at least one reward."""
    others = np.flatnonzero(dominates(theirs.table, ours.table[row])).tolist()
    return any(clear(*_difference(ours, theirs, (row, other), name)) for other in others for name in names)


def _difference(ours: Side, theirs: Side, rows: tuple[int, int], reward: str) -> tuple[float, float | None]:
    """Give what another point has over ours in one reward, with its error: paired within one file at the most."""
    mine, other = ours.numbers[rows[0]], theirs.numbers[rows[1]]
    if ours.scores is theirs.scores:
        return combine(ours.scores, reward, {other: 1.0, mine: -1.0})
    first, second = theirs.scores.points[other].rewards[reward], ours.scores.points[mine].rewards[reward]
    sign = 1.0 if ours.scores.rewards[reward] == "max" else -1.0
    known = first.stderr is not None and second.stderr is not None
    return sign * (first.mean - second.mean), math.hypot(first.stderr or 0.0, second.stderr or 0.0) if known else None


def _regret(names: tuple[str, ...], ours: Array, theirs: Array) -> dict[str, Any]:
    preferences = even_preferences(len(names))
    lost = regrets(ours, theirs, preferences)
    worst = int(lost.argmax())
    return {
        "preferences": len(preferences),
        "largest": float(lost[worst]),
        "mean": float(lost.mean()),
        "at": dict(zip(names, preferences[worst].tolist(), strict=True)),
    }


def _volumes(ours: Array, theirs: Array, solid: bool) -> dict[str, Any]:
    """Measure both hypervolumes in the box; None with a reason where it has no extent or there are too many points."""
    nothing = dict.fromkeys(("hypervolume", "hypervolume_others", "hypervolume_ratio"))
    if not solid:
        return nothing | {"hypervolume_reason": "the box has no extent"}
    zero = np.zeros(ours.shape[1])
    try:
        mine, other = min(1.0, hypervolume(ours, zero)), min(1.0, hypervolume(theirs, zero))
    except InvalidInput as fault:
        return nothing | {"hypervolume_reason": fault.message}
    ratio = mine / other if other > 1e-300 else None
    found: dict[str, Any] = {"hypervolume": mine, "hypervolume_others": other, "hypervolume_ratio": ratio}
    return found if ratio is not None else found | {"hypervolume_reason": "the other points span no volume in the box"}
