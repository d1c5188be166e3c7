"""One reward on the triangle of three experts: marks where it was measured, a filling where it is only predicted.

A corner is an expert, a side the soups of two, the middle the soup of equal parts. The filling is the Scheffe quadratic
of ``preferences.surrogate``; it is drawn only where it predicts soups that it has not seen (leave-one-out R2 of 0.8 or
more), and the picture says so in words. Brighter is always better, also where lower is.

Refused: scores whose soups are not mixed from the same three experts, and a reward that was not measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rshub.errors import InvalidInput
from rshub.fronts.pareto import Array
from rshub.fronts.pictures.style import (
    GREY,
    INK,
    ORANGE,
    Target,
    better,
    digits,
    headline_of,
    legend_below,
    sheet,
    short,
)
from rshub.fronts.pictures.view import known_rewards
from rshub.preferences.preference import INIT, SUM_TOLERANCE
from rshub.preferences.scores import SOUPS, Scores, oriented
from rshub.preferences.simplex import lattice
from rshub.preferences.surrogate import LEAST_R2, Surrogate, fit_surrogate

_STEPS = 60
_COLOURS = "cividis"  # as readable in grey, and to every eye
_CORNERS = ((0.0, 0.0), (1.0, 0.0), (0.5, math.sqrt(0.75)))


@dataclass(frozen=True, kw_only=True)
class Triangle:
    """What the map shows: experts, measured (shares, value) rows, and the prediction where there is one to be shown."""

    experts: tuple[str, str, str]
    direction: str
    measured: tuple[tuple[tuple[float, float, float], float], ...]
    best: int
    surrogate: Surrogate | None
    r2: float | None
    why_not: str

    @property
    def says(self) -> str:
        """Say what the filling is, or why there is none."""
        count = len(self.measured)
        if self.surrogate is None:
            return f"Marks: {count} measured models. No filling: {self.why_not}."
        return (
            f"Marks: {count} measured models. Filling and contours: interpolated, not measured; a quadratic fitted to "
            f"the marks (leave-one-out R² {self.r2:.2f})."
        )


def triangle(scores: Scores, reward: str) -> Triangle:
    """Work out what the picture of one reward holds.

    Raises:
        InvalidInput: The reward was not measured, or the soups are not mixed from the same three experts.
    """
    known_rewards(scores, [reward])
    experts = sorted({
        name
        for point in scores.points
        if point.kind in SOUPS
        for name, value in (point.coefficients or {}).items()
        if value != 0.0 and name != INIT
    })  # fmt: skip
    if len(experts) != 3:
        raise InvalidInput(
            f"a ternary map takes soups of three experts, and these are of {len(experts)}",
            where="points",
            remedy="draw a front or a spider map",
        )
    measured = []
    for point in scores.points:
        shares = [(point.coefficients or {}).get(name, 0.0) for name in experts]
        inside = min(shares) >= 0.0 and abs(math.fsum(shares) - 1.0) <= SUM_TOLERANCE
        if point.kind in SOUPS and reward in point.rewards and inside:
            measured.append(((shares[0], shares[1], shares[2]), point.rewards[reward].mean))
    if not measured:
        raise InvalidInput(f"no soup of these experts has {reward} measured", where=reward, remedy="measure some")
    way = scores.rewards[reward]
    surrogate, r2, why = _fitted(scores, experts, reward)
    return Triangle(
        experts=(experts[0], experts[1], experts[2]),
        direction=way,
        measured=tuple(measured),
        best=max(range(len(measured)), key=lambda row: oriented(measured[row][1], way)),
        surrogate=surrogate,
        r2=r2,
        why_not=why,
    )


def plot_ternary(scores: Scores, path: Target, *, reward: str, title: str | None = None) -> list[str]:
    """Draw one reward over all soups of three experts.

    Args:
        scores: What was measured.
        path: The file to write, whose suffix says how; or an open buffer for SVG.
        reward: Which reward.
        title: The line above the picture.

    Returns:
        What a reader of the picture should know.

    Raises:
        InvalidInput: The suffix or the reward is unknown, or the soups are not of three experts.
        MissingExtra: matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    shown = triangle(scores, reward)
    with sheet(path, doing="drawing a ternary map", size=(7.2, 6.2)) as figure:
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_aspect("equal")
        headline_of(figure, title if title is not None else f"{short(reward)} over all soups of three experts")
        _draw(figure, axes, shown, reward)
        legend_below(figure, _entries(shown))
    return [] if shown.surrogate is not None else [f"picture: {shown.says}"]


def _fitted(scores: Scores, experts: Sequence[str], reward: str) -> tuple[Surrogate | None, float | None, str]:
    """Fit the reward; no filling is drawn from a fit that does not predict."""
    try:
        surrogate = fit_surrogate(scores, experts=experts, rewards=[reward])
    except InvalidInput as fault:
        return None, None, fault.message.removeprefix("mapping surrogate: ")
    r2 = surrogate.fits[reward].r2
    if r2 < LEAST_R2:
        return None, r2, f"a quadratic does not predict this reward (leave-one-out R² {r2:.2f})"
    return surrogate, r2, ""


def _spot(shares: Sequence[float]) -> tuple[float, float]:
    x, y = (math.fsum(s * corner[axis] for s, corner in zip(shares, _CORNERS, strict=True)) for axis in (0, 1))
    return x, y


def _draw(figure: Any, axes: Any, shown: Triangle, reward: str) -> None:
    values = np.array([value for _, value in shown.measured])
    low, high = float(values.min()), float(values.max())
    grid, heights = _filling(shown, reward)
    if len(heights):
        low, high = min(low, float(heights.min())), max(high, float(heights.max()))
    if not high > low:
        low, high = low - 0.5 * max(1e-12, abs(low)), high + 0.5 * max(1e-12, abs(high))
    colours = _COLOURS if shown.direction == "max" else f"{_COLOURS}_r"
    if len(heights):
        _fill(axes, grid, heights, limits=(low, high), colours=colours)
    edge = [*_CORNERS, _CORNERS[0]]
    axes.plot(*zip(*edge, strict=True), color=GREY, linewidth=1.0, zorder=2)
    _ticks(axes, shown.experts)
    spots = np.array([_spot(shares) for shares, _ in shown.measured])
    alone = np.array([max(shares) == 1.0 for shares, _ in shown.measured])
    for chosen, marker, size in ((~alone, "o", 62), (alone, "s", 95)):
        if chosen.any():
            axes.scatter(
                *spots[chosen].T,
                c=values[chosen],
                s=size,
                marker=marker,
                cmap=colours,
                vmin=low,
                vmax=high,
                edgecolors=INK,
                linewidths=1.1,
                zorder=4,
                clip_on=False,
            )
    axes.scatter(*spots[shown.best], s=260, marker="o", facecolors="none", edgecolors=ORANGE, linewidths=2, zorder=5)
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(norm=Normalize(low, high), cmap=colours)
    bar = figure.colorbar(scale, ax=axes, shrink=0.62, pad=0.02, aspect=18)
    bar.outline.set_visible(False)
    bar.set_label(f"{short(reward)}  ({better(shown.direction)})", fontsize=9)
    for name, (x, y), (side, lift), away in zip(
        shown.experts,
        _CORNERS,
        (("center", "top"), ("center", "top"), ("center", "bottom")),
        (-0.075, -0.075, 0.045),
        strict=True,
    ):
        axes.text(x, y + away, short(name), ha=side, va=lift, fontsize=9.5, fontweight="bold")
    axes.text(0.5, -0.165, _wrapped(shown.says), ha="center", va="top", fontsize=8.5, color=INK, linespacing=1.3)
    axes.set_xlim(-0.12, 1.12)
    axes.set_ylim(-0.26, _CORNERS[2][1] + 0.1)


def _filling(shown: Triangle, reward: str) -> tuple[Array, Array]:
    """Give the places and the predicted values of an even grid, empty where nothing is to be filled."""
    if shown.surrogate is None:
        return np.empty((0, 2)), np.empty(0)
    shares = (lattice(3, _STEPS) / _STEPS).tolist()
    heights = [shown.surrogate.predict(dict(zip(shown.experts, row, strict=True)))[reward][0] for row in shares]
    return np.array([_spot(row) for row in shares]), np.array(heights)


def _fill(axes: Any, grid: Array, heights: Array, *, limits: tuple[float, float], colours: str) -> None:
    """Fill the triangle with predicted values, and write round values along their contours."""
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import MaxNLocator

    low, high = limits
    levels = np.linspace(low, high, 33)
    filled = axes.tricontourf(
        grid[:, 0], grid[:, 1], heights, levels=levels, cmap=colours, vmin=low, vmax=high, zorder=1
    )
    filled.set_edgecolor("face")  # no pale seams where two of them meet
    filled.set_linewidth(0.4)
    between = [value for value in MaxNLocator(7).tick_values(low, high) if heights.min() < value < heights.max()]
    if between:
        halo = [withStroke(linewidth=2.2, foreground="white")]
        lines = axes.tricontour(
            grid[:, 0], grid[:, 1], heights, levels=between, colors=INK, linewidths=0.7, linestyles="solid", zorder=1.5
        )
        for text in axes.clabel(lines, fmt=digits, fontsize=7.5):
            text.set_path_effects(halo)


def _ticks(axes: Any, experts: Sequence[str]) -> None:
    """Mark each side in fifths, so that lambda of the expert that the side runs to can be read off."""
    for first, second, third in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        for part in (0.2, 0.4, 0.6, 0.8):
            shares = [0.0, 0.0, 0.0]
            shares[first], shares[second] = 1.0 - part, part
            other = [0.0, 0.0, 0.0]
            other[first], other[third] = 1.0 - part, part
            line = zip(_spot(shares), _spot(other), strict=True)
            axes.plot(*line, color=GREY, linewidth=0.5, alpha=0.45, zorder=1.8)
            x, y = _outwards(_spot(shares), 0.045)
            axes.text(x, y, f"{1.0 - part:g}", fontsize=7, color=GREY, ha="center", va="center")
        half = [0.0, 0.0, 0.0]
        half[first] = half[second] = 0.5
        x, y = _outwards(_spot(half), 0.1)
        turn = (0.0, -60.0, 60.0)[first]
        said = f"← λ of {short(experts[first])}" if first == 0 else f"λ of {short(experts[first])} →"
        axes.text(x, y, said, fontsize=8, color=GREY, ha="center", va="center", rotation=turn)


def _outwards(spot: tuple[float, float], far: float) -> tuple[float, float]:
    """Move a spot away from the middle of the triangle."""
    x, y = spot[0] - 0.5, spot[1] - math.sqrt(0.75) / 3
    away = math.hypot(x, y)
    return spot[0] + far * x / away, spot[1] + far * y / away


def _entries(shown: Triangle) -> list[Any]:
    from matplotlib.lines import Line2D

    look: dict[str, Any] = {"linestyle": "none", "markerfacecolor": "white", "markeredgecolor": INK}
    entries = []
    if any(max(shares) == 1.0 for shares, _ in shown.measured):
        entries.append(Line2D([], [], marker="s", markersize=8, label="expert, measured", **look))
    if any(max(shares) < 1.0 for shares, _ in shown.measured):
        entries.append(Line2D([], [], marker="o", markersize=7, label="soup, measured", **look))
    ring = Line2D([], [], linestyle="none", marker="o", markersize=12, label="best measured")
    ring.set(markerfacecolor="none", markeredgecolor=ORANGE, markeredgewidth=2)
    return [*entries, ring]


def _wrapped(text: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, 96)[:4])
