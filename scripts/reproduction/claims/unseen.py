"""Figures 4b and 10: every reward and metric along lambda, those that nobody trained on among them."""

from __future__ import annotations

from rshub.preferences.scores import Point, Scores
from rshub.rewards.spec import Reward
from scripts.reproduction.album import Album
from scripts.reproduction.blend import folds
from scripts.reproduction.finding import Finding
from scripts.reproduction.judging import Effect, difference, listed, some_better
from scripts.reproduction.study import Study

FIGURES = {"news": "4b, 10"}


def find(study: Study, album: Album) -> list[Finding]:
    """Judge whether a metric without an expert is best at a soup."""
    extras = list(study.world.extras)
    if not extras:
        return []
    line = study.line(*study.pair, range(11))
    scores = study.scores(line, [*study.pair, *extras])
    kept = album.keep(f"{study.task}-metrics", scores)
    picture = album.curves(
        f"{study.task}-metrics", scores, title=f"{study.task}: all metrics along lambda", amount=study.amount
    )
    effects, chosen = [], []
    good = [metric for metric in extras if not _is_size(study.world.extras[metric])]
    for metric in good:
        direction = scores.rewards[metric]
        best, numbers = folds(line[1:-1], metric, direction)
        effects.append(_gain(scores, metric, best, among=len(good)))
        where = " and ".join(f"{(number + 1) / 10:g}" for number in sorted(set(numbers)))
        chosen.append(f"{metric}: best soup at lambda {where} of {study.pair[1]}, chosen on each half of the prompts")
    return [
        Finding(
            figure=FIGURES.get(study.task, "10"),
            task=study.task,
            claim="A metric that no expert was trained for can be better at a soup than at both experts.",
            rule="For each such metric (lengths aside, of which more is not better) the best of the nine soups, chosen "
            "on half the prompts and judged on the other half, minus the better expert, in units of the metric's range "
            f"along lambda. Holds when one is surely above zero, fails when none can be; 95 % for all {len(good)}.",
            unit="the metric's range along lambda",
            verdict=some_better(effects),
            effects=effects,
            summary=listed(effects),
            details=chosen,
            pictures=[picture],
            scores=[kept],
        )
    ]


def _is_size(reward: Reward) -> bool:
    return all(term.startswith("metric:length") for term in reward.terms)


def _gain(scores: Scores, metric: str, best: Point, *, among: int) -> Effect:
    values = scores.oriented()[:, list(scores.rewards).index(metric)]
    expert = 0 if values[0] >= values[-1] else len(values) - 1
    unit = max(float(values.max() - values.min()), 1e-9)
    every = Scores(rewards={metric: scores.rewards[metric]}, points=(*scores.points, best))
    return difference(every, metric, {len(values): 1.0, expert: -1.0}, name=metric, unit=unit, among=among)
