"""Figures 1b and 2a to 2e: the soups of two experts, the line between these, and models trained on mixtures.

The soups are to lie on or above the line (linear mode connectivity, Hypothesis 1), and their front is to cover about as
much as that of models which were each trained for one mixture (Hypothesis 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rshub.fronts.connectivity import margins
from rshub.fronts.front import front, lines
from rshub.preferences.scores import Point
from scripts.reproduction.album import Album
from scripts.reproduction.blend import WANTED, blended
from scripts.reproduction.experiments import mixed
from scripts.reproduction.finding import Finding
from scripts.reproduction.judging import (
    OPEN,
    SLACK,
    Effect,
    better,
    difference,
    listed,
    never_below,
    no_worse,
    volumes,
)
from scripts.reproduction.study import Study

CHECKS = (
    "What rshub front --checks says of all 11 soups and experts and of the MORL points alone, by rules of its own: no "
    "slack, one-sided, each reward for itself; points are counted from 0. A verdict there may differ from that above."
)
FIGURES = {"news": "1b, 2a", "reddit": "2b", "stack": "2c", "review": "2d", "assistant": "2e"}


def find(study: Study, album: Album) -> list[Finding]:
    """Judge the front of a task's first two rewards."""
    first, second = study.pair
    line = study.line(first, second, range(11))
    trained = [study.trained(mixed(second, tenths)) for tenths in study.sizes.morl]
    scores = study.scores([*line, study.start(), *trained], study.pair)
    kept = album.keep(f"{study.task}-front", scores)
    logs = {name: study.log(name) for name in study.pair}
    picture = album.front(
        f"{study.task}-front", scores, title=f"{study.task}: soups of two experts", amount=study.amount, logs=logs
    )
    said = [CHECKS, *lines(front(scores=scores, checks=True))]
    figure = FIGURES.get(study.task, "2")
    what = "two experts"
    return [
        replace(connection(study, line, figure=figure, what=what), pictures=[picture], scores=[kept]),
        replace(gain(study, line, figure=figure, what=what), scores=[kept]),
        replace(_covered(study, line, trained, figure=figure), details=said, scores=[kept]),
    ]


def connection(study: Study, line: Sequence[Point], *, figure: str, what: str) -> Finding:
    """Judge whether soups on a line lie on or above it in both rewards."""
    scores = study.scores(line, study.pair)
    found = {reward: margins(scores, reward)[0] for reward in study.pair}
    among = sum(map(len, found.values()))
    worst: list[Effect] = []
    every: list[Effect] = []
    for reward, rows in found.items():
        unit = study.distance(reward, line[0], line[-1])
        effects = [difference(scores, reward, row.factors, name=reward, unit=unit, among=among) for row in rows]
        every += effects
        worst.append(min(effects, key=lambda effect: effect.value))
    above = sum(effect.value >= 0.0 for effect in every)
    return Finding(
        figure=figure,
        task=study.task,
        claim=f"No soup of {what} is worse, in either reward, than the mean of the two at the same lambda.",
        rule=f"Margin of each of {len(line) - 2} soups over the mean of the experts that lambda weights, in both "
        f"rewards, in units of the distance between the experts in that reward. Fails when one margin is surely below "
        f"zero, holds when none can be below -{SLACK:g}; 95 % for all {among} together. Shown: the worst of each "
        "reward.",
        unit="distance between the experts",
        verdict=never_below(every),
        effects=worst,
        summary=f"{above} of {among} margins at or above zero; worst {listed(worst)}",
    )


def gain(study: Study, line: Sequence[Point], *, figure: str, what: str) -> Finding:
    """Judge whether soups are better, on average, than taking turns between the two ends of their line."""
    count = len(line) - 1
    shares = {reward: 0.5 / study.distance(reward, line[0], line[-1]) for reward in study.pair}
    scores = blended(line, shares, study.directions(study.pair))
    factors = dict.fromkeys(range(1, count), 1.0 / (count - 1)) | {0: -0.5, count: -0.5}
    effect = difference(scores, WANTED, factors, name="mean margin over the line")
    return Finding(
        figure=figure,
        task=study.task,
        claim=f"Soups of {what} are better, on average, than taking turns between the two.",
        rule=f"Mean over {count - 1} soups and both rewards of the margin over the mean of the experts that lambda "
        "weights; holds when it is surely above zero, fails when it is surely below.",
        unit="distance between the experts",
        verdict=better([effect]),
        effects=[effect],
        summary=f"{effect}; an ideal pair, each expert at the peak of its reward, has {(count + 1) / (6 * count):.3f}",
    )


def _covered(study: Study, line: Sequence[Point], trained: Sequence[Point], *, figure: str) -> Finding:
    """Judge the soups against models trained on mixtures, at equal numbers of points."""
    ours = [line[0], *(line[tenths] for tenths in study.sizes.morl), line[10]]
    theirs = [line[0], *trained, line[10]]
    found = volumes(study.directions(study.pair), ours, theirs, name="soups minus MORL")
    verdict = no_worse([found.gap])
    surely_less = verdict == OPEN and found.gap.high < 0.0
    shares = ", ".join(f"0.{tenths}" for tenths in study.sizes.morl)
    return Finding(
        figure=figure,
        task=study.task,
        claim="The soups' front covers as much as that of models trained on mixtures, one model for each.",
        rule=f"Hypervolume of the soups at lambda {shares} of {study.pair[1]} minus that of the models trained with "
        f"these shares of it, the two experts belonging to both: {len(ours)} points against {len(theirs)}, in the box "
        f"around all of them. Holds when it cannot be below -{SLACK:g}, fails when it surely is.",
        unit="share of the box",
        verdict=verdict,
        effects=[found.gap],
        summary=f"{found}{'; less for sure, how much is not' if surely_less else ''}",
    )
