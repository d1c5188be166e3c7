"""What is known of the experts that were chosen: payoffs, stored evaluations and training mixtures, by their rewards.

Pure: manifests, scores and shared measurements were read by somebody else. What a manifest says in another form than it
should is not known. Of what others measured only that counts which is about these very experts, by the digests of their
files, and about these very rewards, by the digests of their specs; a score file that is given takes its place. Numbers
that were not measured alike never meet: which of several measurements counts goes by whose they are, the owners of the
experts before everybody else, and only then by how much they measured.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rshub.experts.measurements import Measurement, Shared
from rshub.preferences.mapping import Known
from rshub.preferences.payoff import Claim, Payoff
from rshub.preferences.preference import INIT
from rshub.preferences.scores import LARGEST, SOUPS, Direction, Point, RewardScore, Scores
from rshub.soups.choose import Candidate
from rshub.types import Digest

ODD = 6.0
"""Two people's numbers for one thing that are further apart than so many standard errors are pointed out."""
_NEVER = 9
"""Beyond every tier of trust."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What the mappings may stand on, where it comes from, and what a reader should know of it.

    ``used`` are the shared measurements of which a number counts.
    """

    known: Known
    used: tuple[Measurement, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One expert, or one soup, as somebody measured it on one reward; ``tier`` is how far they are trusted, 0 most."""

    reward: str
    direction: Direction
    score: RewardScore
    protocol: tuple[str, str, str]
    point: Point
    source: Measurement
    tier: int

    @property
    def what(self) -> tuple[Any, ...]:
        """Name what was measured, however and by whomever."""
        return self.reward, self.point.kind, tuple(sorted((self.point.coefficients or {}).items()))


def what_is_known(
    chosen: Mapping[str, Candidate],
    serves: Mapping[str, str],
    measured: Scores | None,
    shared: Shared | None = None,
    contents: Mapping[str, Digest] | None = None,
    *,
    wanted: Collection[str] | None = None,
    mapping: str | None = None,
) -> Learned:
    """Gather what the mappings may stand on.

    Args:
        chosen: The experts by the labels of the preference.
        serves: The name under which each label is known, its reward where that is clear.
        measured: A scores file; it takes the place of what the experts publish of themselves.
        shared: What others measured on the base, in the order of trust; owners of chosen experts come before these.
        contents: The identity of each chosen expert by label, for ``shared``.
        wanted: The rewards that the preference names; those that the experts serve if absent.
        mapping: The mapping that will be used, so that only what it stands on is named; any if absent.

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
    shared = shared or Shared()
    owners = {candidate.place.partition("/")[0] for candidate in chosen.values() if candidate.commit is not None}

    def tier(source: Measurement) -> int:
        return 0 if source.measured_by in owners else 1 if source.measured_by in shared.trusted else 2

    rows = [row for each in sorted(shared.measurements, key=tier) for row in about.rows(each, tier(each))]
    kept, warnings = _first_of_each(rows)
    asked = set(experts if wanted is None else wanted)
    found = _payoff(chosen, serves, kept, about)
    soups = _alike(kept, experts, asked)
    vertices = [row for row in kept if row.point.vertex and found and found.protocols.get(row.reward) == row.protocol]
    standing = {"payoff": vertices, "surrogate": soups}.get(mapping or "", [*vertices, *soups])
    used = [row for row in standing if row.reward in asked]
    aside = [f"{each.place} is not used: {each.message}" for each in shared.set_aside]
    return Learned(
        known=Known(payoff=found, evaluations=_evaluations(soups), mixtures=mixtures, experts=experts),
        used=tuple({row.source.place: row.source for row in used}.values()),
        warnings=(*warnings, *_measured_otherwise(used, kept), *aside),
    )


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

    def rows(self, source: Measurement, tier: int) -> Iterator[_Row]:
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
                        reward=name,
                        direction=direction,
                        score=score,
                        protocol=protocol,
                        point=renamed,
                        source=source,
                        tier=tier,
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
        kept = first.setdefault((row.what, row.protocol), row)
        if _far_apart(kept, row):
            warnings.setdefault((kept.source.repo_id, row.source.repo_id), _both(kept, row))
    return list(first.values()), list(warnings.values())


def _measured_otherwise(used: Sequence[_Row], rows: Sequence[_Row]) -> list[str]:
    """Say where somebody measured the same models on other prompts or with other settings, and found quite another."""
    counts = {row.what: row for row in reversed(used)}
    warnings: dict[tuple[str, str], str] = {}
    for row in rows:
        kept = counts.get(row.what)
        if kept is not None and kept.protocol != row.protocol and _far_apart(kept, row):
            said = f"{_both(kept, row)}; they measured on other prompts or with other settings, and the first counts"
            warnings.setdefault((kept.source.repo_id, row.source.repo_id), said)
    return list(warnings.values())


def _far_apart(one: _Row, other: _Row) -> bool:
    """Say whether two people's numbers are further apart than chance puts them."""
    spread = math.hypot(one.score.stderr or 0.0, other.score.stderr or 0.0)
    apart = abs(one.score.mean - other.score.mean)
    return one.source.repo_id != other.source.repo_id and apart > max(ODD * spread, 1e-6 * abs(one.score.mean))


def _both(one: _Row, other: _Row) -> str:
    return (
        f"{one.source.measured_by} and {other.source.measured_by} disagree on {one.reward}: "
        f"{one.score.mean:.4g} in {one.source.place}, {other.score.mean:.4g} in {other.source.place}"
    )


def _payoff(
    chosen: Mapping[str, Candidate], serves: Mapping[str, str], rows: Sequence[_Row], about: _About
) -> Payoff | None:
    """Take the payoff matrix from what the experts publish of themselves and from what others measured."""
    claims = [
        Claim(
            expert=serves[label],
            reward=score.reward,
            value=score.value,
            protocol=("published", str(score.split), str(score.prompts_digest)),
        )
        for label, candidate in chosen.items()
        if candidate.manifest
        for score in sorted(candidate.manifest.scores, key=lambda score: -(score.n or 0))
    ]
    directions = dict(about.directions)
    for row in rows:
        if row.point.vertex is not None:
            directions.setdefault(row.reward, row.direction)
            expert, value = row.point.vertex, row.score.mean
            claims.append(Claim(expert=expert, reward=row.reward, value=value, protocol=row.protocol, tier=row.tier))
    experts = {serves[label] for label in chosen}
    return Payoff.from_claims(claims, experts=experts, directions=directions) if claims else None


def _alike(rows: Sequence[_Row], experts: Collection[str], wanted: Collection[str]) -> list[_Row]:
    """Take the rows that were measured alike, on the same prompts and with one spec for each reward.

    Of what is enough for a surrogate it is what the most trusted measured; then, or where nothing is enough, it is
    what has the most rows, and at last who comes first.
    """
    ways: dict[tuple[str, str], dict[str, dict[str, list[_Row]]]] = {}
    for row in rows:
        rewards = ways.setdefault(row.protocol[:2], {})
        rewards.setdefault(row.reward, {}).setdefault(row.protocol[2], []).append(row)

    def worth(columns: Sequence[list[_Row]]) -> tuple[int, int]:
        named = [column for column in columns if column[0].reward in wanted]
        reached = max((_enough(column, experts) for column in named), default=_NEVER)
        enough = reached if {column[0].reward for column in named} >= set(wanted) else _NEVER
        return enough, -sum(map(len, columns))

    chosen = [
        [min(specs.values(), key=lambda column: (_enough(column, experts), -len(column))) for specs in way.values()]
        for way in ways.values()
    ]
    best = min(chosen, key=worth, default=[])
    kept = {id(row) for column in best for row in column}
    return [row for row in rows if id(row) in kept]


def _enough(column: Sequence[_Row], experts: Collection[str]) -> int:
    """Say down to which tier one has to trust until a reward is known of every expert and of enough soups of them."""
    need = len(experts) * (len(experts) - 1) // 2 + 1
    for tier in sorted({row.tier for row in column}):
        trusted = [row for row in column if row.tier <= tier]
        alone = {row.point.vertex for row in trusted}
        soups = [row for row in trusted if row.point.vertex is None and row.point.kind in SOUPS]
        if alone >= set(experts) and len(soups) >= need:
            return tier
    return _NEVER


def _evaluations(rows: Sequence[_Row]) -> Scores | None:
    """Put what was measured alike together, point by point."""
    points: dict[tuple[Any, ...], Point] = {}
    directions: dict[str, Direction] = {}
    for row in rows:
        point = points.setdefault(row.what[1:], replace(row.point, rewards={}))
        points[row.what[1:]] = replace(point, rewards={**point.rewards, row.reward: row.score})
        directions.setdefault(row.reward, row.direction)
    return Scores(rewards=directions, points=tuple(points.values())) if points else None


def shares_of(training: Mapping[str, Any]) -> Mapping[str, float]:
    """Read the shares of the rewards; a number that no float can hold, or that is none, makes them unknown."""
    said = training.get("mixture")
    if not isinstance(said, Mapping) or not all(
        isinstance(share, (int, float)) and not isinstance(share, bool) and abs(share) <= LARGEST
        for share in said.values()
    ):
        return {}
    return {str(name): float(share) for name, share in said.items()}
