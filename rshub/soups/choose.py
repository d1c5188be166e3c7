"""Which experts serve a preference: a joint choice within one lineage, with a reason for everything left out.

Pure: what is on the hub was fetched by somebody else. The same candidates give the same choice, in whatever order they
come.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rshub.errors import Incompatible
from rshub.experts.compatibility import Reason, in_short, lineage, rejects
from rshub.experts.local_start import LocalStart
from rshub.experts.manifest import ExpertManifest, InitClaim, Score
from rshub.experts.versions import Version


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An expert that might serve a term.

    ``manifest`` is None for a plain adapter; its lineage is unknown, but where its own training says where it began.
    """

    reward: str | None
    place: str
    commit: str | None
    version: Version | None = None
    manifest: ExpertManifest | None = None
    start: LocalStart | None = None
    reasons: tuple[Reason, ...] = ()

    @property
    def init(self) -> InitClaim | None:
        """Where its training began; None when that is unknown."""
        return self.manifest.init if self.manifest else self.start.claim if self.start else None

    @property
    def lineage(self) -> str | None:
        """The start it shares with those it may be mixed with; None when it is unknown."""
        base = self.manifest.base.repo_id if self.manifest else self.start.base if self.start else None
        return lineage(self.init, base) if self.init else None

    def because(self, code: str, message: str) -> Candidate:
        """Give the candidate with one more reason against it."""
        return replace(self, reasons=(*self.reasons, Reason(code=code, message=message)))

    def to_json(self) -> dict[str, Any]:
        """Give place and reasons, as in a list of rejections."""
        return {
            "reward": self.reward,
            "repo": self.place,
            "commit": self.commit,
            "tag": self.version.tag if self.version else None,
            "reasons": [reason.to_json() for reason in self.reasons],
        }


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Who was chosen for each reward, and who was not and why."""

    chosen: Mapping[str, Candidate]
    rejected: tuple[Candidate, ...]


def choose(offers: Mapping[str, Sequence[Candidate]], named: Sequence[Candidate] = ()) -> Choice:
    """Choose one expert for each reward, all of one lineage.

    Args:
        offers: Reward -> the candidates found for it, with the reasons against each.
        named: Experts that the preference names in full; they are taken, and decide the lineage.

    Raises:
        Incompatible: A reward has no candidate left, no lineage covers all rewards, a named expert does not fit, or
            two different specs go by one name. The verdicts hold every candidate with its reasons.
    """
    everyone = [candidate for row in offers.values() for candidate in row]
    for candidate in named:
        if rejects(candidate.reasons):
            why = next(reason.message for reason in candidate.reasons if reason.level == "reject")
            raise _refusal(f"{candidate.place} does not fit: {why}", named, "choose another expert, or its own base")
    wanted = sorted({candidate.lineage for candidate in named if candidate.lineage is not None})
    if len(wanted) > 1:
        named = [candidate.because("lineage", f"its lineage is {in_short(candidate.lineage)}") for candidate in named]
        starts = " and ".join(in_short(each) for each in wanted)
        raise _refusal(f"the named experts do not share one start: {starts}", named, "mix experts of one lineage")

    open_to = {reward: [c for c in row if not rejects(c.reasons)] for reward, row in offers.items()}
    for reward, row in open_to.items():
        if not row:
            first = next((c.reasons[0].message for c in offers[reward] if c.reasons), "nothing was found")
            raise _refusal(
                f"no expert for {reward!r} fits this base: {first}",
                everyone,
                "rshub ls shows what there is; the base of the experts may be another one",
            )
        _one_spec(reward, row)
    ranked = {reward: _ranked(row) for reward, row in open_to.items()}
    best = _best_lineage(ranked, wanted, everyone)
    chosen = {reward: next(c for c in row if c.lineage == best) for reward, row in ranked.items()}
    return Choice(chosen=chosen, rejected=tuple(_left_out(offers, chosen, best)))


def _one_spec(reward: str, row: Sequence[Candidate]) -> None:
    newest = {c.place: c for c in sorted(row, key=_released)}
    specs = {
        (c.manifest.reward.spec_digest, c.manifest.reward.direction): (
            f"{c.place} ({c.manifest.reward.spec}, {c.manifest.reward.direction})"
        )
        for _, c in sorted(newest.items(), reverse=True)
        if c.manifest and c.manifest.reward.spec_digest
    }
    if len(specs) > 1:
        listed = " and ".join(sorted(specs.values()))
        raise _refusal(
            f"{reward!r} means different rewards on this base: {listed}",
            [c.because("spec", f"scores {reward!r} by another spec than its neighbour") for c in row],
            "name the expert that you mean in full: owner/name=...",
        )


def _ranked(row: Sequence[Candidate]) -> list[Candidate]:
    """Sort best first: highest release, then own score where those of that release were measured alike, then name."""
    by_name = sorted(row, key=lambda c: (c.place, c.commit or ""))
    ranked: list[Candidate] = []
    for _, tied in itertools.groupby(sorted(by_name, key=_released, reverse=True), key=_released):
        ranked += _by_own_score(list(tied))
    return ranked


def _by_own_score(tied: list[Candidate]) -> list[Candidate]:
    """Sort by own score, best first, if every one was measured on the same prompts; else leave the order."""
    scores = [candidate.manifest.own_score if candidate.manifest else None for candidate in tied]
    protocols = {(score.prompts_digest, score.split) if score and score.prompts_digest else None for score in scores}
    if len(protocols) != 1 or None in protocols:
        return tied

    def worth(pair: tuple[Candidate, Score | None]) -> float:
        candidate, score = pair
        assert score is not None
        assert candidate.manifest is not None
        return score.value if candidate.manifest.reward.direction == "max" else -score.value

    return [candidate for candidate, _ in sorted(zip(tied, scores, strict=True), key=worth, reverse=True)]


def _released(candidate: Candidate) -> tuple[Any, ...]:
    """Give the key to sort by release; what was never released comes first."""
    return candidate.version.order if candidate.version else ((-1, 0, 0), False, ())


def _best_lineage(
    ranked: Mapping[str, Sequence[Candidate]], wanted: Sequence[str], everyone: Sequence[Candidate]
) -> str | None:
    if not ranked:
        return wanted[0] if wanted else None
    covering = set.intersection(*({c.lineage or "" for c in row} for row in ranked.values()))
    if wanted:
        covering &= set(wanted)
    if not covering:
        listed = [c.because("lineage", f"its lineage is {in_short(c.lineage)}") for c in everyone]
        raise _refusal(
            "no lineage covers all rewards: these experts do not share one start",
            listed,
            "mix experts that continue from the same start",
        )

    def places(name: str) -> tuple[int, list[int], str]:
        at = [next(i for i, c in enumerate(ranked[reward]) if c.lineage == name) for reward in sorted(ranked)]
        return sum(at), at, name

    return min(covering, key=places)


def _left_out(
    offers: Mapping[str, Sequence[Candidate]], chosen: Mapping[str, Candidate], best: str | None
) -> list[Candidate]:
    left: list[Candidate] = []
    for reward, row in offers.items():
        winner = chosen[reward]
        for candidate in row:
            if candidate == winner:
                continue
            if rejects(candidate.reasons):
                left.append(candidate)
            elif candidate.lineage != best:
                why = f"starts from {in_short(candidate.lineage)}, the soup from {in_short(best)}"
                left.append(candidate.because("lineage", why))
            elif candidate.place == winner.place:
                left.append(candidate.because("older", f"{_shown(winner)} is a newer release"))
            else:
                left.append(candidate.because("not-preferred", f"{winner.place} {_shown(winner)} comes first"))
    return sorted(left, key=lambda c: (c.reward or "", c.place, c.commit or ""))


def _shown(candidate: Candidate) -> str:
    return candidate.version.tag if candidate.version else (candidate.commit or "")[:8]


def _refusal(message: str, candidates: Sequence[Candidate], remedy: str) -> Incompatible:
    return Incompatible(message, remedy=remedy, verdicts=[candidate.to_json() for candidate in candidates])
