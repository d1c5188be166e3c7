"""Before anything else: every expert is better than the start on its own reward, by more than three standard errors."""

from __future__ import annotations

from rshub.fronts.differences import combine
from scripts.reproduction.album import Album
from scripts.reproduction.finding import BEFORE, Finding
from scripts.reproduction.judging import Effect, better, listed
from scripts.reproduction.study import Study

TIMES = 3.0


def find(study: Study, album: Album) -> list[Finding]:
    """Judge the experts of a task."""
    names = list(study.world.rewards)
    scores = study.scores([*(study.soup({name: 1.0}) for name in names), study.start()])
    effects = []
    for number, name in enumerate(names):
        gain, error = combine(scores, name, {number: 1.0, len(names): -1.0})
        reach = TIMES * (error if error is not None else float("inf"))
        effects.append(Effect(name=name, value=gain, low=gain - reach, high=gain + reach))
    return [
        Finding(
            figure=BEFORE,
            task=study.task,
            claim="Every expert is better than the start on the reward that it was trained for.",
            rule="Gain on held-out prompts, paired; the interval is three standard errors either way, and holds when "
            "it lies above zero for every expert. Where it does not, nothing else of this task means much.",
            unit="raw units of the reward",
            verdict=better(effects),
            effects=effects,
            summary=listed(effects),
            scores=[album.keep(f"{study.task}-experts", scores)],
        )
    ]
