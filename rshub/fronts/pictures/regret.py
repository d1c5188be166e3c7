"""Regret against the number of evaluations: how much is lost by each way of choosing lambda. Lower is better.

The scale is logarithmic where every mean is above zero. The band is one standard error, where it is known.

Refused: a table without a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rshub.errors import InvalidInput
from rshub.fronts.pictures.style import INK, SERIES, Target, headline, legend_below, panel, sheet, short

Cell = float | tuple[float, float | None] | Mapping[str, float | None]
"""A mean, or the mean with its standard error: as a pair, or by name."""

MOST_SELECTORS = len(SERIES)


def plot_regret(
    table: Mapping[str, Mapping[int, Cell]],
    path: Target,
    *,
    title: str | None = None,
    unit: str = "share of the attainable range",
) -> list[str]:
    """Draw how the regret of each selector falls with the number of evaluations.

    Args:
        table: Selector to number of evaluations to mean regret, with its standard error where it is known.
        path: The file to write, whose suffix says how; or an open buffer for SVG.
        title: The line above the picture.
        unit: What regret is measured in.

    Returns:
        What a reader of the picture should know: selectors that it leaves out.

    Raises:
        InvalidInput: The suffix is unknown, or the table holds no number.
        MissingExtra: matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    rows = {name: _row(cells) for name, cells in table.items()}
    notes = [f"picture: {name} has no regret to draw" for name, row in rows.items() if not row]
    rows = {name: row for name, row in rows.items() if row}
    if not rows:
        raise InvalidInput("the table holds no regret", where="table", remedy="give selector to M to mean and stderr")
    if len(rows) > MOST_SELECTORS:
        notes.append(f"picture: shows {MOST_SELECTORS} of {len(rows)} selectors")
        rows = dict(list(rows.items())[:MOST_SELECTORS])
    logarithmic = all(mean > 0.0 for row in rows.values() for _, mean, _ in row)
    with sheet(path, doing="drawing regret") as figure:
        axes = figure.add_subplot()
        panel(axes)
        entries = [
            _draw(axes, name, row, number, logarithmic=logarithmic) for number, (name, row) in enumerate(rows.items())
        ]
        if logarithmic:
            _logarithmic(axes)
        budgets = sorted({count for row in rows.values() for count, _, _ in row})
        if len(budgets) <= 12:
            axes.set_xticks(budgets)
        axes.set_xlabel("evaluations, M", labelpad=7)
        scale = ", logarithmic" if logarithmic else ""
        axes.set_ylabel(f"mean regret, {unit}\n(lower is better{scale})", labelpad=7)
        headline(axes, title if title is not None else "Regret against the number of evaluations")
        legend_below(figure, entries)
    return notes


def _row(cells: Mapping[int, Cell]) -> list[tuple[int, float, float | None]]:
    """Read the cells of one selector in the order of M, without those that hold no number."""
    found = []
    for count, cell in cells.items():
        if isinstance(cell, Mapping):
            mean, error = cell.get("mean"), cell.get("stderr")
        elif isinstance(cell, Sequence):
            mean, error = cell
        else:
            mean, error = cell, None
        if mean is not None and math.isfinite(mean):
            found.append((int(count), float(mean), error if error is not None and math.isfinite(error) else None))
    return sorted(found, key=lambda row: row[0])


def _draw(
    axes: Any, name: str, row: Sequence[tuple[int, float, float | None]], number: int, *, logarithmic: bool
) -> Any:
    from matplotlib.lines import Line2D

    colour, stroke, marker = SERIES[number]
    look = {"color": colour, "linestyle": stroke, "marker": marker, "linewidth": 1.6, "markersize": 6}
    counts = [count for count, _, _ in row]
    means = [mean for _, mean, _ in row]
    axes.plot(counts, means, markeredgecolor="white", markeredgewidth=0.7, zorder=4, **look)
    errors = [error or 0.0 for _, _, error in row]
    if any(errors):
        least = min(means) / 10.0 if logarithmic else -math.inf
        low = [max(mean - error, least) for mean, error in zip(means, errors, strict=True)]
        high = [mean + error for mean, error in zip(means, errors, strict=True)]
        axes.fill_between(counts, low, high, color=colour, alpha=0.12, linewidth=0, zorder=2)
    return Line2D([], [], label=short(name), **look)


def _logarithmic(axes: Any) -> None:
    """Number the ticks of a logarithmic axis as plain decimals."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.label.set_color(INK)
