"""Figure 11b: two experts for each reward, of two seeds: soups across rewards, and soups within one reward."""

from __future__ import annotations

from scripts.reproduction.album import Album
from scripts.reproduction.experiments import second_seed
from scripts.reproduction.finding import Finding
from scripts.reproduction.judging import SLACK, alike, better, listed, volumes
from scripts.reproduction.study import Study

TENTHS = (0, 1, 3, 5, 7, 9, 10)
"""Where soups are measured on every line: sets that are compared hold as many points."""


def find(study: Study, album: Album) -> list[Finding]:
    """Judge what another seed changes."""
    first, second = study.pair
    pairs = {
        "seeds 0 and 0": (first, second),
        "seeds 1 and 1": (second_seed(first), second_seed(second)),
        "seeds 0 and 1": (first, second_seed(second)),
        "seeds 1 and 0": (second_seed(first), second),
    }
    across = {name: study.line(*pair, TENTHS) for name, pair in pairs.items()}
    within = {f"two seeds of {reward}": study.line(reward, second_seed(reward), TENTHS) for reward in study.pair}
    directions = study.directions(study.pair)
    original = across["seeds 0 and 0"]
    wider = [
        volumes(directions, original, points, name=f"soups of two rewards minus {name}").gap
        for name, points in within.items()
    ]
    others = [
        volumes(directions, points, original, name=f"{name} minus seeds 0 and 0").gap
        for name, points in across.items()
        if points is not original
    ]
    sets = across | within
    scores = study.scores([point for points in sets.values() for point in points], study.pair)
    kept = album.keep(f"{study.task}-seeds", scores)
    title = f"{study.task}: two seeds for each reward"
    return [
        Finding(
            figure="11b",
            task=study.task,
            claim="Soups of two experts for one reward, of two seeds, give no spectrum: they cover less than soups of "
            "experts for two rewards.",
            rule=f"Difference of hypervolumes at {len(TENTHS)} points each, in the box around both sets; holds when "
            "both are surely above zero, fails when one is surely below. Each interval is of 95 % for itself.",
            unit="share of the box",
            verdict=better(wider),
            effects=wider,
            summary=listed(wider),
            pictures=[album.sets(f"{study.task}-seeds", sets, scores, title=title, amount=study.amount)],
            scores=[kept],
        ),
        Finding(
            figure="11b",
            task=study.task,
            claim="Another seed of an expert gives much the same front.",
            rule=f"Hypervolume of each of three other pairings of seeds (of {first} and of {second}) minus that of the "
            f"first, at {len(TENTHS)} points each; holds when all are within {SLACK:g} of zero, fails when "
            "one surely is not. Each interval is of 95 % for itself.",
            unit="share of the box",
            verdict=alike(others),
            effects=others,
            summary=listed(others),
            scores=[kept],
        ),
    ]
