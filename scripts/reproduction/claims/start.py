"""Figure 11a: other lines to walk on: from the start to each expert, and by way of a model trained on both rewards."""

from __future__ import annotations

from scripts.reproduction.album import Album
from scripts.reproduction.experiments import mixed
from scripts.reproduction.finding import Finding
from scripts.reproduction.judging import better, volumes
from scripts.reproduction.study import Study

SHARES = (2, 4, 6, 8)
HALF = 5


def find(study: Study, album: Album) -> list[Finding]:
    """Judge interpolation with the start, and a mixture model as a third ingredient."""
    first, second = study.pair
    middle = mixed(second, HALF)
    soups = study.line(first, second, range(11))
    to_start = [[study.soup({name: part / 10}) for part in SHARES] for name in study.pair]
    with_start = [soups[0], *reversed(to_start[0]), study.start(), *to_start[1], soups[10]]
    by_middle = [
        soups[0],
        *study.line(first, middle, SHARES),
        study.soup({middle: 1.0}),
        *study.line(middle, second, SHARES),
        soups[10],
    ]
    directions = study.directions(study.pair)
    over_start = volumes(directions, soups, with_start, name="soups minus WiSE")
    over_soups = volumes(directions, by_middle, soups, name="with the mixture model minus without")
    scores = study.scores([*soups, *with_start, *by_middle], study.pair)
    kept = album.keep(f"{study.task}-start", scores)
    picture = album.sets(
        f"{study.task}-start",
        {
            "soups of two experts": soups,
            "each expert with the start (WiSE)": with_start,
            f"by way of {middle}": by_middle,
        },
        scores,
        title=f"{study.task}: three ways between two experts",
        amount=study.amount,
    )
    rule = (
        "Difference of hypervolumes at 11 points each, in the box around all of them; holds when it is surely above "
        "zero, fails when it is surely below."
    )
    return [
        Finding(
            figure="11a",
            task=study.task,
            claim="Soups of two experts cover more than each expert interpolated with the start (WiSE).",
            rule=rule,
            unit="share of the box",
            verdict=better([over_start.gap]),
            effects=[over_start.gap],
            summary=str(over_start),
            pictures=[picture],
            scores=[kept],
        ),
        Finding(
            figure="11a",
            task=study.task,
            claim="A model trained on the half-and-half mixture, as a third ingredient, improves the front.",
            rule=rule,
            unit="share of the box",
            verdict=better([over_soups.gap]),
            effects=[over_soups.gap],
            summary=str(over_soups),
            scores=[kept],
        ),
    ]
