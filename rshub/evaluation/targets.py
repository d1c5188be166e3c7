"""What is measured: a folder, a lock or a preference, taken apart into a base, adapters and coefficients.

Preferences and locks are mixed by the composer's own rule, and an adapter's folder is judged against the base like one
that a preference names; a whole model is taken as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rshub.deltas.adapters import CONFIG
from rshub.errors import InvalidInput, NotFound
from rshub.evaluation.points import kind_of
from rshub.experts.base_identity import identify_base
from rshub.experts.publish import TRAINING
from rshub.formats.address import is_folder
from rshub.formats.canonical import load_json
from rshub.hub.client import Hub
from rshub.preferences.preference import PreferenceTerm
from rshub.soups.candidates import look_up
from rshub.soups.choose import choose
from rshub.soups.fetch import fetch_terms
from rshub.soups.lock import FILE_NAME as LOCK
from rshub.soups.lock import Pin, SoupLock
from rshub.soups.pin import pin_base
from rshub.soups.resolve import resolve


@dataclass(frozen=True, kw_only=True)
class Target:
    """One soup to be measured: where its parts are, and what it is called.

    ``adapters`` maps a label to a folder; ``coefficients`` are what is mixed, ``claimed`` what the scores file says.
    """

    base: Pin
    adapters: Mapping[str, Path] = field(default_factory=dict)
    coefficients: Mapping[str, float] = field(default_factory=dict)
    kind: str
    claimed: Mapping[str, float] | None = None
    preference: str | None = None
    label: str


def find_target(
    soup: str, base: str | None, hub: Hub, *, extrapolate: bool, endpoint: str | None, token: str | None
) -> Target:
    """Find out what a soup is made of, and fetch its adapters.

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
    terms = fetch_terms(lock, hub)
    return Target(
        base=lock.base,
        adapters={term.label: term.folder for term in terms},
        coefficients={term.label: term.coefficient for term in terms},
        kind=kind_of({expert.label: expert.coefficient for expert in lock.experts}),
        claimed=_by_reward(lock),
        preference=lock.preference,
        label=label,
    )


def _folder(folder: Path, base: str | None, hub: Hub) -> Target:
    """Take a folder for what it is: an adapter on its base, or a whole model; a lock in it says what it was made of."""
    lock = SoupLock.load(folder / LOCK) if (folder / LOCK).is_file() else None
    said = lock.preference if lock else None
    claimed = _by_reward(lock) if lock else None
    kind = kind_of(claimed) if claimed is not None else "soup"
    if (folder / CONFIG).is_file():
        return _adapter(folder, base, hub, kind=kind, claimed=claimed, preference=said)
    whole = identify_base(_dotted(folder), hub)
    if lock is None and base is not None and identify_base(base, hub).files == whole.files:
        kind, claimed = "init", {}
    return Target(base=pin_base(whole), kind=kind, claimed=claimed, preference=said, label=folder.name)


def _adapter(
    folder: Path,
    base: str | None,
    hub: Hub,
    *,
    kind: str,
    claimed: Mapping[str, float] | None,
    preference: str | None,
) -> Target:
    """Take an adapter on its base; without a lock it is an expert, and its manifest or training says what for."""
    config = load_json((folder / CONFIG).read_bytes(), source=str(folder / CONFIG))
    named, revision = config.get("base_model_name_or_path"), config.get("revision")
    place = base or (f"{named}@{revision}" if named and revision else named)
    if not isinstance(place, str):
        raise InvalidInput(f"{folder}: its base is not known", where=str(folder), remedy="say --base OWNER/NAME")
    identity = identify_base(place, hub)
    alone = PreferenceTerm(name=_dotted(folder), kind="directory", revision=None, value=1.0)
    found = look_up(alone, identity, hub, None)
    choose({}, [found])
    if claimed is None:
        manifest = found.manifest
        mixture = _mixture(manifest.training, str(folder)) if manifest else _trained_on(folder)
        reward = found.reward or next(iter(mixture), folder.name)
        kind, claimed = ("morl", None) if len(mixture) > 1 else ("expert", {reward: 1.0})
    return Target(
        base=pin_base(identity),
        adapters={folder.name: folder},
        coefficients={folder.name: 1.0},
        kind=kind,
        claimed=claimed,
        preference=preference,
        label=folder.name,
    )


def _by_reward(lock: SoupLock) -> dict[str, float]:
    """Give a lock's coefficients by the rewards that its experts serve, as far as these are known and differ."""
    names = {expert.label: expert.reward or _trained_for(expert.pin) or expert.label for expert in lock.experts}
    if len(set(names.values())) < len(names):
        names = {label: label for label in names}
    return {names[expert.label]: expert.coefficient for expert in lock.experts}


def _trained_for(pin: Pin) -> str | None:
    """Say which one reward a local adapter was trained for, where the summary of its training says so."""
    mixture = _trained_on(Path(pin.path)) if pin.path else {}
    return next(iter(mixture)) if len(mixture) == 1 else None


def _trained_on(folder: Path) -> Mapping[str, Any]:
    """Give the rewards that the summary of an adapter's training names; none where it says nothing."""
    summary = folder / TRAINING
    if not summary.is_file():
        return {}
    return _mixture(load_json(summary.read_bytes(), source=str(summary)), str(summary))


def _mixture(training: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    mixture = training.get("mixture")
    if mixture is None:
        return {}
    if not isinstance(mixture, dict):
        raise InvalidInput(f"{source}: 'mixture' is no object", where=source, remedy="name each reward with its share")
    return mixture


def _dotted(folder: Path) -> str:
    """Write a folder so that nobody takes it for a repo."""
    return str(folder) if folder.is_absolute() else f"./{folder}"
