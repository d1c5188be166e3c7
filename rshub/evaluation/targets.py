"""What is measured: a folder, a lock or a preference, taken apart into a base, experts and coefficients.

Preferences and locks are mixed by the composer's own rule, and an expert's folder is judged against the base like one
that a preference names; a whole model is taken as it is. Nothing but small files is fetched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rshub.deltas.adapters import CONFIG
from rshub.errors import InvalidInput, NotFound
from rshub.evaluation.lineup import Lineup, Voices
from rshub.evaluation.points import kind_of
from rshub.evaluation.trained_on import manifest_in, shares_beside, trained_on, trained_on_pin
from rshub.experts.base_identity import identify_base
from rshub.experts.manifest import ExpertManifest
from rshub.formats.address import as_typed, is_folder
from rshub.formats.canonical import load_json
from rshub.hub.client import Hub
from rshub.preferences.preference import INIT, SUM_TOLERANCE, PreferenceTerm
from rshub.preferences.scores import Point, RewardScore
from rshub.soups.candidates import look_up
from rshub.soups.choose import choose
from rshub.soups.lock import FILE_NAME as LOCK
from rshub.soups.lock import Pin, SoupLock
from rshub.soups.pin import pin_base, pin_expert, pin_init
from rshub.soups.resolve import resolve


@dataclass(frozen=True, kw_only=True)
class Target:
    """One soup to be measured: what it is made of, and what it is called.

    ``coefficients`` go by the labels of the lineup; ``claimed`` is what the scores file says of them; ``mixture`` is
    what a single expert was trained on. A whole model is a base without experts.
    """

    base: Pin
    lineup: Lineup = field(default_factory=Lineup)
    coefficients: Mapping[str, float] = field(default_factory=dict)
    kind: str
    claimed: Mapping[str, float] | None = None
    mixture: Mapping[str, float] = field(default_factory=dict)
    preference: str | None = None
    label: str

    @property
    def soup(self) -> Voices:
        """Give what is mixed."""
        return self.lineup.soup(self.coefficients)

    @property
    def ensemble(self) -> Voices | None:
        """Give the experts as voices of an ensemble; None where there are not two of them.

        Raises:
            InvalidInput: A coefficient is negative, or they sum to more than 1.
        """
        rest = 1.0 - math.fsum(self.coefficients.values())
        shares = {**self.coefficients, **({INIT: rest} if abs(rest) > SUM_TOLERANCE else {})}
        counted = [label for label, share in shares.items() if share != 0.0]
        return self.lineup.ensemble(shares) if self.lineup.experts and len(counted) > 1 else None

    def point(self, rewards: Mapping[str, RewardScore], *, ensemble: bool = False) -> Point:
        """Put down what was measured of it."""
        return Point(
            kind="ensemble" if ensemble else self.kind,
            coefficients=self.claimed,
            preference=self.preference,
            mixture=None if ensemble else self.mixture or None,
            rewards=rewards,
            unknown={"label": self.label},
        )


def find_target(
    soup: str, base: str | None, hub: Hub, *, extrapolate: bool, endpoint: str | None, token: str | None
) -> Target:
    """Find out what a soup is made of.

    Raises:
        InvalidInput: It is no soup, or its base is not known.
        Incompatible: Its experts may not be mixed, or were trained on another base.
        IntegrityError: Files that are not what was pinned.
        NotFound: Something of it is not there.
    """
    if soup.endswith(".json"):
        return _locked(SoupLock.load(Path(soup)), hub, label=Path(soup).stem)
    folder = Path(soup)
    if is_folder(soup) and folder.is_dir():
        return _folder(folder, base, hub)
    if is_folder(soup) and "=" not in soup and ":" not in soup:
        raise NotFound(f"{soup}: no such folder", where=soup, remedy="check the path")
    if base is None:
        raise InvalidInput(
            f"{soup!r} is a preference, which needs a base", where=soup, remedy="say --base OWNER/NAME or ./DIR"
        )
    found = resolve(soup, base=base, extrapolate=extrapolate, endpoint=endpoint, token=token)
    return _locked(found.lock, hub, label=soup)


def _locked(lock: SoupLock, hub: Hub, *, label: str) -> Target:
    """Take a soup apart as its lock says."""
    coefficients = {expert.label: expert.coefficient for expert in lock.experts}
    kind = kind_of(coefficients)
    return Target(
        base=lock.base,
        lineup=Lineup.of_lock(lock),
        coefficients=coefficients,
        kind=kind,
        claimed=_by_reward(lock),
        mixture=trained_on_pin(lock.experts[0].pin, hub) if kind == "expert" else {},
        preference=lock.preference,
        label=label,
    )


def _folder(folder: Path, base: str | None, hub: Hub) -> Target:
    """Take a folder for what it is: an expert on its base, or a whole model; a lock in it says what it was made of."""
    lock = SoupLock.load(folder / LOCK) if (folder / LOCK).is_file() else None
    manifest = manifest_in(folder) if lock is None else None
    if (folder / CONFIG).is_file() or (manifest is not None and manifest.artefact.kind == "partial"):
        return _expert(folder, base, hub, manifest=manifest, lock=lock)
    whole = identify_base(as_typed(folder), hub)
    if lock is not None:
        claimed = _by_reward(lock)
        kind = kind_of(claimed)
        return Target(base=pin_base(whole), kind=kind, claimed=claimed, preference=lock.preference, label=folder.name)
    if base is not None and identify_base(base, hub).files == whole.files:
        return Target(base=pin_base(whole), kind="init", claimed={}, label=folder.name)
    mixture = shares_beside(folder)
    reward = manifest.reward.name if manifest else next(iter(mixture), None)
    kind, claimed_of = _trained_as(mixture, reward)
    return Target(base=pin_base(whole), kind=kind, claimed=claimed_of, mixture=mixture, label=folder.name)


def _expert(
    folder: Path, base: str | None, hub: Hub, *, manifest: ExpertManifest | None, lock: SoupLock | None
) -> Target:
    """Take an expert on its base; with a lock it is a soup, else its manifest or training says what it is for."""
    identity = identify_base(base or _base_of(folder, manifest), hub)
    alone = PreferenceTerm(name=as_typed(folder), kind="directory", revision=None, value=1.0)
    found = look_up(alone, identity, hub, None)
    choose({}, [found])
    name = folder.name
    begun = pin_init({name: found}, hub)
    pins = {name: pin_expert(found, hub)}
    mixture = trained_on(found) if lock is None else {}
    kind, claimed = _trained_as(mixture, found.reward or next(iter(mixture), name))
    if lock is not None:
        claimed = _by_reward(lock)
        kind = kind_of(claimed)
    return Target(
        base=pin_base(identity),
        lineup=Lineup(experts=pins, init=begun[0], init_kind=begun[1]) if begun else Lineup(experts=pins),
        coefficients={name: 1.0},
        kind=kind,
        claimed=claimed,
        mixture=mixture,
        preference=lock.preference if lock else None,
        label=name,
    )


def _base_of(folder: Path, manifest: ExpertManifest | None) -> str:
    """Say on which base an expert's folder says that it was trained.

    Raises:
        InvalidInput: It does not say so.
    """
    named: object = manifest.base.repo_id if manifest else None
    revision: object = manifest.base.revision if manifest else None
    if (folder / CONFIG).is_file():
        config = load_json((folder / CONFIG).read_bytes(), source=str(folder / CONFIG))
        named, revision = config.get("base_model_name_or_path"), config.get("revision")
    if not isinstance(named, str):
        raise InvalidInput(f"{folder}: its base is not known", where=str(folder), remedy="say --base OWNER/NAME")
    return f"{named}@{revision}" if revision else named


def _trained_as(mixture: Mapping[str, float], reward: str | None) -> tuple[str, dict[str, float] | None]:
    """Give the kind and the coefficients of a model that was trained: on one reward, on several, or on who knows."""
    if len(mixture) > 1:
        return "morl", None
    return ("expert", {reward: 1.0}) if reward is not None else ("soup", None)


def _by_reward(lock: SoupLock) -> dict[str, float]:
    """Give a lock's coefficients by the rewards that its experts serve, as far as these are known and differ."""
    names = {expert.label: expert.reward or _trained_for(expert.pin) or expert.label for expert in lock.experts}
    if len(set(names.values())) < len(names):
        names = {label: label for label in names}
    return {names[expert.label]: expert.coefficient for expert in lock.experts}


def _trained_for(pin: Pin) -> str | None:
    """Say which one reward a local expert was trained for, where the summary of its training says so."""
    mixture = shares_beside(Path(pin.path)) if pin.path else {}
    return next(iter(mixture)) if len(mixture) == 1 else None
