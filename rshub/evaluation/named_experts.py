"""Experts as people name them on a command line, and what each is called in coefficients: one rule for every verb.

An expert is ``PLACE`` or ``NAME=PLACE``. Without a name it is called by the one reward that it was made for, as its
manifest or the summary of its training says; where that is unknown, or another expert has the same, by its place: a
repo in full, a folder by its own name. Refused: two experts of one name, and a name that is reserved or no reward's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rshub.errors import InvalidInput
from rshub.evaluation.trained_on import trained_on
from rshub.experts.base_identity import BaseIdentity
from rshub.formats.address import RepoAddress, as_typed, is_folder, parse_address
from rshub.formats.names import REWARD_NAME
from rshub.hub.client import Hub
from rshub.preferences.policy import Policy
from rshub.preferences.preference import INIT, PreferenceTerm
from rshub.soups.candidates import look_up
from rshub.soups.choose import Candidate


@dataclass(frozen=True, kw_only=True)
class NamedExpert:
    """An expert that was looked up: what it is called, its place as typed, and what it was trained on."""

    label: str
    place: str
    candidate: Candidate
    mixture: Mapping[str, float]

    @property
    def mixed(self) -> bool:
        """Whether it was trained on several rewards."""
        return len(self.mixture) > 1

    @property
    def pinned(self) -> str:
        """Its place, a repo at the commit that was looked up."""
        found = self.candidate
        return self.place if found.commit is None else f"{found.place}@{found.commit}"


def name_experts(
    experts: Sequence[str | Path], identity: BaseIdentity, hub: Hub, rules: Policy | None = None
) -> list[NamedExpert]:
    """Look experts up and give each its name.

    Raises:
        InvalidInput: A name or a place is malformed, or a name is there twice.
        NotFound: An expert is not there.
        IntegrityError: A manifest is broken.
    """
    asked = [_taken_apart(expert) for expert in experts]
    found = [look_up(term_of(place), identity, hub, rules) for _, place in asked]
    mixtures = [trained_on(candidate) for candidate in found]
    rewards = [_reward(candidate, mixture) for candidate, mixture in zip(found, mixtures, strict=True)]
    alone = Counter(rewards)
    named = []
    for (label, place), candidate, mixture, reward in zip(asked, found, mixtures, rewards, strict=True):
        own = reward if reward is not None and alone[reward] == 1 else _short(place)
        named.append(NamedExpert(label=label or own, place=place, candidate=candidate, mixture=mixture))
    twice = [label for label, times in Counter(one.label for one in named).items() if times > 1 or label == INIT]
    if twice:
        why = "names the start of the experts" if twice[0] == INIT else "is the name of two experts"
        raise InvalidInput(f"{twice[0]!r} {why}", where=twice[0], remedy="name them: NAME=EXPERT")
    return named


def term_of(place: str) -> PreferenceTerm:
    """Name an expert in full, as a term of a preference would.

    Raises:
        InvalidInput: The place is malformed.
    """
    address = parse_address(place)
    if isinstance(address, RepoAddress):
        return PreferenceTerm(name=address.repo_id, kind="repo", revision=address.revision, value=1.0)
    return PreferenceTerm(name=place, kind="directory", revision=None, value=1.0)


def _taken_apart(expert: str | Path) -> tuple[str | None, str]:
    """Take a name off its place; a folder may hold the sign itself."""
    if isinstance(expert, Path):
        return None, as_typed(expert)
    name, sign, place = expert.partition("=")
    if not sign or is_folder(expert):
        return None, expert
    if not REWARD_NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:40]!r} is no name: lower case letters, digits and ._- are",
            where=expert[:80],
            remedy="write NAME=PLACE, or the place alone",
        )
    return name, place


def _reward(candidate: Candidate, mixture: Mapping[str, float]) -> str | None:
    """Give the one reward that an expert stands for; a model of several stands for none."""
    if len(mixture) > 1:
        return None
    return candidate.reward or next(iter(mixture), None)


def _short(place: str) -> str:
    """Call an expert by its place: a repo by its name in full, a folder by its own name."""
    address = parse_address(place)
    return str(address.repo_id) if isinstance(address, RepoAddress) else address.name
