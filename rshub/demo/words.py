"""The story's figures as a person reads them: a table along lambda, plain sentences, texts side by side."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np

from rshub.fronts.front import lines
from rshub.fronts.pareto import hypervolume
from rshub.preferences.scores import Point, Scores


def table(scores: Scores, rewards: tuple[str, str]) -> list[str]:
    """Lay out every point with its rewards, and how far each soup lies above the line between the experts.

    Lambda is the coefficient of the expert for the first reward; that of the other is 1 - lambda.
    """
    first, second = rewards
    shown = [f"{'':<14}{first:>10}{second:>11}   gain over the line between the experts, in each reward"]
    ends = {point.vertex: point for point in scores.points if point.vertex}
    for point in scores.points:
        values = "".join(f"{point.rewards[name].mean:>{10 + number}.3f}" for number, name in enumerate(rewards))
        gaps = ""
        if point.coefficients and point.vertex is None and len(ends) == len(rewards):
            above = [above_the_line(point, ends, name) for name in rewards]
            gaps = "   " + "  ".join(f"{gap:+.3f} ± {error:.3f}" for gap, error in above)
        shown.append(f"{_name(point, first):<14}{values}{gaps}")
    return shown


def above_the_line(point: Point, ends: Mapping[str, Point], reward: str) -> tuple[float, float]:
    """Give the gain of a soup over the mixed rewards of its experts, and its standard error taken as independent."""
    coefficients = point.coefficients or {}
    parts = [(share, ends[name].rewards[reward]) for name, share in coefficients.items() if share]
    gain = point.rewards[reward].mean - math.fsum(share * score.mean for share, score in parts)
    errors = [point.rewards[reward].stderr or 0.0, *(share * (score.stderr or 0.0) for share, score in parts)]
    return gain, math.hypot(*errors)


def figures_in_words(scores: Scores, figures: Mapping[str, Any], rewards: tuple[str, str]) -> list[str]:
    """Say what the figures show, the comparison with a straight line and with MORL included."""
    said = lines(figures)
    count = sum(1 for point in scores.points if point.vertex or point.kind == "soup")
    if figures["hypervolume"] is not None:
        names = {"morl": "the MORL run", "init": "the start"}
        alone = [
            f"{names[point.kind]} alone {_alone(point, figures['box'], rewards):.3f}"
            for point in scores.points
            if point.kind in names
        ]
        soups = f"the soups {figures['hypervolume']:.3f}"
        straight = f"as many points on a straight line between the experts {_straight(count):.3f}"
        said.append(f"hypervolume in that box: {', '.join([soups, straight, *alone])}")
    for point in scores.points:
        if point.kind == "morl":
            said.append(_beside_morl(scores, point, rewards))
    return said


def _beside_morl(scores: Scores, morl: Point, rewards: tuple[str, str]) -> str:
    def mean(point: Point) -> float:
        return math.fsum(point.rewards[name].mean for name in rewards) / len(rewards)

    soups = [point for point in scores.points if point.coefficients and point.kind != "init"]
    best = max(soups, key=mean)
    apart = mean(best) - mean(morl)
    word = "ahead of" if apart > 0 else "behind"
    return (
        f"the best soup by the mean of both rewards ({_name(best, rewards[0])}: {mean(best):.3f}) is {abs(apart):.3f} "
        f"{word} the MORL run ({mean(morl):.3f}), which was trained for that very mean and cost a training of its own"
    )


def side_by_side(texts: Mapping[str, str], width: int = 36) -> list[str]:
    """Lay texts out in columns under their names."""
    columns = [[name, "-" * len(name), *textwrap.wrap(text, width)] for name, text in texts.items()]
    height = max(map(len, columns))
    padded = [column + [""] * (height - len(column)) for column in columns]
    return ["   ".join(cell.ljust(width) for cell in row).rstrip() for row in zip(*padded, strict=True)]


def _alone(point: Point, box: Mapping[str, Mapping[str, float]], rewards: tuple[str, str]) -> float:
    """Give the hypervolume of one point in the box: the area between it and the lower corner."""
    nadir, ideal = box["nadir"], box["ideal"]
    unit = [[(point.rewards[name].mean - nadir[name]) / (ideal[name] - nadir[name]) for name in rewards]]
    return hypervolume(np.array(unit), np.zeros(len(rewards)))


def _straight(count: int) -> float:
    """Give the hypervolume of evenly spaced points on the falling diagonal of the unit box."""
    rising = np.linspace(0.0, 1.0, count)
    return hypervolume(np.stack([rising, 1.0 - rising], axis=1), np.zeros(2))


def _name(point: Point, first: str) -> str:
    if point.coefficients and point.kind != "init":
        return f"lambda {point.coefficients.get(first, 0.0):g}"
    return "MORL" if point.kind == "morl" else point.kind
