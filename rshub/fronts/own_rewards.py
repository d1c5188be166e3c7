"""Experts on their own rewards: what they gain over the start, and soups that are better still.

A soup that beats the expert for a reward on that reward (Figure 5a) is a better start for whoever wants that reward
alone. An expert that is no better than the start on its own reward (Figure 9c) was not trained to any effect. Both are
judged against their errors; known are the rewards of experts whose name is that of a reward.

Source: Rame et al., 2023, Figures 5a and 9c.
"""

from __future__ import annotations

from typing import Any

from rshub.fronts.connectivity import interior_shares, vertex_points
from rshub.fronts.differences import clear, combine
from rshub.preferences.scores import Scores


def own_rewards(scores: Scores) -> dict[str, dict[str, Any]]:
    """Compare the expert for each reward with the best soup, and with the start.

    Returns:
        For each reward with an expert of its own: ``over_start`` and ``over_expert``, each {gain, stderr, clear} and
        for the latter the point and its coefficients; None where there is nothing to compare with. ``clear`` says
        whether the difference is beyond two standard errors, or that it is there at all where no error is known.
    """
    found = {}
    for reward in scores.rewards:
        expert = vertex_points(scores, reward).get(reward)
        if expert is None:
            continue
        own = dict.fromkeys(expert, 1.0 / len(expert))
        start = [
            number for number, point in enumerate(scores.points) if point.kind == "init" and reward in point.rewards
        ]
        soups = [
            number
            for number, point in enumerate(scores.points)
            if reward in point.rewards and interior_shares(point) is not None
        ]
        over_start = over_expert = None
        if start:
            minus = dict.fromkeys(start, -1.0 / len(start))
            over_start = _difference(scores, reward, own | minus)
        if soups:
            sign = 1.0 if scores.rewards[reward] == "max" else -1.0
            best = max(soups, key=lambda number: sign * scores.points[number].rewards[reward].mean)
            minus = {number: -factor for number, factor in own.items()}
            over_expert = _difference(scores, reward, {best: 1.0} | minus) | {
                "point": best,
                "coefficients": dict(scores.points[best].coefficients or {}),
            }
        found[reward] = {"over_start": over_start, "over_expert": over_expert}
    return found


def _difference(scores: Scores, reward: str, factors: dict[int, float]) -> dict[str, Any]:
    gain, stderr = combine(scores, reward, factors)
    return {"gain": gain, "stderr": stderr, "clear": clear(gain, stderr)}
