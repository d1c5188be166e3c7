"""The experts that a selection chooses among: where each lies and within what bounds; and a choice as a preference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rshub.errors import InvalidInput
from rshub.evaluation.named_experts import name_experts, term_of
from rshub.experts.base_identity import identify_base
from rshub.formats.names import REWARD_NAME
from rshub.hub.client import Hub
from rshub.preferences.policy import LambdaBounds, Policy
from rshub.preferences.preference import PreferenceTerm
from rshub.soups.choose import choose


@dataclass(frozen=True, kw_only=True)
class Offered:
    """An expert: its place as typed, the repo behind it, its reward and what its publisher stands behind."""

    place: str
    repo: str
    reward: str | None = None
    bounds: LambdaBounds | None = None


def offered(
    experts: Sequence[str], *, base: str, rules: Policy | None, endpoint: str | None, token: str | None
) -> dict[str, Offered]:
    """Look up experts that fit the base and one another, each by its name (``rshub.evaluation.named_experts``).

    Raises:
        InvalidInput: A name or a place is malformed, or a name is there twice.
        Incompatible: An expert does not fit the base or the others, or the policy denies it.
        NotFound: An expert or the base is not there.
        IntegrityError: A manifest is broken.
    """
    hub = Hub(endpoint, token)
    found = name_experts(experts, identify_base(base, hub), hub, rules)
    choose({}, [one.candidate for one in found])
    named = {}
    for one in found:
        bounds = one.candidate.manifest.bounds if one.candidate.manifest else None
        named[one.label] = Offered(
            place=one.place,
            repo=one.candidate.place,
            reward=one.candidate.reward,
            bounds=LambdaBounds(min=bounds.min, max=bounds.max) if bounds else None,
        )
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
