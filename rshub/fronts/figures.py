"""Every figure of a front: box, dominance, hypervolume, areas, connectivity, and the comparison with MORL points.

Larger is always better here: min rewards changed their sign, and the box is given that way too. Points that lack a
reward take no part in box, front and hypervolume, and a note says which. What cannot be computed is None, and
``reasons`` says why under the figure's dotted name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rshub.errors import InvalidInput
from rshub.fronts.box import Box
from rshub.fronts.connectivity import margins
from rshub.fronts.coverage import cover, uncovered
from rshub.fronts.differences import clear
from rshub.fronts.pareto import Array, area_over_polyline, dominates, hypervolume, non_dominated
from rshub.fronts.words import connection, figure
from rshub.preferences.evidence import left_out, off_one
from rshub.preferences.scores import KINDS, SOUPS, Scores


def describe(scores: Scores) -> dict[str, Any]:
    """Compute every figure of ``front`` without judging or drawing."""
    table = scores.oriented()
    kinds = np.array([point.kind for point in scores.points], dtype=object)
    complete = np.isfinite(table).all(axis=1)
    soups = np.flatnonzero(complete & np.isin(kinds, SOUPS))
    morl = np.flatnonzero(complete & (kinds == "morl"))
    result: dict[str, Any] = {
        "rewards": dict(scores.rewards),
        "points": {kind: int((kinds == kind).sum()) for kind in KINDS},
        "box": {"nadir": None, "ideal": None},
        "front": soups[non_dominated(table[soups])].tolist(),
        "hypervolume": None,
        "over_staircase": None,
        "over_polyline": None,
        "connectivity": {},
        "morl": {"hypervolume": None, "dominated_share": None},
        "reasons": {},
        "notes": [],
    }
    lacking = np.flatnonzero(~complete & np.isin(kinds, (*SOUPS, "morl")))
    if len(lacking):
        some = ", ".join(str(number) for number in lacking[:10]) + (", ..." if len(lacking) > 10 else "")
        result["notes"].append(f"left out of front and box, for want of a reward: points {some}")
    _connect(scores, result)
    _measure(scores, result, table[soups], table[morl])
    only_soups = np.flatnonzero(complete & (kinds == "soup"))
    _compare(result, table[only_soups], table[morl])
    return result


def shortfalls(
    scores: Scores, result: Mapping[str, Any], require: Sequence[str], reference: Scores | None = None
) -> list[dict[str, str]]:
    """List what is required and not met, as ``{"code", "message"}``; what cannot be shown counts as not met."""
    unmet = []
    if "connectivity" in require:
        for reward, figures in result["connectivity"].items():
            if figures["worst_margin"] is None:
                why = result["reasons"][f"connectivity.{reward}"]
                unmet.append({"code": "connectivity", "message": f"connectivity of {reward} is not shown: {why}"})
            elif figures["worst_margin"] < 0.0:
                unmet.append({"code": "connectivity", "message": connection(reward, figures)})
    if "coverage" in require:
        message = uncovered(cover(scores, reference))
        if message:
            unmet.append({"code": "coverage", "message": message})
    return unmet


def _connect(scores: Scores, result: dict[str, Any]) -> None:
    """Fill in the margins; soups that may or may not lie between experts are left out, and a note says so."""
    unsure = [number for number, point in enumerate(scores.points) if off_one(point)]
    if unsure:
        result["notes"].append(f"left out of connectivity, {left_out(unsure)}")
    for reward in scores.rewards:
        found, why = margins(scores, reward)
        if not found:
            result["connectivity"][reward] = {"worst_margin": None, "at": None, "share_holding": None}
            result["reasons"][f"connectivity.{reward}"] = why
            continue
        worst = min(found, key=lambda margin: margin.value)
        result["connectivity"][reward] = {
            "worst_margin": worst.value,
            "at": dict(worst.coefficients),
            "share_holding": sum(margin.value >= 0.0 for margin in found) / len(found),
        }
        if worst.value < 0.0 and worst.stderr is not None:
            noise = "beyond" if clear(worst.value, worst.stderr) else "within"
            result["notes"].append(
                f"connectivity of {reward}: the worst margin is {figure(worst.value)} with a standard error of "
                f"{figure(worst.stderr)}, {noise} two of them"
            )


def _measure(scores: Scores, result: dict[str, Any], soups: Array, morl: Array) -> None:
    """Fill in box, hypervolume and both areas, or the reasons for which they are missing."""
    figures = ("hypervolume", "over_staircase", "over_polyline", "morl.hypervolume")
    if not len(soups) and not len(morl):
        why = "no soup, expert or MORL point has every reward measured"
        result["reasons"] |= dict.fromkeys(("box", *figures), why)
        return
    box = Box.around(soups, morl)
    names = list(scores.rewards)
    for end, values in (("nadir", box.nadir), ("ideal", box.ideal)):
        result["box"][end] = dict(zip(names, values.tolist(), strict=True))
    flat = [name for name, alike in zip(names, box.flat.tolist(), strict=True) if alike]
    if flat:
        why = f"every point has the same {', '.join(flat)}, so the box has no extent"
        result["reasons"] |= dict.fromkeys(figures, why)
        return
    unit_soups, unit_morl = box.unit(soups), box.unit(morl)
    zero = np.zeros(len(names))
    if not len(soups):
        result["reasons"] |= dict.fromkeys(figures[:3], "no soup or expert has every reward measured")
    else:
        try:
            result["hypervolume"] = min(1.0, hypervolume(unit_soups, zero))
            result["over_staircase"] = 1.0 - result["hypervolume"]
        except InvalidInput as fault:
            result["reasons"] |= dict.fromkeys(figures[:2], fault.message)
        if len(names) == 2:
            result["over_polyline"] = max(0.0, area_over_polyline(unit_soups))
        else:
            result["reasons"]["over_polyline"] = f"a polyline joins points of two rewards, and there are {len(names)}"
    if len(morl):
        try:
            result["morl"]["hypervolume"] = min(1.0, hypervolume(unit_morl, zero))
        except InvalidInput as fault:
            result["reasons"]["morl.hypervolume"] = fault.message


def _compare(result: dict[str, Any], soups: Array, morl: Array) -> None:
    if not len(morl):
        why = "no MORL point has every reward measured" if result["points"]["morl"] else "there is no MORL point"
        result["reasons"] |= {"morl.hypervolume": why, "morl.dominated_share": why}
    elif not len(soups):
        result["reasons"]["morl.dominated_share"] = "no soup has every reward measured"
    else:
        beaten = [bool(dominates(soups, point).any()) for point in morl]
        result["morl"]["dominated_share"] = sum(beaten) / len(beaten)
