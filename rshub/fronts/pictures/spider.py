"""The spider map of three or more rewards: experts, a soup of all of them, MORL runs and the start on one web.

Every spoke is a reward in units of its own: the ring marked 1 is the best of the models shown, the ring marked 0 the
worst, and outwards is always better, also where lower is. What 0 and 1 are is written at each spoke. A web shows who
wins where; areas in it mean nothing, since they depend on the order of the spokes.

Refused: fewer than three rewards, and scores without a model that has three of them measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from rshub.errors import InvalidInput
from rshub.fronts.box import Box
from rshub.fronts.connectivity import interior_shares
from rshub.fronts.pictures.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALE,
    SERIES,
    Target,
    digits,
    headline_of,
    legend_below,
    sheet,
    short,
)
from rshub.preferences.preference import SUM_TOLERANCE, Preference
from rshub.preferences.scores import Point, Scores, oriented

MOST_EXPERTS = 6
MOST_SPOKES = 16
_INNER = 0.16
"""Where 0 lies, as a share of the way outwards: at the centre the worst models would be told apart by nothing."""


@dataclass(frozen=True, kw_only=True)
class Web:
    """One model: its name, kind, and heights from 0 to 1 by spoke, None where a reward was not measured."""

    name: str
    kind: str
    heights: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Spokes:
    """Everything that the map shows; ``ends`` are the rewards at 0 and 1, in their own direction."""

    rewards: tuple[str, ...]
    directions: tuple[str, ...]
    ends: tuple[tuple[float, float], ...]
    webs: tuple[Web, ...]
    notes: tuple[str, ...]


def spokes(scores: Scores) -> Spokes:
    """Choose the models to show and work out their heights.

    Raises:
        InvalidInput: There are fewer than three rewards, or no model to show.
    """
    chosen, notes = _chosen(scores)
    rewards = [name for name in scores.rewards if any(name in point.rewards for _, point in chosen)]
    if len(rewards) < 3 or not chosen:
        raise InvalidInput(
            f"a spider map takes three rewards, and {len(rewards)} were measured",
            where="rewards",
            remedy="draw the front of two rewards, or measure more",
        )
    if len(rewards) > MOST_SPOKES:
        notes.append(f"picture: shows {MOST_SPOKES} of {len(rewards)} rewards")
        rewards = rewards[:MOST_SPOKES]
    columns, ends = [], []
    for name in rewards:
        way = scores.rewards[name]
        values = [oriented(point.rewards[name].mean, way) if name in point.rewards else None for _, point in chosen]
        box = Box.around(np.array([[value] for value in values if value is not None]))
        if box.flat.all():
            notes.append(f"picture: all models shown are alike in {name}, which stands at 1")
        ends.append((oriented(float(box.nadir[0]), way), oriented(float(box.ideal[0]), way)))
        columns.append([None if value is None else float(box.unit(np.array([value]))[0]) for value in values])
    webs = tuple(
        Web(name=name, kind=point.kind, heights=tuple(column[row] for column in columns))
        for row, (name, point) in enumerate(chosen)
    )
    ways = tuple(scores.rewards[name] for name in rewards)
    return Spokes(rewards=tuple(rewards), directions=ways, ends=tuple(ends), webs=webs, notes=tuple(notes))


def plot_spider(scores: Scores, path: Target, *, title: str | None = None) -> list[str]:
    """Draw the spider map of three or more rewards.

    Shown are the experts, the soup of all of them in equal parts (or, where that was not measured, the soup whose worst
    spoke is best), the MORL run whose worst spoke is best, and the start.

    Args:
        scores: What was measured.
        path: The file to write, whose suffix says how; or an open buffer for SVG.
        title: The line above the picture.

    Returns:
        What a reader of the picture should know: models and rewards that it leaves out.

    Raises:
        InvalidInput: The suffix is unknown, or there are fewer than three rewards.
        MissingExtra: matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    shown = spokes(scores)
    with sheet(path, doing="drawing a spider map", size=(7.2, 6.4)) as figure:
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set_xlim(-1.9, 1.9)  # room for what stands at the spokes
        axes.set_ylim(-1.3, 1.32)
        _web(axes, shown)
        entries = [_model(axes, web, number, _look(shown.webs, number)) for number, web in enumerate(shown.webs)]
        headline_of(figure, title if title is not None else f"{len(shown.rewards)} rewards; outwards is better")
        legend_below(figure, entries)
    return list(shown.notes)


def _chosen(scores: Scores) -> tuple[list[tuple[str, Point]], list[str]]:
    """Choose the models to show, each with the name that the legend gives it."""
    experts: dict[str, Point] = {}
    for point in scores.points:
        if point.vertex is not None and point.rewards:
            experts.setdefault(point.vertex, point)
    notes = []
    order = list(scores.rewards)
    names = sorted(experts, key=lambda name: order.index(name) if name in order else len(order))
    if len(names) > MOST_EXPERTS:
        notes.append(f"picture: shows {MOST_EXPERTS} of {len(names)} experts")
    found = [(name, experts[name]) for name in names[:MOST_EXPERTS]]
    soup = _equal_parts(scores, names) or _balanced(scores, [p for p in scores.points if interior_shares(p)])
    if soup is not None:
        found.insert(0, (_soup_name(soup, names), soup))
    morl = _balanced(scores, [point for point in scores.points if point.kind == "morl"])
    if morl is not None:
        more = sum(point.kind == "morl" for point in scores.points) - 1
        notes += [f"picture: of {more + 1} MORL runs the one whose worst reward is best"] if more else []
        found.append((_morl_name(morl, order), morl))
    start = next((point for point in scores.points if point.kind == "init" and point.rewards), None)
    return found + ([("init", start)] if start is not None else []), notes


def _equal_parts(scores: Scores, names: Sequence[str]) -> Point | None:
    for point in scores.points:
        shares = interior_shares(point)
        if shares and set(shares) == set(names) and point.rewards:
            even = 1.0 / len(shares)
            if all(abs(share - even) <= SUM_TOLERANCE for share in shares.values()):
                return point
    return None


def _balanced(scores: Scores, points: Sequence[Point]) -> Point | None:
    """Give the point whose worst reward is best, in units of what was measured; of points that have all rewards."""
    table = scores.oriented()
    with np.errstate(invalid="ignore"):
        whole = [number for number, row in enumerate(table) if np.isfinite(row).all()]
    if not whole:
        return None
    worst = Box.around(table[whole]).unit(table).min(axis=1)
    able = [number for number in whole if any(scores.points[number] is point for point in points)]
    best = max(able, key=lambda number: float(worst[number]), default=None)
    return None if best is None else scores.points[best]


def _soup_name(point: Point, experts: Sequence[str]) -> str:
    shares = interior_shares(point) or {}
    if set(shares) == set(experts) and len(set(shares.values())) == 1:
        return "soup of equal parts"
    mixed = ", ".join(f"{short(name)} {share:.2g}" for name, share in shares.items())
    return f"soup {mixed}" if len(mixed) <= 60 else f"soup of {len(shares)} experts"


def _morl_name(point: Point, rewards: Sequence[str]) -> str:
    if not point.preference:
        return "MORL"
    with suppress(InvalidInput):  # a mixture may be written in words of its own
        shares = Preference.parse(point.preference).values
        if set(shares) == set(rewards) and len(set(shares.values())) == 1:
            return "MORL of equal parts"
    return f"MORL {short(point.preference)}"


def _place(number: int, count: int, height: float) -> tuple[float, float]:
    angle = math.pi / 2 - 2.0 * math.pi * number / count
    far = _INNER + (1.0 - _INNER) * height
    return far * math.cos(angle), far * math.sin(angle)


def _web(axes: Any, shown: Spokes) -> None:
    """Draw rings, spokes, and what stands at the end of each."""
    count = len(shown.rewards)
    for ring in (0.0, 0.25, 0.5, 0.75, 1.0):
        corners = [_place(number % count, count, ring) for number in range(count + 1)]
        solid = ring in {0.0, 1.0}
        axes.plot(*zip(*corners, strict=True), color=GREY if solid else PALE, linewidth=0.8, zorder=1)
    for number, (name, way, (low, high)) in enumerate(zip(shown.rewards, shown.directions, shown.ends, strict=True)):
        end = _place(number, count, 1.0)
        axes.plot((0.0, end[0]), (0.0, end[1]), color=PALE, linewidth=0.8, zorder=0.9)
        x, y = _place(number, count, 1.09)
        side = "center" if abs(end[0]) < 0.15 else "left" if end[0] > 0 else "right"
        lift = "bottom" if end[1] > 0.5 else "top" if end[1] < -0.5 else "center"
        turned = "lower is better" if way == "min" else "higher is better"
        said = f"{short(name, 24)}\n0 = {digits(low)}, 1 = {digits(high)}\n{turned}"
        axes.text(x, y, said, ha=side, va=lift, fontsize=8.5, linespacing=1.25, in_layout=False)
    for ring in (0.0, 1.0):
        (x0, y0), (x1, y1) = _place(0, count, ring), _place(1, count, ring)
        axes.annotate(
            f"{ring:g}",
            ((x0 + x1) / 2, (y0 + y1) / 2),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=8,
            color=GREY,
            ha="center",
            va="center",
            zorder=9,
        )


def _look(webs: Sequence[Web], number: int) -> dict[str, Any]:
    """Give every model its stroke: soup, MORL and init as everywhere, the experts one after another."""
    web = webs[number]
    if number == 0 and web.kind == "soup":
        return {"color": BLUE, "linestyle": "-", "marker": "o", "linewidth": 2.4}
    if web.kind == "morl":
        return {"color": ORANGE, "linestyle": (0, (7, 3)), "marker": "*", "linewidth": 1.5, "markersize": 10}
    if web.kind == "init":
        return {"color": GREY, "linestyle": ":", "marker": "X", "linewidth": 1.5}
    place = sum(other.kind not in {"morl", "init"} for other in webs[:number]) - (webs[0].kind == "soup")
    colour, stroke, marker = ((INK, (0, (5, 2)), "s"), *SERIES[2:])[place % (len(SERIES) - 1)]
    return {"color": colour, "linestyle": stroke, "marker": marker, "linewidth": 1.4}


def _model(axes: Any, web: Web, number: int, look: dict[str, Any]) -> Any:
    from matplotlib.lines import Line2D

    count = len(web.heights)
    spots = [
        _place(place, count, height) if height is not None else (math.nan, math.nan)
        for place, height in enumerate(web.heights)
    ]
    spots.append(spots[0])
    style: dict[str, Any] = {"markersize": 6, "markeredgecolor": "white", "markeredgewidth": 0.8} | look
    axes.plot(*zip(*spots, strict=True), zorder=4 + 0.1 * number, **style)
    if web.kind == "soup" and number == 0 and all(height is not None for height in web.heights):
        axes.fill(*zip(*spots, strict=True), color=BLUE, alpha=0.07, linewidth=0, zorder=1.2)
    return Line2D([], [], label=short(web.name) if web.kind == "expert" else web.name, **style)
