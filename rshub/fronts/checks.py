"""Every hypothesis and lemma of rewarded soups held against measured points, each with its answer or why there is none.

These are figures beside those of ``front``, and none of them fails anything: requirements do. What needs errors says so
where they are missing, what needs the values of prompts likewise.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict
from typing import Any

from rshub.errors import InvalidInput
from rshub.fronts.antagonism import antagonism
from rshub.fronts.bounds import best_share, gap_bound, soup_loss
from rshub.fronts.connectivity import confidence, margins
from rshub.fronts.coverage import cover
from rshub.fronts.curvature import bends
from rshub.fronts.differences import CONFIDENCE
from rshub.fronts.ensembles import ensemble_gaps
from rshub.fronts.intervals import intervals
from rshub.fronts.own_rewards import own_rewards
from rshub.fronts.ties import ties
from rshub.preferences.payoff import Payoff
from rshub.preferences.preference import Preference
from rshub.preferences.scores import SOUPS, Scores, oriented

_RATIOS = (2.0, 10.0)
"""The ratios of eigenvalues for which Figure 8 shows the bound."""


def check(scores: Scores, reference: Scores | None = None) -> dict[str, Any]:
    """Hold measured points against the hypotheses.

    Args:
        scores: What was measured.
        reference: Other points to compare with, instead of the MORL points of ``scores``.

    Raises:
        InvalidInput: The reference was measured on other rewards.
    """
    found = bends(scores)
    return {
        "connectivity": {reward: _connectivity(scores, reward) for reward in scores.rewards},
        "coverage": cover(scores, reference),
        "trained": _trained(scores),
        "bounds": _bounds(scores),
        "curvature": [asdict(bend) | {"experts": list(bend.experts)} for bend in found],
        "antagonism": antagonism(scores, found),
        "ensemble": ensemble_gaps(scores),
        "own_rewards": own_rewards(scores),
        "ties": ties(scores),
        "intervals": intervals(scores),
    }


def _connectivity(scores: Scores, reward: str) -> dict[str, Any]:
    """Judge the first hypothesis in one reward."""
    found, why = margins(scores, reward)
    if not found:
        return {"reason": why}
    worst = min(found, key=lambda margin: margin.value)
    judged = asdict(confidence(found))
    sure = judged["holding"] is not None
    return judged | {
        "soups": len(found),
        "worst_margin": worst.value,
        "stderr": worst.stderr,
        "at": dict(worst.coefficients),
        "share_holding": sum(margin.value >= 0.0 for margin in found) / len(found),
        "share_between": [judged["holding"] / len(found), 1.0 - judged["failing"] / len(found)] if sure else None,
        "confidence": CONFIDENCE if sure else None,
    }


def _trained(scores: Scores) -> list[dict[str, Any]]:
    """Compare each MORL run with the soups that serve best what it was trained for, in raw units (Lemma 1).

    The regret is what the run reaches of its own preference beyond the best soup or expert; negative: soups are better.
    """
    found = []
    for number, point in enumerate(scores.points):
        wanted = _wanted(point.preference) if point.kind == "morl" and point.preference else {}
        if not wanted or not set(wanted) <= set(point.rewards):
            continue
        values = {
            other: math.fsum(
                share * oriented(candidate.rewards[name].mean, scores.rewards[name]) for name, share in wanted.items()
            )
            for other, candidate in enumerate(scores.points)
            if (other == number or candidate.kind in SOUPS) and set(wanted) <= set(candidate.rewards)
        }
        own = values.pop(number)
        if values:
            best = max(values, key=lambda other: values[other])
            found.append({"point": number, "preference": wanted, "best_soup": best, "regret": own - values[best]})
    return found


def _wanted(preference: str) -> dict[str, float]:
    try:
        return Preference.parse(preference, extrapolate=True).values
    except InvalidInput:
        return {}


def _bounds(scores: Scores) -> list[dict[str, Any]]:
    """Say for each pair of experts what Lemma 3 promises in the middle, from their payoffs alone, in raw units."""
    try:
        payoff = Payoff.from_scores(scores)
    except InvalidInput:
        return []
    found = []
    for first, second in itertools.combinations([name for name in scores.rewards if (name, name) in payoff.cells], 2):
        cells = [(first, first), (second, first), (second, second), (first, second)]
        if any(cell not in payoff.cells for cell in cells):
            continue
        own, others, own_too, others_too = (payoff.cells[cell] for cell in cells)
        gains = (own - others, own_too - others_too)
        if min(gains) <= 0.0:
            continue
        least = max(gains[0] / gains[1], gains[1] / gains[0])
        if not math.isfinite(least):
            continue
        share = best_share(0.5, *gains)
        found.append(
            {
                "experts": [first, second],
                "preference": {first: 0.5, second: 0.5},
                "gains": dict(zip((first, second), gains, strict=True)),
                "coefficients": {first: 1.0 - share, second: share},
                "soup": (own + own_too) / 2.0 - soup_loss(0.5, *gains),
                "least_ratio": least,
                "gap": {f"{m:g}": gap_bound(0.5, *gains, ratio=m) if m >= least else None for m in _RATIOS},
            }
        )
    return found
