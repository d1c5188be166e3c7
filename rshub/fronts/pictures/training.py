"""The picture of a training run: every logged reward and the divergence against the step, one panel for each.

Panels share the steps and nothing else, because rewards have units of their own. Rewards that were trained on stand
first, on a blue line; those that were only watched have an orange dashed one. What was not logged at a step leaves a
gap. The line is what the log says, unsmoothed: the mean of one batch is noisy.

Refused: a log without a number to draw.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rshub.errors import InvalidInput
from rshub.fronts.pictures.style import BLUE, DASHES, GREEN, GREY, INK, ORANGE, Target, headline_of, panel, sheet, short

_OTHERS = {"kl": "KL from the start, nats per token", "loss": "loss, nats per token"}
_COLUMNS = 3
_MOST_MARKED = 40


@dataclass(frozen=True, kw_only=True)
class _Curve:
    title: str
    role: str
    values: tuple[float, ...]
    colour: str
    stroke: Any
    marker: str
    weight: str = "normal"


def plot_training(
    lines: Sequence[Mapping[str, Any]], path: Target, *, trained: Collection[str] = (), title: str | None = None
) -> None:
    """Draw the log of a training run.

    Args:
        lines: The log: step, and rewards (name to mean), kl or loss as far as they were logged.
        path: The file to write, whose suffix says how; or an open buffer for SVG.
        trained: The rewards that were trained on; the others were watched.
        title: The line above the picture.

    Raises:
        InvalidInput: The suffix is unknown, or the log holds no number to draw.
        MissingExtra: matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    curves = _curves(lines, trained)
    if not curves:
        raise InvalidInput(
            "the log holds no reward, KL or loss", where="lines", remedy="give the log of a training run"
        )
    steps = [float(line.get("step", number)) for number, line in enumerate(lines)]
    columns = min(len(curves), 2 if len(curves) == 4 else _COLUMNS)
    rows = math.ceil(len(curves) / columns)
    size = (min(9.6, 0.9 + 3.1 * columns) if columns > 1 else 5.6, 0.6 + 2.3 * rows)
    with sheet(path, doing="drawing a training run", size=size) as figure:
        grid = figure.subplots(rows, columns, sharex=True, squeeze=False)
        for number, axes in enumerate(grid.flat):
            if number >= len(curves):
                axes.set_visible(False)
                continue
            _draw(axes, steps, curves[number])
            if number + columns >= len(curves):
                axes.set_xlabel("step")
                axes.xaxis.set_tick_params(labelbottom=True)
        if title is not None:
            headline_of(figure, title)


def _curves(lines: Sequence[Mapping[str, Any]], trained: Collection[str]) -> list[_Curve]:
    """Take the columns that hold a number: trained rewards, watched ones, then KL and loss."""
    logged = list(dict.fromkeys(name for line in lines for name in line.get("rewards") or {}))
    found = []
    for name in sorted(logged, key=lambda name: name not in trained):
        values = tuple(_number((line.get("rewards") or {}).get(name)) for line in lines)
        learned = name in trained
        found.append(
            _Curve(
                title=short(name),
                role="trained on" if learned else "watched" if trained else "",
                values=values,
                colour=BLUE if learned or not trained else ORANGE,
                stroke="-" if learned or not trained else DASHES,
                marker="o" if learned or not trained else "s",
                weight="bold" if learned else "normal",
            )
        )
    for name, said in _OTHERS.items():
        values = tuple(_number(line.get(name)) for line in lines)
        colour, stroke, marker = (GREY, "-", "D") if name == "kl" else (GREEN, "-", "^")
        found.append(_Curve(title=said, role="", values=values, colour=colour, stroke=stroke, marker=marker))
    return [curve for curve in found if any(map(math.isfinite, curve.values))]


def _draw(axes: Any, steps: Sequence[float], curve: _Curve) -> None:
    panel(axes)
    known = sum(map(math.isfinite, curve.values))
    axes.plot(
        steps,
        curve.values,
        color=curve.colour,
        linestyle=curve.stroke,
        linewidth=1.6,
        marker=curve.marker if known <= _MOST_MARKED else None,
        markersize=4,
        markeredgecolor="white",
        markeredgewidth=0.6,
    )
    axes.margins(x=0.03, y=0.12)
    axes.locator_params(axis="both", nbins=5)
    axes.set_title(curve.title, loc="left", fontsize=9.5, fontweight=curve.weight, color=INK)
    axes.set_ylabel(curve.role, fontsize=8, color=GREY)


def _number(value: Any) -> float:
    """Give a logged number, nan for what is none."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
