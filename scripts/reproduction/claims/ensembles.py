"""Figure 4c and Lemma 4: one model of mixed weights beside the mixed predictions of both experts."""

from __future__ import annotations

from rshub.fronts.ensembles import ensemble_gaps
from scripts.reproduction.album import Album
from scripts.reproduction.experiments import between
from scripts.reproduction.finding import Finding
from scripts.reproduction.judging import SLACK, alike, difference, volumes
from scripts.reproduction.study import Study

TENTHS = (1, 3, 5, 7, 9)


def find(study: Study, album: Album) -> list[Finding]:
    """Judge whether mixing weights does what mixing predictions does."""
    first, second = study.pair
    line = study.line(first, second, range(11))
    ensembles = [study.ensemble(between(first, second, tenths)) for tenths in TENTHS]
    scores = study.scores([*line, *ensembles], study.pair)
    kept = album.keep(f"{study.task}-ensembles", scores)
    among = len(TENTHS) * 2
    effects = [
        difference(
            scores,
            reward,
            {11 + number: 1.0, tenths: -1.0},
            name=f"{reward} at lambda {tenths / 10:g} of {second}",
            unit=study.distance(reward, line[0], line[-1]),
            among=among,
        )
        for reward in study.pair
        for number, tenths in enumerate(TENTHS)
    ]
    largest = ensemble_gaps(scores)["rewards"]
    sets = volumes(
        study.directions(study.pair),
        [line[0], *(line[tenths] for tenths in TENTHS), line[10]],
        [line[0], *ensembles, line[10]],
        name="soups minus ensembles",
    )
    as_sets = (
        f"as sets of {len(TENTHS) + 2} points, experts included: hypervolume of the soups {sets.first:.3f}, of the "
        f"ensembles {sets.second:.3f}; gap {sets.gap}"
    )
    title = f"{study.task}: mixing weights and mixing predictions"
    return [
        Finding(
            figure="4c",
            task=study.task,
            claim="A soup does what the ensemble does that averages the experts' probabilities at every token, at the "
            "cost of one model.",
            rule=f"Ensemble minus soup at {len(TENTHS)} lambdas in both rewards, in units of the distance between the "
            f"experts: holds when all are within {SLACK:g} of zero, fails when one surely is not; 95 % for all {among} "
            "together. Positive: the ensemble is better.",
            unit="distance between the experts",
            verdict=alike(effects),
            effects=effects,
            summary="; ".join(
                f"{reward}: largest gap {row['gap']:+.3f} (standard error {row['stderr']:.3f}, raw units)"
                for reward, row in largest.items()
            )
            + f"; {as_sets}",
            pictures=[album.front(f"{study.task}-ensembles", scores, title=title, amount=study.amount, logs={})],
            scores=[kept],
        )
    ]
