"""The picture of a front: experts, the soups between them, the line they should not fall below, MORL runs, the start.

One house style for every picture: up and to the right is always better (the axis of a min reward is turned round),
colours that colour-blind readers and a black-and-white printer can tell apart, a shape of its own for every kind,
labels that cover nothing, the legend outside the data. The tinted area is what souping gains over the line between two
experts. matplotlib is imported when a picture is drawn, through its objects and without the state of pyplot. The same
scores give the same bytes.

Refused: a suffix other than .png, .svg and .pdf, and what ``view`` refuses.
"""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput, MissingExtra
from rshub.fronts.labels import Box, Wish, along, around, place
from rshub.fronts.view import Drawn, Spot, View, view
from rshub.preferences.scores import Scores
from rshub.tensors.writer import write_whole

SUFFIXES = (".png", ".svg", ".pdf")

_BLUE, _ORANGE, _INK, _GREY, _PALE = "#0072B2", "#D55E00", "#1b1b1b", "#767676", "#e9edf1"
_DASHES = (0, (5, 3))
_STYLE = {
    "font.family": "sans-serif",
    "font.size": 10.0,
    "text.color": _INK,
    "text.parse_math": False,
    "axes.edgecolor": _GREY,
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.8,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "svg.fonttype": "path",
    "svg.hashsalt": "rshub",
    "pdf.fonttype": 42,
}
_NAME_SIZE, _TICK_SIZE = 9.5, 8.0
_LONGEST = 30
_MOST_LABELS = 80
_MINUS = "\N{MINUS SIGN}"


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
    "expert": _Mark(legend="expert", marker="s", size=72, face=_INK, edge="white", layer=6),
    "soup": _Mark(legend="soup", marker="o", size=40, face=_BLUE, edge="white", layer=5),
    "beaten": _Mark(legend="soup that another beats", marker="o", size=34, face="white", edge=_BLUE, layer=4.5),
    "morl": _Mark(legend="MORL", marker="*", size=190, face=_ORANGE, edge="white", layer=7),
    "init": _Mark(legend="init", marker="X", size=80, face=_GREY, edge="white", layer=4),
    "ensemble": _Mark(legend="ensemble of predictions", marker="D", size=34, face="white", edge=_ORANGE, layer=4.2),
}


def plot_front(
    scores: Scores, path: Path, *, x: str | None = None, y: str | None = None, title: str | None = None
) -> list[str]:
    """Draw two rewards of a front.

    Args:
        scores: What was measured.
        path: The file to write; its suffix says how.
        x: The reward across (the first of the file).
        y: The reward upwards (the second of the file).
        title: The line above the picture.

    Returns:
        What a reader of the picture should know: rewards that it leaves out, points that could not be drawn.

    Raises:
        InvalidInput: The suffix or a reward is unknown, or there is nothing to draw.
        MissingExtra: matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        what = f"{path.suffix} is no suffix of a picture" if path.suffix else "no suffix says what kind of picture"
        raise InvalidInput(f"{path}: {what}", where=str(path), remedy=f"one of {' '.join(SUFFIXES)}")
    shown = view(scores, x=x, y=y)
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as fault:
        raise MissingExtra("plots", needed_for="drawing a front") from fault
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(7.2, 4.9), dpi=200, layout="constrained", facecolor="white")
        canvas = FigureCanvasAgg(figure)
        axes = _draw(figure, shown, title)
        canvas.draw()
        figure.set_layout_engine("none")
        _label(axes, canvas.get_renderer(), figure.dpi / 72.0, shown)
        _save(figure, path)
    return list(shown.notes)


def _draw(figure: Any, shown: View, title: str | None) -> Any:
    """Draw everything but the labels beside points."""
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=_PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    for start, end in shown.chords:
        axes.plot(*zip(start, end, strict=True), color=_GREY, linewidth=1.1, linestyle=_DASHES, zorder=2)
    if len(shown.path) > 1:
        axes.plot(*zip(*shown.path, strict=True), color=_BLUE, linewidth=1.4, alpha=0.5, zorder=3)
    if shown.gain:
        axes.fill(*zip(*shown.gain, strict=True), color=_BLUE, alpha=0.06, linewidth=0, zorder=1)
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
        label(f"{_short(name)}  ({'lower' if lower else 'higher'} is better)", labelpad=7)
        if lower:
            turn()
    what = title if title is not None else f"Rewarded soups: {_short(shown.x)} and {_short(shown.y)}"
    if shown.rewards > 2:
        what += f"  (2 of {shown.rewards} rewards)"
    axes.set_title(what, loc="left", fontsize=11.5, fontweight="bold", pad=10)
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
            by = f" (λ of {_short(shown.leader)})" if kind == labelled and shown.leader is not None else ""
            entry.set_label(mark.legend + by)
            entries.append(entry)
    if shown.chords:
        entries.append(Line2D([], [], color=_GREY, linewidth=1.1, linestyle=_DASHES, label="line between experts"))
    if any(point.stderr != (None, None) for point in shown.drawn):
        cross = Line2D([], [], linestyle="none", marker="+", markersize=10, label="± one standard error")
        cross.set(markeredgecolor=_BLUE, alpha=0.7)
        entries.append(cross)
    width = sum(len(str(entry.get_label())) + 6 for entry in entries)
    figure.legend(
        handles=entries,
        loc="outside lower center",
        ncols=math.ceil(len(entries) / math.ceil(width / 95)),
        frameon=False,
        fontsize=9,
        handletextpad=0.5,
        columnspacing=1.6,
    )


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
        (_short(name), end, math.pi / 2 if end[1] == highest else 0.0, _INK)
        for name, end in zip(shown.experts, ends, strict=True)
    ]
    texts += [("init", pixel(point.spot), 0.0, _GREY) for point in shown.drawn if point.kind == "init"]
    soups = [point for point in shown.drawn if point.kind in {"soup", "beaten"} and point.share is not None]
    texts += [
        (f"{point.share:.3g}".replace("-", _MINUS), pixel(point.spot), outward, _BLUE)
        for point in sorted(soups, key=_least_missed)[:_MOST_LABELS]
    ]
    wishes = []
    for text, (across, up), direction, colour in texts:
        name = colour == _INK
        width, height = _size(axes, renderer, text, name=name)
        gap = (6.5 if colour != _BLUE else 4.5) * scale
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
                **_font(name=colour == _INK),
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


def _save(figure: Any, path: Path) -> None:
    """Write the picture, whole or not at all."""
    kind = path.suffix.lower().removeprefix(".")
    stamp = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    picture = io.BytesIO()
    figure.savefig(picture, format=kind, metadata=stamp)
    write_whole(path, picture.getvalue())


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 11]}…{name[-10:]}"
