"""What is known of the experts that were chosen: payoffs, stored evaluations and training mixtures, by their rewards.

Pure: manifests, scores and shared measurements were read by somebody else. What a manifest says in another form than it
should is not known. Of what others measured only that counts which is about these very experts, by the digests of their
files, and about these very rewards, by the digests of their specs; a score file that is given takes its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rshub.experts.measurements import Measurement, Shared
from rshub.preferences.mapping import Known
from rshub.preferences.payoff import Payoff
from rshub.preferences.preference import INIT
from rshub.preferences.scores import LARGEST, SOUPS, Direction, Point, RewardScore, Scores
from rshub.soups.choose import Candidate
from rshub.types import Digest

ODD = 6.0
"""Two people's numbers for one thing that are further apart than so many standard errors are pointed out."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What the mappings may stand on, where it comes from, and what a reader should know of it.

    ``used`` are the shared measurements that say something of the chosen experts.
    """

    known: Known
    used: tuple[Measurement, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One expert, or one soup, as somebody measured it on one reward."""

    reward: str
    direction: Direction
    score: RewardScore
    protocol: tuple[str, str, str]
    point: Point
    source: Measurement


def what_is_known(
    chosen: Mapping[str, Candidate],
    serves: Mapping[str, str],
    measured: Scores | None,
    shared: Shared | None = None,
    contents: Mapping[str, Digest] | None = None,
) -> Learned:
    """Gather what the mappings may stand on.

    Args:
        chosen: The experts by the labels of the preference.
        serves: The name under which each label is known, its reward where that is clear.
        measured: A scores file; it takes the place of what the experts publish of themselves.
        shared: What others measured on the base, in the order of trust; owners of chosen experts come before these.
        contents: The identity of each chosen expert by label, for ``shared``.

    Raises:
        InvalidInput: Two experts in the scores serve one reward.
    """
    mixtures = {serves[label]: shares_of(c.manifest.training) for label, c in chosen.items() if c.manifest}
    experts = tuple(serves[label] for label in chosen)
    if measured is not None:
        names = {candidate.place: serves[label] for label, candidate in chosen.items()} | dict(serves)
        payoff = Payoff.from_scores(measured, serves=names)
        evaluations = measured.renamed(names)
        mixtures |= {point.vertex: point.mixture for point in evaluations.points if point.vertex and point.mixture}
        return Learned(known=Known(payoff=payoff, evaluations=evaluations, mixtures=mixtures, experts=experts))
    about = _About.of(chosen, serves, contents or {})
    owners = {candidate.place.partition("/")[0] for candidate in chosen.values() if candidate.commit is not None}
    trusted = sorted(shared.measurements if shared else (), key=lambda each: each.measured_by not in owners)
    rows = [row for each in trusted for row in about.rows(each)]
    kept, warnings = _first_of_each(rows)
    known = Known(
        payoff=_payoff(chosen, serves, kept, about), evaluations=_evaluations(kept), mixtures=mixtures, experts=experts
    )
    sources = {row.source.place: row.source for row in kept}
    aside = [f"{each.place} is not used: {each.message}" for each in (shared.set_aside if shared else ())]
    return Learned(known=known, used=tuple(sources.values()), warnings=(*warnings, *aside))


@dataclass(frozen=True, kw_only=True)
class _About:
    """What a measurement must be about: the chosen experts by content, and the rewards that they serve by spec."""

    experts: Mapping[Digest, str]
    rewards: Mapping[Digest, str]
    specs: Mapping[str, Digest | None]
    directions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, chosen: Mapping[str, Candidate], serves: Mapping[str, str], contents: Mapping[str, Digest]) -> _About:
        claims = {c.manifest.reward.name: c.manifest.reward for c in chosen.values() if c.manifest}
        return cls(
            experts={content: serves[label] for label, content in contents.items()},
            rewards={claim.spec_digest: name for name, claim in claims.items() if claim.spec_digest},
            specs={name: claim.spec_digest for name, claim in claims.items()},
            directions={name: claim.direction for name, claim in claims.items()},
        )

    def rows(self, source: Measurement) -> Iterator[_Row]:
        """Give what a file says of these experts and rewards, under their names."""
        names = {label: self.experts[content] for label, content in source.experts.items() if content in self.experts}
        for point in source.scores.points:
            if point.kind not in {*SOUPS, "init"}:
                continue
            counted = {name: value for name, value in (point.coefficients or {}).items() if value != 0.0}
            if any(name not in names and name != INIT for name in counted):
                continue
            called = [names.get(name, name) for name in counted]
            if len(set(called)) < len(called):
                continue
            renamed = replace(point, coefficients=dict(zip(called, counted.values(), strict=True)))
            for said, score in point.rewards.items():
                name = self._name(said, source)
                if name is not None:
                    protocol = (source.prompts, source.generation, source.rewards[said])
                    direction = source.scores.rewards[said]
                    yield _Row(
                        reward=name, direction=direction, score=score, protocol=protocol, point=renamed, source=source
                    )

    def _name(self, said: str, source: Measurement) -> str | None:
        """Give the name that a reward has here; None for another one of the same name, or turned round."""
        spec = source.rewards[said]
        name = self.rewards.get(spec, said)
        other = self.specs.get(name) not in {None, spec}
        turned = self.directions.get(name, source.scores.rewards[said]) != source.scores.rewards[said]
        return None if other or turned else name


def _first_of_each(rows: Sequence[_Row]) -> tuple[list[_Row], list[str]]:
    """Keep of each thing that was measured the first number, and say where a later one is quite another."""
    first: dict[tuple[Any, ...], _Row] = {}
    warnings: dict[tuple[str, str], str] = {}
    for row in rows:
        mixed = tuple(sorted((row.point.coefficients or {}).items()))
        kept = first.setdefault((row.reward, row.protocol, row.point.kind, mixed), row)
        spread = math.hypot(kept.score.stderr or 0.0, row.score.stderr or 0.0)
        apart = abs(kept.score.mean - row.score.mean)
        if kept.source.repo_id != row.source.repo_id and apart > max(ODD * spread, 1e-6 * abs(kept.score.mean)):
            warnings.setdefault(
                (kept.source.repo_id, row.source.repo_id),
                f"{kept.source.measured_by} and {row.source.measured_by} disagree on {row.reward}: "
                f"{kept.score.mean:.4g} in {kept.source.place}, {row.score.mean:.4g} in {row.source.place}",
            )
    return list(first.values()), list(warnings.values())


def _payoff(
    chosen: Mapping[str, Candidate], serves: Mapping[str, str], rows: Sequence[_Row], about: _About
) -> Payoff | None:
    """Take the payoff matrix from what the experts publish of themselves and from what others measured."""
    published: dict[str, list[Mapping[str, Any]]] = {
        serves[label]: [{**score.unknown, **vars(score)} for score in c.manifest.scores]
        for label, c in chosen.items()
        if c.manifest and c.manifest.scores
    }
    directions = dict(about.directions)
    for row in rows:
        if row.point.vertex is not None:
            directions.setdefault(row.reward, row.direction)
            prompts, generation, spec = row.protocol
            cell = {"reward": row.reward, "value": row.score.mean, "n": row.score.n, "prompts_digest": prompts}
            published.setdefault(row.point.vertex, []).append(cell | {"split": f"{generation} {spec}"})
    return Payoff.from_published(published, directions=directions) if published else None


def _evaluations(rows: Sequence[_Row]) -> Scores | None:
    """Put the points together that were measured alike: of each reward by the protocol with the most points."""
    protocols: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
    for row in rows:
        specs = protocols.setdefault(row.protocol[:2], {}).setdefault(row.reward, {})
        specs[row.protocol[2]] = specs.get(row.protocol[2], 0) + 1
    if not protocols:
        return None
    how = min(protocols, key=lambda each: (-sum(sum(specs.values()) for specs in protocols[each].values()), each))
    chosen = {name: min(specs, key=lambda spec: (-specs[spec], spec)) for name, specs in protocols[how].items()}
    points: dict[tuple[Any, ...], Point] = {}
    directions: dict[str, Direction] = {}
    for row in rows:
        if row.protocol == (*how, chosen.get(row.reward)):
            key = (row.point.kind, tuple(sorted((row.point.coefficients or {}).items())))
            point = points.setdefault(key, replace(row.point, rewards={}))
            points[key] = replace(point, rewards={**point.rewards, row.reward: row.score})
            directions.setdefault(row.reward, row.direction)
    return Scores(rewards=directions, points=tuple(points.values()))


def shares_of(training: Mapping[str, Any]) -> Mapping[str, float]:
    """Read the shares of the rewards; a number that no float can hold, or that is none, makes them unknown."""
    said = training.get("mixture")
    if not isinstance(said, Mapping) or not all(
        isinstance(share, (int, float)) and not isinstance(share, bool) and abs(share) <= LARGEST
        for share in said.values()
    ):
        return {}
    return {str(name): float(share) for name, share in said.items()}
