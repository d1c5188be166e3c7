"""The picture of a front: experts, the soups between them, the line they should not fall below, MORL runs, the start.

Up and to the right is always better: the axis of a min reward is turned round. The tinted area is what souping gains
over the line between two experts. Where the runs that trained the experts are given, their rewards at each logged step
are dotted lines that end in a triangle.

Refused: what ``style`` and ``view`` refuse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from rshub.fronts.pictures.labels import Box, Wish, along, around, place
from rshub.fronts.pictures.style import (
    BLUE,
    DASHES,
    DOTS,
    GREEN,
    GREY,
    INK,
    MINUS,
    ORANGE,
    Target,
    better,
    headline,
    legend_below,
    panel,
    sheet,
    short,
)
from rshub.fronts.pictures.view import Drawn, Spot, View, view
from rshub.preferences.scores import Scores

_NAME_SIZE, _TICK_SIZE = 9.5, 8.0
_MOST_LABELS = 80


@dataclass(frozen=True, kw_only=True)
class _Mark:
    """How one kind of point is drawn; ``size`` is the marker's area in square points."""

    legend: str
    marker: str
    size: float
    face: str
    edge: str
    layer: float

    @property
    def colour(self) -> str:
        return self.edge if self.face == "white" else self.face


_MARKS = {
    "expert": _Mark(legend="expert", marker="s", size=72, face=INK, edge="white", layer=6),
    "soup": _Mark(legend="soup", marker="o", size=40, face=BLUE, edge="white", layer=5),
    "beaten": _Mark(legend="soup that another beats", marker="o", size=34, face="white", edge=BLUE, layer=4.5),
    "morl": _Mark(legend="MORL", marker="*", size=190, face=ORANGE, edge="white", layer=7),
    "init": _Mark(legend="init", marker="X", size=80, face=GREY, edge="white", layer=4),
    "ensemble": _Mark(legend="ensemble of predictions", marker="D", size=34, face="white", edge=ORANGE, layer=4.2),
}


def plot_front(
    scores: Scores,
    path: Target,
    *,
    x: str | None = None,
    y: str | None = None,
    title: str | None = None,
    trajectories: Mapping[str, Sequence[Mapping[str, float | None]]] = MappingProxyType({}),
) -> list[str]:
    """Draw two rewards of a front.

    Args:
        scores: What was measured.
        path: The file to write, whose suffix says how; or an open buffer for SVG.
        x: The reward across (the first of the file).
        y: The reward upwards (the second of the file).
        title: The line above the picture.
        trajectories: Name of a training run to its rewards at each logged step, in order.

    Returns:
        What a reader of the picture should know: rewards that it leaves out, points that could not be drawn.

    Raises:
        InvalidInput: The suffix or a reward is unknown, or there is nothing to draw.
        MissingExtra: matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    shown = view(scores, x=x, y=y, trajectories=trajectories)
    with sheet(path, doing="drawing a front") as figure:
        axes = _draw(figure, shown, title)
        figure.canvas.draw()
        figure.set_layout_engine("none")
        _label(axes, figure.canvas.get_renderer(), figure.dpi / 72.0, shown)
    return list(shown.notes)


def _draw(figure: Any, shown: View, title: str | None) -> Any:
    """Draw everything but the labels beside points."""
    axes = figure.add_subplot()
    panel(axes)
    for start, end in shown.chords:
        axes.plot(*zip(start, end, strict=True), color=GREY, linewidth=1.1, linestyle=DASHES, zorder=2)
    if len(shown.path) > 1:
        axes.plot(*zip(*shown.path, strict=True), color=BLUE, linewidth=1.4, alpha=0.5, zorder=3)
    if shown.gain:
        axes.fill(*zip(*shown.gain, strict=True), color=BLUE, alpha=0.06, linewidth=0, zorder=1)
    for trail in shown.trails.values():
        axes.plot(*zip(*trail, strict=True), color=GREEN, linewidth=1.5, linestyle=DOTS, alpha=0.9, zorder=2.5)
        axes.plot(*trail[-1], color=GREEN, marker="^", markersize=6, markeredgecolor="white", zorder=4.1)
    for point in shown.drawn:
        if point.stderr != (None, None):
            colour = _MARKS[point.kind].colour
            wide, high = point.stderr
            axes.errorbar(
                *point.spot, xerr=wide, yerr=high, fmt="none", ecolor=colour, elinewidth=0.9, alpha=0.55, zorder=3.5
            )
    for kind, mark in _MARKS.items():
        spots = [point.spot for point in shown.drawn if point.kind == kind]
        if spots:
            axes.scatter(
                *zip(*spots, strict=True),
                s=mark.size,
                marker=mark.marker,
                color=mark.face,
                edgecolors=mark.edge,
                linewidths=_edge(mark),
                zorder=mark.layer,
            )
    axes.margins(0.11)
    for name, lower, label, turn in (
        (shown.x, shown.lower_is_better[0], axes.set_xlabel, axes.invert_xaxis),
        (shown.y, shown.lower_is_better[1], axes.set_ylabel, axes.invert_yaxis),
    ):
        label(f"{short(name)}  ({better('min' if lower else 'max')})", labelpad=7)
        if lower:
            turn()
    what = title if title is not None else f"Rewarded soups: {short(shown.x, 24)} and {short(shown.y, 24)}"
    if shown.rewards > 2:
        what += f"  (2 of {shown.rewards} rewards)"
    headline(axes, what)
    _legend(figure, shown)
    return axes


def _legend(figure: Any, shown: View) -> None:
    from matplotlib.lines import Line2D

    present = {point.kind for point in shown.drawn}
    labelled = "soup" if "soup" in present else "beaten"
    entries = []
    for kind, mark in _MARKS.items():
        if kind in present:
            entry = Line2D([], [], linestyle="none", marker=mark.marker, markersize=math.sqrt(mark.size) * 0.95)
            entry.set(markerfacecolor=mark.face, markeredgecolor=mark.edge, markeredgewidth=_edge(mark))
            by = f" (λ of {short(shown.leader)})" if kind == labelled and shown.leader is not None else ""
            entry.set_label(mark.legend + by)
            entries.append(entry)
    if shown.chords:
        entries.append(Line2D([], [], color=GREY, linewidth=1.1, linestyle=DASHES, label="line between experts"))
    if any(point.stderr != (None, None) for point in shown.drawn):
        cross = Line2D([], [], linestyle="none", marker="+", markersize=10, label="± one standard error")
        cross.set(markeredgecolor=BLUE, alpha=0.7)
        entries.append(cross)
    if shown.trails:
        line = Line2D([], [], color=GREEN, linewidth=1.5, linestyle=DOTS, marker="^", markersize=5)
        line.set(markevery=[1], label="training, step by step")
        entries.append(line)
    legend_below(figure, entries)


def _label(axes: Any, renderer: Any, scale: float, shown: View) -> None:
    """Name the experts and the start, and write lambda beside soups where there is room; ``scale`` is px per point."""

    def pixel(spot: Spot) -> Spot:
        across, up = axes.transData.transform(spot)
        return float(across), float(up)

    taken = []
    for point in shown.drawn:
        (x, y), (wide, high) = point.spot, point.stderr
        taken.append(around(*pixel(point.spot), half=math.sqrt(_MARKS[point.kind].size) * 0.6 * scale))
        taken += along(pixel((x - wide, y)), pixel((x + wide, y)), half=scale) if wide else []
        taken += along(pixel((x, y - high)), pixel((x, y + high)), half=scale) if high else []
    ends = [pixel(spot) for spot in shown.experts.values()]
    for start, end in [*pairwise(map(pixel, shown.path)), *((pixel(start), pixel(end)) for start, end in shown.chords)]:
        taken += along(start, end, half=1.5 * scale)
    outward = math.pi / 4
    if len(ends) == 2:
        outward = math.atan2(abs(ends[0][0] - ends[1][0]), abs(ends[0][1] - ends[1][1]))
    highest = max((up for _, up in ends), default=0.0)
    texts = [
        (short(name), end, math.pi / 2 if end[1] == highest else 0.0, INK)
        for name, end in zip(shown.experts, ends, strict=True)
    ]
    texts += [("init", pixel(point.spot), 0.0, GREY) for point in shown.drawn if point.kind == "init"]
    soups = [point for point in shown.drawn if point.kind in {"soup", "beaten"} and point.share is not None]
    texts += [
        (f"{point.share:.3g}".replace("-", MINUS), pixel(point.spot), outward, BLUE)
        for point in sorted(soups, key=_least_missed)[:_MOST_LABELS]
    ]
    for run, trail in shown.trails.items():
        way = [pixel(spot) for spot in trail]
        for start, end in pairwise(way):
            taken += along(start, end, half=1.5 * scale)
        texts.append((short(run), way[len(way) // 2], math.pi / 2, GREEN))
    wishes = []
    for text, (across, up), direction, colour in texts:
        name = colour == INK
        width, height = _size(axes, renderer, text, name=name)
        gap = (6.5 if colour != BLUE else 4.5) * scale
        wishes.append(Wish(x=across, y=up, width=width, height=height, gap=gap, direction=direction, must=name))
    edge = axes.get_window_extent(renderer)
    frame = Box(left=edge.x0, bottom=edge.y0, right=edge.x1, top=edge.y1 + 4 * scale)
    for (text, spot, _, colour), centre in zip(texts, place(wishes, taken, frame), strict=True):
        if centre is not None:
            axes.annotate(
                text,
                axes.transData.inverted().transform(spot),
                xytext=((centre[0] - spot[0]) / scale, (centre[1] - spot[1]) / scale),
                textcoords="offset points",
                ha="center",
                va="center",
                color=colour,
                zorder=8,
                annotation_clip=False,
                **_font(name=colour == INK),
            )


def _least_missed(point: Drawn) -> tuple[int, float]:
    """Let halves, then tenths look for room before the others, so that what is left out is least missed."""
    value = point.share or 0.0
    rank = next(
        (rank for rank, step in enumerate((0.5, 0.1, 0.05)) if abs(value / step - round(value / step)) < 1e-6), 9
    )
    return rank, abs(value - 0.5)


def _size(axes: Any, renderer: Any, text: str, *, name: bool) -> tuple[float, float]:
    probe = axes.text(0, 0, text, **_font(name=name))
    extent = probe.get_window_extent(renderer)
    probe.remove()
    return float(extent.width) + 6.0, float(extent.height) * 0.95


def _font(*, name: bool) -> dict[str, Any]:
    return {"fontsize": _NAME_SIZE if name else _TICK_SIZE, "fontweight": "bold" if name else "normal"}


def _edge(mark: _Mark) -> float:
    return 1.4 if mark.face == "white" else 0.9
