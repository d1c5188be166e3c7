"""Intervals for hypervolumes and connectivity, where the values of the prompts are there.

The hypervolume is that of ``front``: soups and experts in the box of soups, experts and MORL points, which is fixed, so
that no draw has more than all of it. Refused, with the
reason in its place: points without the values of their prompts, and fronts of so many points and rewards that drawing
them again and again would take minutes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rshub.fronts.bootstrap import DRAWS, interval, redraw
from rshub.fronts.box import Box
from rshub.fronts.connectivity import margins
from rshub.fronts.coverage import side
from rshub.fronts.differences import CONFIDENCE
from rshub.fronts.pareto import Array, hypervolume
from rshub.preferences.scores import SOUPS, Scores

_MOST_POINTS = {1: 5000, 2: 2000, 3: 200, 4: 60, 5: 30, 6: 15}


def intervals(scores: Scores) -> dict[str, Any]:
    """Draw the prompts again and measure hypervolumes and worst margins on each draw.

    Returns:
        confidence, draws, hypervolume, morl_hypervolume, gain (soups minus MORL), worst_margin {reward: interval}, each
        an interval or None; or the reason why there is none.
    """
    table = scores.oriented()
    ours = list(side(scores, SOUPS).numbers)
    morl = list(side(scores, ("morl",)).numbers)
    most = _MOST_POINTS.get(table.shape[1], 0)
    if not ours:
        return {"reason": "no soup or expert has every reward measured"}
    if len(ours) + len(morl) > most:
        count = len(ours) + len(morl)
        return {
            "reason": f"{count} points in {table.shape[1]} rewards are more than are drawn again and again ({most})"
        }
    drawn, why = redraw(scores, [*ours, *morl])
    if drawn is None:
        return {"reason": why}
    box = Box.around(table[[*ours, *morl]])
    found: dict[str, Any] = {"confidence": CONFIDENCE, "draws": DRAWS}
    found |= dict.fromkeys(("hypervolume", "morl_hypervolume", "gain"))
    if not box.flat.any():
        unit = np.minimum(box.unit(drawn), 1.0)  # luck leads out of the box; what counts is the volume in it
        zero = np.zeros(table.shape[1])
        volumes = np.array(
            [[hypervolume(rows[: len(ours)], zero), hypervolume(rows[len(ours) :], zero)] for rows in unit]
        )
        found["hypervolume"] = interval(volumes[:, 0])
        if morl:
            found["morl_hypervolume"] = interval(volumes[:, 1])
            found["gain"] = interval(volumes[:, 0] - volumes[:, 1])
    found["worst_margin"] = _margins(scores, ours, drawn)
    return found


def _margins(scores: Scores, ours: list[int], drawn: Array) -> dict[str, list[float] | None]:
    """Give the interval of the worst margin of each reward; None where a margin stands on a point that is not drawn."""
    place = {number: row for row, number in enumerate(ours)}
    found: dict[str, list[float] | None] = {}
    for column, reward in enumerate(scores.rewards):
        rows = [margin.factors for margin in margins(scores, reward)[0]]
        if not rows or any(number not in place for row in rows for number in row):
            found[reward] = None
            continue
        table = np.zeros((len(rows), len(ours)))
        for row, factors in enumerate(rows):
            for number, factor in factors.items():
                table[row, place[number]] = factor
        worst = (drawn[:, : len(ours), column] @ table.T).min(axis=1)
        found[reward] = interval(worst)
    return found
