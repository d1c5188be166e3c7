"""Figure 11d: experts of which every weight was trained, not an adapter of low rank."""

from __future__ import annotations

from dataclasses import replace

from scripts.reproduction.album import Album
from scripts.reproduction.claims.fronts import connection, gain
from scripts.reproduction.experiments import whole
from scripts.reproduction.finding import Finding
from scripts.reproduction.judging import volumes
from scripts.reproduction.study import Study


def find(study: Study, album: Album) -> list[Finding]:
    """Judge soups of full-weight experts."""
    first, second = study.pair
    adapters = study.line(first, second, range(11))
    line = study.line(whole(first), whole(second), range(11))
    directions = study.directions(study.pair)
    scores = study.scores([*line, *adapters, study.start()], study.pair)
    kept = album.keep(f"{study.task}-weights", scores)
    picture = album.sets(
        f"{study.task}-weights",
        {"all weights trained": line, "adapters trained": adapters, "start": [study.start()]},
        scores,
        title=f"{study.task}: experts of which every weight was trained",
        amount=study.amount,
        loose=["start"],
    )
    what = "two experts of which every weight was trained"
    beside = volumes(directions, line, adapters, name="all weights minus adapters")
    aside = (
        f"beside soups of adapters, in the box around both: {beside}; the two were trained at different rates, so this "
        "compares no methods"
    )
    return [
        replace(connection(study, line, figure="11d", what=what), pictures=[picture], scores=[kept]),
        replace(gain(study, line, figure="11d", what=what), details=[aside], scores=[kept]),
    ]
