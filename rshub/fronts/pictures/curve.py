"""Every reward against lambda, between two experts: where souping gains, and what it does to rewards nobody trained on.

One panel for each reward, because rewards have units of their own; upwards is better in all of them, so the axis of a
min reward is turned round. The dashed chord between the experts is what the first hypothesis holds the soups against.
The band is 95 % confidence in the mean, where errors are known. Nothing is smoothed: soups are joined by straight lines
in the order of lambda, those of one lambda by their mean.

Refused: scores whose soups do not lie between two experts, and more rewards than a page holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rshub.errors import InvalidInput
from rshub.fronts.differences import TWO_SIDED
from rshub.fronts.pictures.style import (
    BLUE,
    DASHES,
    DOTS,
    GREY,
    INK,
    ORANGE,
    Target,
    better,
    headline_of,
    legend_below,
    panel,
    sheet,
    short,
)
from rshub.fronts.pictures.view import known_rewards, leader_of, pair_of, share_of
from rshub.preferences.scores import SOUPS, RewardScore, Scores

MOST_PANELS = 30
_COLUMNS = {1: 1, 2: 2, 4: 2}
_MOST_MARKED = 40
_LONGEST, _LEAST = 30, 12  # letters of a name above a panel

Measured = tuple[float, float, float | None]
"""lambda, the mean, and its standard error."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One reward along lambda: soups and experts in order, ensembles, and the levels of start and chord.

    ``trained`` says whether one of the two experts is named for the reward; None where experts have other names.
    """

    reward: str
    direction: str
    soups: tuple[Measured, ...]
    ensembles: tuple[Measured, ...]
    chord: tuple[float, float] | None
    start: float | None
    trained: bool | None


def curves(scores: Scores, rewards: Sequence[str] | None = None) -> tuple[str, tuple[Curve, ...]]:
    """Work out what the picture holds.

    Returns:
        The expert whose lambda runs across, and the curves of the rewards that were measured at some soup.

    Raises:
        InvalidInput: A reward was not measured, or the soups do not lie between two experts.
    """
    names = known_rewards(scores, rewards)
    pair = pair_of(scores.points)
    if len(pair) != 2:
        raise InvalidInput(
            "lambda runs between two experts, and these soups are not all mixed from the same two",
            where="points",
            remedy="draw a spider map or a ternary map, or measure soups of two experts",
        )
    leader = leader_of(scores, pair, names[0])
    found = [_curve(scores, name, leader, pair) for name in names]
    drawn = tuple(curve for curve in found if curve.soups or curve.ensembles)
    if not drawn:
        raise InvalidInput(
            "no soup of two experts was measured in these rewards", where="points", remedy="choose other rewards"
        )
    if len(drawn) > MOST_PANELS:
        raise InvalidInput(
            f"{len(drawn)} rewards are more than the {MOST_PANELS} that a page holds",
            where="rewards",
            remedy="name some of them",
        )
    return leader, drawn


def plot_curves(
    scores: Scores, path: Target, *, title: str | None = None, rewards: Sequence[str] | None = None
) -> list[str]:
    """Draw every reward against lambda.

    Args:
        scores: What was measured.
        path: The file to write, whose suffix says how; or an open buffer for SVG.
        title: The line above the picture.
        rewards: Which rewards, in this order; all of them unless named.

    Returns:
        What a reader of the picture should know.

    Raises:
        InvalidInput: The suffix or a reward is unknown, or the soups do not lie between two experts.
        MissingExtra: matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    leader, drawn = curves(scores, rewards)
    columns = _COLUMNS.get(len(drawn), 3)
    rows = math.ceil(len(drawn) / columns)
    with sheet(path, doing="drawing rewards against lambda", size=(1.0 + 3.0 * columns, 1.4 + 2.25 * rows)) as figure:
        grid = figure.subplots(rows, columns, sharex=True, squeeze=False)
        shown = []
        for number, axes in enumerate(grid.flat):
            if number >= len(drawn):
                axes.set_visible(False)
                continue
            curve = drawn[number]
            shown.append((axes, _draw(axes, curve), curve.reward, _how(curve)))
            if number + columns >= len(drawn):
                shown.append((axes, axes.set_xlabel(f"λ of {short(leader)}"), leader, ("λ of ", "")))
                axes.xaxis.set_tick_params(labelbottom=True)
        _headline(figure, title, leader)
        legend_below(figure, _entries(drawn))
        _fit(figure, shown)
    left_out = len(known_rewards(scores, rewards)) - len(drawn)
    return [f"picture: {left_out} rewards were measured at no soup and are not drawn"] if left_out else []


def _curve(scores: Scores, reward: str, leader: str, pair: Sequence[str]) -> Curve:
    rows: dict[str, list[Measured]] = {"soup": [], "ensemble": []}
    starts = []
    for point in scores.points:
        score = point.rewards.get(reward)
        if score is None:
            continue
        if point.kind == "init":
            starts.append(score.mean)
            continue
        share = share_of(point, leader, kinds=(*SOUPS, "ensemble"))
        if share is not None:
            rows["ensemble" if point.kind == "ensemble" else "soup"].append((share, score.mean, error_of(score)))
    soups = _by_share(rows["soup"])
    ends = {share: mean for share, mean, _ in soups if share in {0.0, 1.0}}
    return Curve(
        reward=reward,
        direction=scores.rewards[reward],
        soups=soups,
        ensembles=_by_share(rows["ensemble"]),
        chord=(ends[0.0], ends[1.0]) if len(ends) == 2 else None,
        start=math.fsum(starts) / len(starts) if starts else None,
        trained=reward in pair if any(name in scores.rewards for name in pair) else None,
    )


def error_of(score: RewardScore) -> float | None:
    """Give the standard error of a mean: the one that is stated, or that of the values of its prompts."""
    if score.stderr is not None:
        return score.stderr
    known = [value for value in score.samples or () if value is not None]
    if len(known) < 2:
        return None
    middle = math.fsum(known) / len(known)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in known) / (len(known) - 1) / len(known))


def _by_share(rows: Sequence[Measured]) -> tuple[Measured, ...]:
    """Order by lambda; several measurements at one lambda become their mean, with independent errors."""
    grouped: dict[float, list[Measured]] = {}
    for row in rows:
        grouped.setdefault(row[0], []).append(row)
    found = []
    for share, same in sorted(grouped.items()):
        errors = [error for _, _, error in same if error is not None]
        error = math.hypot(*errors) / len(same) if len(errors) == len(same) else None
        found.append((share, math.fsum(mean for _, mean, _ in same) / len(same), error))
    return tuple(found)


def _draw(axes: Any, curve: Curve) -> Any:
    """Draw a curve, and give the title of its panel."""
    panel(axes)
    if curve.start is not None:
        axes.axhline(curve.start, color=GREY, linewidth=1.1, linestyle=DOTS, zorder=2)
    if curve.chord is not None:
        axes.plot((0.0, 1.0), curve.chord, color=GREY, linewidth=1.1, linestyle=DASHES, zorder=2.2)
    if curve.soups:
        shares, means, _ = zip(*curve.soups, strict=True)
        few = len(shares) <= _MOST_MARKED
        axes.plot(shares, means, color=BLUE, linewidth=1.5, marker="o" if few else None, markersize=4.2, zorder=4)
        _band(axes, curve.soups)
        for share, mean, _ in curve.soups:
            if share in {0.0, 1.0}:
                axes.plot(share, mean, color=INK, marker="s", markersize=6, markeredgecolor="white", zorder=5)
    if curve.ensembles:
        shares, means, _ = zip(*curve.ensembles, strict=True)
        axes.plot(
            shares, means, linestyle="none", marker="D", markersize=5, color="white", markeredgecolor=ORANGE, zorder=4.5
        )
    ends = [share for share, _, _ in (*curve.soups, *curve.ensembles)]
    axes.set_xlim(min(0.0, *ends) - 0.04, max(1.0, *ends) + 0.04)
    axes.margins(y=0.12)
    axes.locator_params(axis="y", nbins=5)
    weight = "normal" if curve.trained is False else "bold"
    title = axes.set_title(_named(curve.reward, _how(curve), _LONGEST), loc="left", fontsize=9.5, fontweight=weight)
    axes.set_ylabel(better(curve.direction), fontsize=8, color=GREY)
    if curve.direction == "min":
        axes.invert_yaxis()
    return title


def _how(curve: Curve) -> tuple[str, str]:
    """Say what stands before and after the name in a title."""
    return "", {True: " (trained on)", False: " (not trained on)", None: ""}[curve.trained]


def _named(name: str, around: tuple[str, str], longest: int) -> str:
    before, after = around
    return before + short(name, max(_LEAST, longest - len(after) // 2)) + after


def _headline(figure: Any, title: str | None, leader: str) -> None:
    """Write the title that was given, or one with as much of the leader's name as the width holds."""
    if title is not None:
        headline_of(figure, title)
        return
    for longest in range(_LONGEST, _LEAST - 1, -1):
        headline_of(figure, f"Rewards against λ of {short(leader, longest)}")
        if figure.texts[0].get_window_extent().width <= 0.97 * figure.bbox.width:
            return


def _fit(figure: Any, shown: Sequence[tuple[Any, Any, str, tuple[str, str]]]) -> None:
    """Cut names in titles and labels to the width of their panel: letters differ in width, and a layout counts none."""
    figure.draw_without_rendering()
    for axes, text, name, around in shown:
        width = axes.get_window_extent().width
        longest = _LONGEST
        while text.get_window_extent().width > width and longest > _LEAST:
            longest -= 1
            text.set_text(_named(name, around, longest))


def _band(axes: Any, rows: Sequence[Measured]) -> None:
    """Tint what the errors leave open; points without a neighbour that has an error get a bar."""
    low = [mean - TWO_SIDED * error if error is not None else math.nan for _, mean, error in rows]
    high = [mean + TWO_SIDED * error if error is not None else math.nan for _, mean, error in rows]
    shares = [share for share, _, _ in rows]
    axes.fill_between(shares, low, high, color=BLUE, alpha=0.16, linewidth=0, zorder=1.5)
    axes.vlines(shares, low, high, color=BLUE, linewidth=0.9, alpha=0.55, zorder=3)


def _entries(drawn: Sequence[Curve]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    def line(label: str, **how: Any) -> Any:
        return Line2D([], [], label=label, **how)

    def has(what: Mapping[str, bool]) -> list[Any]:
        return [entries[name] for name, there in what.items() if there]

    entries = {
        "expert": line("expert", linestyle="none", color=INK, marker="s", markersize=7),
        "soup": line("soup", color=BLUE, linewidth=1.5, marker="o", markersize=5),
        "ensemble": line(
            "ensemble of predictions", linestyle="none", marker="D", markersize=5, color="white", markeredgecolor=ORANGE
        ),
        "chord": line("line between experts", color=GREY, linewidth=1.1, linestyle=DASHES),
        "start": line("init", color=GREY, linewidth=1.1, linestyle=DOTS),
        "band": Patch(label="95 % confidence", color=BLUE, alpha=0.16, linewidth=0),
    }
    return has(
        {
            "expert": any(share in {0.0, 1.0} for curve in drawn for share, _, _ in curve.soups),
            "soup": any(curve.soups for curve in drawn),
            "ensemble": any(curve.ensembles for curve in drawn),
            "chord": any(curve.chord is not None for curve in drawn),
            "start": any(curve.start is not None for curve in drawn),
            "band": any(error is not None for curve in drawn for _, _, error in curve.soups),
        }
    )
