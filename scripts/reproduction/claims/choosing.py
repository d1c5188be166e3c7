"""Figure 4a: lambda for a preference: lambda = mu, lambda chosen on half the prompts, or a model of its own."""

from __future__ import annotations

from collections.abc import Sequence

from rshub.preferences.scores import Scores
from scripts.reproduction.album import Album
from scripts.reproduction.blend import WANTED, blended, folds
from scripts.reproduction.experiments import mixed
from scripts.reproduction.finding import Finding
from scripts.reproduction.judging import SLACK, Effect, difference, no_worse
from scripts.reproduction.study import Study

BY_MU, BY_FOLDS, BY_TRAINING = "lambda = mu", "lambda chosen on half the prompts", "MORL, trained for mu"


def find(study: Study, album: Album) -> list[Finding]:
    """Judge the two ways to choose lambda against one another and against models trained for each preference."""
    first, second = study.pair
    line = study.line(first, second, range(11))
    reach = {reward: study.distance(reward, line[0], line[-1]) for reward in study.pair}
    among = len(study.sizes.morl)
    over_mu, over_morl, chosen = [], [], []
    series: dict[str, list[Effect]] = {BY_MU: [], BY_FOLDS: [], BY_TRAINING: []}
    for tenths in study.sizes.morl:
        mu = tenths / 10
        shares = {first: 1.0 - mu, second: mu}
        unit = sum(share * reach[reward] for reward, share in shares.items())
        points = [*line, study.trained(mixed(second, tenths))]
        sums = blended(points, shares, study.directions(study.pair))
        best, numbers = folds(sums.points[:11], WANTED, "max")
        every = Scores(rewards=sums.rewards, points=(*sums.points, best))
        by = {BY_MU: tenths, BY_FOLDS: 12, BY_TRAINING: 11}
        for name, number in by.items():
            over_line = {number: 1.0, 0: -(1.0 - mu), 10: -mu}
            series[name].append(_effect(every, over_line, f"mu {mu:g}", unit))
        name = f"mu {mu:g}"
        over_mu.append(difference(every, WANTED, {12: 1.0, tenths: -1.0}, name=name, unit=unit, among=among))
        over_morl.append(difference(every, WANTED, {12: 1.0, 11: -1.0}, name=name, unit=unit, among=among))
        even, odd = (number / 10 for number in numbers)
        chosen.append(f"mu {mu:g}: lambda of {second} {even:g} for even prompts, {odd:g} for odd ones")
    picture = album.series(
        f"{study.task}-choosing",
        series,
        [tenths / 10 for tenths in study.sizes.morl],
        title=f"{study.task}: ways to choose lambda",
        axes=(
            f"mu, what is wanted of {second} (the rest: {first})",
            "(1-mu) R1 + mu R2, over the line between the experts",
        ),
        amount=f"{study.amount}; in units of the distance between the experts",
    )
    trained = [study.trained(mixed(second, tenths)) for tenths in study.sizes.morl]
    kept = [album.keep(f"{study.task}-choosing", study.scores([*line, *trained], study.pair))]
    rule = (
        "For each mu, the sum (1-mu) R1 + mu R2 in the rewards' raw units, which the trained models maximise; lambda "
        f"of {second} is one of 11 tenths. Holds when no difference can be below -{SLACK:g}, fails when one surely is; "
        f"95 % for all {among} mu together."
    )
    unit_said = "distance between the experts, weighted by mu"
    return [
        Finding(
            figure="4a",
            task=study.task,
            claim="Choosing lambda on half the prompts serves the other half at least as well as taking lambda = mu.",
            rule=rule,
            unit=unit_said,
            verdict=no_worse(over_mu),
            effects=over_mu,
            summary=_worst(over_mu),
            details=chosen,
            pictures=[picture],
            scores=kept,
        ),
        Finding(
            figure="4a",
            task=study.task,
            claim="A soup, lambda chosen on half the prompts, serves a preference as well as a model trained for it.",
            rule=rule,
            unit=unit_said,
            verdict=no_worse(over_morl),
            effects=over_morl,
            summary=_worst(over_morl),
            scores=kept,
        ),
    ]


def _effect(scores: Scores, factors: dict[int, float], name: str, unit: float) -> Effect:
    counted = {number: factor for number, factor in factors.items() if factor}
    return difference(scores, WANTED, counted, name=name, unit=unit)


def _worst(effects: Sequence[Effect]) -> str:
    worst = min(effects, key=lambda effect: effect.value)
    best = max(effects, key=lambda effect: effect.value)
    return f"worst at {worst.name}: {worst}; best at {best.name}: {best}"
