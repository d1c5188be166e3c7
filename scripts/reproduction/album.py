"""The pictures of the results page, and the scores that each was drawn from: one file each, named in its caption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rshub.fronts.pictures.curve import plot_curves
from rshub.fronts.pictures.front import plot_front
from rshub.fronts.pictures.spider import plot_spider
from rshub.fronts.pictures.style import SERIES, better, headline, legend_below, panel, sheet, short
from rshub.preferences.scores import Point, Scores
from rshub.tensors.writer import write_whole
from scripts.reproduction.finding import Picture
from scripts.reproduction.judging import Effect

PICTURES, SCORES = "pictures", "scores"
_EACH = 5
"""Steps of training whose mean is one spot of a trajectory: single steps are too noisy to be seen as a way."""


class Album:
    """The folder of results.

    Args:
        out: Where pictures and scores go, each below a folder of its own.
    """

    def __init__(self, out: Path) -> None:
        self._out = out

    def keep(self, name: str, scores: Scores) -> str:
        """Write measured points down, for ``rshub front --scores``; give the file's name."""
        file = f"{SCORES}/{name}.json"
        write_whole(self._out / file, scores.to_bytes())
        return file

    def front(
        self, name: str, scores: Scores, *, title: str, amount: str, logs: Mapping[str, list[dict[str, Any]]]
    ) -> Picture:
        """Draw one front with the ways of training."""
        x, y = list(scores.rewards)[:2]
        trails = {run: trail(log, (x, y)) for run, log in logs.items()}
        file = self._file(name)
        notes = plot_front(scores, self._out / file, x=x, y=y, title=title, trajectories=trails)
        caption = (
            f"Across: mean {x}; up: mean {y} ({_ways(scores, (x, y))}). {amount}. Crosses are one standard error over "
            f"prompts; numbers beside soups are lambda of the expert for {x}. Dashed: the segment between the experts; "
            "a soup above it may still be, in one reward, below their mean at its own lambda."
        )
        if trails:
            caption += f" Dotted: the means of the training batches, {_EACH} steps to a spot, on training prompts."
        return Picture(file=file, title=title, caption=" ".join([caption, *notes]))

    def sets(
        self,
        name: str,
        sets: Mapping[str, Sequence[Point]],
        scores: Scores,
        *,
        title: str,
        amount: str,
        loose: Sequence[str] = (),
    ) -> Picture:
        """Draw several sets of points in one picture, each joined in its order; ``loose`` ones are not joined."""
        x, y = list(scores.rewards)[:2]
        file = self._file(name)
        with sheet(self._out / file, doing="drawing fronts") as figure:
            axes = figure.add_subplot()
            panel(axes)
            for (label, points), (colour, stroke, marker) in zip(sets.items(), SERIES, strict=False):
                spots = [(point.rewards[x].mean, point.rewards[y].mean) for point in points]
                axes.plot(
                    *zip(*spots, strict=True),
                    color=colour,
                    linestyle="none" if label in loose else stroke,
                    linewidth=1.4,
                    marker=marker,
                    markersize=9 if label in loose else 6,
                    markeredgecolor="white",
                    alpha=0.9,
                    label=label,
                )
                errors = [(point.rewards[x].stderr or 0.0, point.rewards[y].stderr or 0.0) for point in points]
                wide, high = zip(*errors, strict=True)
                axes.errorbar(
                    *zip(*spots, strict=True),
                    xerr=wide, yerr=high, fmt="none", ecolor=colour, elinewidth=0.8, alpha=0.3,
                )  # fmt: skip
            axes.set_xlabel(f"{short(x)}  ({better(scores.rewards[x])})", labelpad=7)
            axes.set_ylabel(f"{short(y)}  ({better(scores.rewards[y])})", labelpad=7)
            if scores.rewards[x] == "min":
                axes.invert_xaxis()
            if scores.rewards[y] == "min":
                axes.invert_yaxis()
            headline(axes, title)
            legend_below(figure, axes.get_legend_handles_labels()[0])
        return Picture(
            file=file,
            title=title,
            caption=f"Across: mean {x}; up: mean {y} ({_ways(scores, (x, y))}). {amount}. Crosses are one standard "
            "error over prompts.",
        )

    def curves(self, name: str, scores: Scores, *, title: str, amount: str) -> Picture:
        """Draw every reward and metric against lambda, a panel for each."""
        file = self._file(name)
        plot_curves(scores, self._out / file, title=title)
        caption = (
            "Across: lambda of the expert that is named there; up: the mean of one reward or metric each, upwards "
            f"better (a length: longer, no more). {amount}. Band: 95 % over prompts; dashed: the line between "
            "the experts."
        )
        return Picture(file=file, title=title, caption=caption)

    def spider(self, name: str, scores: Scores, *, title: str, amount: str) -> Picture:
        """Draw all rewards at once, a spoke for each."""
        file = self._file(name)
        plot_spider(scores, self._out / file, title=title)
        caption = (
            f"A spoke for each of {len(scores.rewards)} rewards, outwards is better; ring 0 is the worst model shown, "
            f"ring 1 the best. {amount}. Areas mean nothing."
        )
        return Picture(file=file, title=title, caption=caption)

    def series(
        self,
        name: str,
        series: Mapping[str, Sequence[Effect]],
        at: Sequence[float],
        *,
        title: str,
        axes: tuple[str, str],
        amount: str,
    ) -> Picture:
        """Draw several series of effects with their intervals."""
        file = self._file(name)
        with sheet(self._out / file, doing="drawing choices") as figure:
            plot = figure.add_subplot()
            panel(plot)
            plot.axhline(0.0, color=SERIES[7][0], linewidth=0.9)
            for number, (label, effects) in enumerate(series.items()):
                colour, stroke, marker = SERIES[number]
                apart = (number - (len(series) - 1) / 2) * 0.012
                low = [effect.value - effect.low for effect in effects]
                high = [effect.high - effect.value for effect in effects]
                plot.errorbar(
                    [place + apart for place in at],
                    [effect.value for effect in effects],
                    yerr=[low, high],
                    color=colour,
                    linestyle=stroke,
                    marker=marker,
                    markersize=6,
                    markeredgecolor="white",
                    elinewidth=0.9,
                    capsize=2,
                    label=label,
                )
            plot.set_xlabel(axes[0], labelpad=7)
            plot.set_ylabel(axes[1], labelpad=7)
            headline(plot, title)
            legend_below(figure, plot.get_legend_handles_labels()[0])
        caption = f"Across: {axes[0]}; up: {axes[1]}, with 95 % intervals (larger is better). {amount}."
        return Picture(file=file, title=title, caption=caption)

    def _file(self, name: str) -> str:
        (self._out / PICTURES).mkdir(parents=True, exist_ok=True)
        return f"{PICTURES}/{name}.png"


def trail(log: Sequence[Mapping[str, Any]], rewards: Sequence[str]) -> list[dict[str, float]]:
    """Give the way of a training run: the means of every few steps, of what is left at the end too."""
    steps = [[line["rewards"][name] for name in rewards] for line in log]
    parts = [steps[start : start + _EACH] for start in range(0, len(steps), _EACH)]
    return [
        {name: sum(row[column] for row in part) / len(part) for column, name in enumerate(rewards)} for part in parts
    ]


def _ways(scores: Scores, names: Sequence[str]) -> str:
    ways = {better(scores.rewards[name]) for name in names}
    return ways.pop() if len(ways) == 1 else ", ".join(f"{name}: {better(scores.rewards[name])}" for name in names)
