"""Figure 11c: lambda outside 0 to 1, to take away on purpose what an expert for another reward has learned."""

from __future__ import annotations

from scripts.reproduction.album import Album
from scripts.reproduction.finding import Finding
from scripts.reproduction.judging import Effect, better, difference, listed
from scripts.reproduction.study import Study

STEPS = (0.25, 0.5)


def find(study: Study, album: Album) -> list[Finding]:
    """Judge whether a negative coefficient lowers the reward of its expert."""
    first, second = study.pair
    line = study.line(first, second, range(11))
    outside = {
        (towards, away): [study.soup({towards: 1.0 + step, away: -step}) for step in STEPS]
        for towards, away in ((first, second), (second, first))
    }
    before, after = outside[first, second], outside[second, first]
    points = [*line, *before, *after]
    scores = study.scores(points, study.pair)
    kept = album.keep(f"{study.task}-beyond", scores)
    title = f"{study.task}: lambda outside 0 to 1"
    lowered: list[Effect] = []
    own: list[Effect] = []
    for (towards, away), expert, place in (((first, second), 0, 11), ((second, first), 10, 13)):
        for number, step in enumerate(STEPS):
            for reward, sign, effects in ((away, -1.0, lowered), (towards, 1.0, own)):
                factors = {place + number: sign, expert: -sign}
                unit = study.distance(reward, line[0], line[-1])
                name = f"{reward} with the {away} expert at -{step:g}"
                effects.append(difference(scores, reward, factors, name=name, unit=unit, among=4))
    return [
        Finding(
            figure="11c",
            task=study.task,
            claim="A negative coefficient lowers the reward of its expert below where the other expert alone is.",
            rule="Fall of the reward whose expert has a coefficient of -0.25 or -0.5 (the other 1.25 or 1.5, their sum "
            "1), from where it is at the other expert alone; holds when all four are surely above zero, fails when one "
            "is surely below; 95 % for all four together.",
            unit="distance between the experts",
            verdict=better(lowered),
            effects=lowered,
            summary="falls: " + listed(lowered),
            details=[f"the other reward, gain over its own expert: {effect.name}: {effect}" for effect in own],
            pictures=[album.front(f"{study.task}-beyond", scores, title=title, amount=study.amount, logs={})],
            scores=[kept],
        )
    ]
