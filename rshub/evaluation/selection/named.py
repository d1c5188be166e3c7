"""The experts of a selection as a person names them: what each is called, where it lies, and its bounds.

An expert is ``PLACE`` or ``NAME=PLACE``. Without a name it is called by the reward of its manifest, or, where it has
none, by its place. Refused: two experts of one name, and a name that is reserved or no reward's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rshub.errors import InvalidInput
from rshub.experts.base_identity import identify_base
from rshub.formats.address import RepoAddress, parse_address
from rshub.formats.names import REWARD_NAME
from rshub.hub.client import Hub
from rshub.preferences.policy import LambdaBounds, Policy
from rshub.preferences.preference import INIT, PreferenceTerm
from rshub.soups.candidates import look_up
from rshub.soups.choose import choose


@dataclass(frozen=True, kw_only=True)
class NamedExpert:
    """An expert: its place as typed, the repo behind it, its reward and what its publisher stands behind."""

    place: str
    repo: str
    reward: str | None = None
    bounds: LambdaBounds | None = None


def name_experts(
    experts: Sequence[str], *, base: str, rules: Policy | None, endpoint: str | None, token: str | None
) -> dict[str, NamedExpert]:
    """Look up experts and call each by a name.

    Raises:
        InvalidInput: A name or a place is malformed, or a name is there twice.
        Incompatible: An expert does not fit the base or the others, or the policy denies it.
        NotFound: An expert or the base is not there.
        IntegrityError: A manifest is broken.
    """
    hub = Hub(endpoint, token)
    identity = identify_base(base, hub)
    named: dict[str, NamedExpert] = {}
    found = []
    for text in experts:
        name, place = _split(text)
        candidate = look_up(term_of(place), identity, hub, rules)
        found.append(candidate)
        label = name or candidate.reward or place
        if label in named or label == INIT:
            why = f"{INIT} names the start" if label == INIT else f"{named[label].place} and {place} are both {label}"
            raise InvalidInput(f"select: {why}", where=text, remedy=f"write NAME={place}")
        bounds = candidate.manifest.bounds if candidate.manifest else None
        named[label] = NamedExpert(
            place=place,
            repo=candidate.place,
            reward=candidate.reward,
            bounds=LambdaBounds(min=bounds.min, max=bounds.max) if bounds else None,
        )
    choose({}, found)
    return named


def as_preference(coefficients: Mapping[str, float], places: Mapping[str, str]) -> str | None:
    """Write coefficients as the preference that composes them; None where a name is neither a reward nor a place.

    Args:
        coefficients: lambda by the name of an expert; ``init`` may be among them.
        places: Where the experts lie, for those that are not called by it.
    """
    terms = []
    for name, value in coefficients.items():
        if value == 0.0:
            continue
        place = places.get(name, name)
        try:
            term = (
                PreferenceTerm(name=place, kind="reward", revision=None, value=value)
                if REWARD_NAME.fullmatch(place)
                else replace(term_of(place), value=value)
            )
        except InvalidInput:
            return None
        terms.append(str(term))
    return ", ".join(terms)


def _split(text: str) -> tuple[str, str]:
    """Take a name off its place; a folder may hold the sign itself."""
    name, sign, place = text.partition("=")
    if not sign or text.startswith(("./", "/")):
        return "", text
    if not REWARD_NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:40]!r} is no name: lower case letters, digits and ._- are",
            where=text[:80],
            remedy="write NAME=PLACE, or the place alone",
        )
    return name, place


def term_of(place: str) -> PreferenceTerm:
    """Name an expert in full, as a term of a preference would.

    Raises:
        InvalidInput: The place is malformed.
    """
    address = parse_address(place)
    if isinstance(address, RepoAddress):
        return PreferenceTerm(name=address.repo_id, kind="repo", revision=address.revision, value=1.0)
    return PreferenceTerm(name=place, kind="directory", revision=None, value=1.0)
