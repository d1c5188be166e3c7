"""Rewards that work against one another: where training for one destroys another, souping cannot repair it.

Three signs are looked for. An expert that scores below the start on somebody else's reward gives something up, as in
every trade-off; alone it is a mild sign. A reward that sags between two experts (a negative interaction) and a soup of
all experts in equal parts that is worse than the start in some reward are strong ones: there, a model trained on the
mixture is better than the soups, and experts that are trained on from such a model mix better.

Source: Rame et al., 2023, Figure 12.
"""

from __future__ import annotations

from typing import Any

from rshub.fronts.connectivity import interior_shares, vertex_points
from rshub.fronts.curvature import Bend
from rshub.fronts.differences import clear, combine
from rshub.preferences.preference import SUM_TOLERANCE
from rshub.preferences.scores import Scores

ADVICE = (
    "train one model on the mixture of these rewards, publish it as a new start, and train the experts again from there"
)


def antagonism(scores: Scores, bends: list[Bend]) -> dict[str, Any]:
    """Look for the three signs.

    Returns:
        verdict (none, mild or strong), signs [{code, message, experts, reward, value, stderr}], advice or None, and
        unseen: what could not be looked at and why.
    """
    signs: list[dict[str, Any]] = []
    unseen = []
    start = [number for number, point in enumerate(scores.points) if point.kind == "init"]
    if start:
        signs += _below_start(scores, start)
        signs += _equal_parts(scores, start)
        if not _uniform(scores):
            unseen.append("no soup of all experts in equal parts was measured")
    else:
        unseen.append("the start was not measured: add a point of kind init")
    signs += [
        {
            "code": "sag",
            "message": f"{bend.reward} sags between {bend.experts[0]} and {bend.experts[1]}",
            "experts": list(bend.experts),
            "reward": bend.reward,
            "value": bend.value,
            "stderr": bend.stderr,
        }
        for bend in bends
        if bend.value < 0.0 and clear(bend.value, bend.stderr)
    ]
    if not bends:
        unseen.append("no soup of two measured experts was measured")
    strong = any(sign["code"] != "below-start" for sign in signs)
    verdict = "strong" if strong else "mild" if signs else "none"
    return {"verdict": verdict, "signs": signs, "advice": ADVICE if signs else None, "unseen": unseen}


def _below_start(scores: Scores, start: list[int]) -> list[dict[str, Any]]:
    found = []
    for reward in scores.rewards:
        for expert, numbers in vertex_points(scores, reward).items():
            if expert != reward:
                found += _worse(scores, reward, (numbers, start), code="below-start", experts=[expert])
    return found


def _equal_parts(scores: Scores, start: list[int]) -> list[dict[str, Any]]:
    numbers = _uniform(scores)
    experts = sorted({name for number in numbers for name in interior_shares(scores.points[number]) or {}})
    found = []
    for reward in scores.rewards:
        here = [number for number in numbers if reward in scores.points[number].rewards]
        if here:
            found += _worse(scores, reward, (here, start), code="soup-below-start", experts=experts)
    return found


def _worse(
    scores: Scores, reward: str, sides: tuple[list[int], list[int]], *, code: str, experts: list[str]
) -> list[dict[str, Any]]:
    """Give one sign when points are, on average and beyond the error, worse than the start."""
    numbers, start = sides
    begin = [number for number in start if reward in scores.points[number].rewards]
    if not begin:
        return []
    factors = dict.fromkeys(numbers, 1.0 / len(numbers)) | dict.fromkeys(begin, -1.0 / len(begin))
    value, stderr = combine(scores, reward, factors)
    if value >= 0.0 or not clear(value, stderr):
        return []
    who = f"the expert {experts[0]}" if code == "below-start" else "the soup of equal parts"
    message = f"{who} is worse than the start in {reward}"
    return [{"code": code, "message": message, "experts": experts, "reward": reward, "value": value, "stderr": stderr}]


def _uniform(scores: Scores) -> list[int]:
    """Give the soups of all measured experts in equal parts."""
    experts = {point.vertex for point in scores.points if point.vertex is not None}
    found = []
    for number, point in enumerate(scores.points):
        shares = interior_shares(point)
        if shares is None or set(shares) != experts:
            continue
        if all(abs(share - 1.0 / len(experts)) <= SUM_TOLERANCE for share in shares.values()):
            found.append(number)
    return found
