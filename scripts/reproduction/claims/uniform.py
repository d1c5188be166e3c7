"""Figure 2f: one soup of four experts in equal parts, seen in all four rewards at once."""

from __future__ import annotations

from collections.abc import Sequence

from rshub.fronts.connectivity import margins
from rshub.preferences.scores import Point
from scripts.reproduction.album import Album
from scripts.reproduction.blend import WANTED, blended
from scripts.reproduction.experiments import UNIFORM
from scripts.reproduction.finding import Finding
from scripts.reproduction.judging import SLACK, better, difference, listed, never_below, no_worse
from scripts.reproduction.study import Study

UNIT = "distance from the worst expert to the reward's own"


def find(study: Study, album: Album) -> list[Finding]:
    """Judge the uniform soup against the start, the experts' mean, and a model trained on all rewards at once."""
    names = list(study.world.rewards)
    count = len(names)
    experts = [study.soup({name: 1.0}) for name in names]
    soup, start, morl = study.soup(dict.fromkeys(names, 1.0 / count)), study.start(), study.trained(UNIFORM)
    scores = study.scores([*experts, soup, start, morl])
    kept = album.keep(f"{study.task}-uniform", scores)
    title = f"{study.task}: {count} experts and their uniform soup"
    picture = album.spider(f"{study.task}-uniform", scores, title=title, amount=study.amount)
    units = {name: _reach(name, experts) for name in names}
    over_start = [
        difference(scores, name, {count: 1.0, count + 1: -1.0}, name=name, unit=units[name], among=count)
        for name in names
    ]
    over_mean = [
        difference(scores, name, margins(scores, name)[0][0].factors, name=name, unit=units[name], among=count)
        for name in names
    ]
    shares = {name: 1.0 / (count * units[name]) for name in names}
    sums = blended([soup, morl], shares, study.directions())
    over_morl = difference(sums, WANTED, {0: 1.0, 1: -1.0}, name="mean over the rewards")
    together = f"95 % for all {count} together"
    return [
        Finding(
            figure="2f",
            task=study.task,
            claim=f"The soup of all {count} experts in equal parts is better than the start in every reward.",
            rule=f"Its gain over the start in each reward, {together}; holds when all are above zero, fails when one "
            "is surely below.",
            unit=UNIT,
            verdict=better(over_start),
            effects=over_start,
            summary=listed(over_start),
            pictures=[picture],
            scores=[kept],
        ),
        Finding(
            figure="2f",
            task=study.task,
            claim="That soup is, in every reward, no worse than the experts are on average.",
            rule=f"Its margin over the mean of the {count} experts, {together}; fails when one is surely below zero, "
            f"holds when none can be below -{SLACK:g}.",
            unit=UNIT,
            verdict=never_below(over_mean),
            effects=over_mean,
            summary=listed(over_mean),
            scores=[kept],
        ),
        Finding(
            figure="2f",
            task=study.task,
            claim="That soup serves the equal mixture as well as a model trained on it.",
            rule=f"Mean over the rewards of its gain over that model; holds when it cannot be below -{SLACK:g}, fails "
            "when it surely is.",
            unit=UNIT,
            verdict=no_worse([over_morl]),
            effects=[over_morl],
            summary=listed([over_morl]),
            scores=[kept],
        ),
    ]


def _reach(reward: str, experts: Sequence[Point]) -> float:
    values = [point.rewards[reward].mean for point in experts]
    return max(max(values) - min(values), 1e-9)
