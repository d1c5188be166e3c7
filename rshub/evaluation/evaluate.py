"""``evaluate``: soups times prompts times rewards become scores.

A soup is named as everywhere: a folder (a whole model, or an adapter with ``base`` given or named in its config), a
lock, or a preference on a base. Preferences and locks are resolved, their parts fetched with digests checked and
mixed in memory; nothing is composed to disk. All soups meet the same prompts and the same random numbers.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rshub.errors import InvalidInput, MissingExtra, NotFound, OutputError
from rshub.evaluation.prompts import PromptSet, read_prompts
from rshub.experts.base_identity import identify_base
from rshub.formats.address import is_folder
from rshub.formats.canonical import digest, load_json
from rshub.hub.client import Hub
from rshub.preferences.preference import INIT
from rshub.preferences.scores import Point, Scores
from rshub.rewards.spec import Reward, reward_from_spec
from rshub.soups.fetch import fetch_adapter, fetch_base
from rshub.soups.lock import FILE_NAME as LOCK
from rshub.soups.lock import Pin, SoupLock
from rshub.soups.pin import pin_base
from rshub.soups.resolve import resolve

if TYPE_CHECKING:
    from rshub.soups.mixer import Mixer

ADAPTER_CONFIG = "adapter_config.json"
TRAINING = "training.json"


@dataclass(frozen=True, kw_only=True)
class _Target:
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


def evaluate(
    soups: Sequence[str | Path],
    *,
    rewards: Sequence[str] | Mapping[str, str],
    prompts: str | Path,
    base: str | None = None,
    seeds: int = 1,
    limit: int | None = None,
    max_new_tokens: int = 128,
    temperature: float = 1.0,
    extrapolate: bool = False,
    out: Path | str | None = None,
    endpoint: str | None = None,
    token: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Measure soups on prompts by rewards.

    Args:
        soups: Folders, locks (``.json``) or preferences.
        rewards: Specs, each optionally named: ``metric:length`` or ``short=-metric:length``; or name to spec.
        prompts: A JSONL file, or ``owner/repo[@revision]:split``.
        base: The base of preferences, and of adapters that do not name a repo: ``owner/name[@revision]`` or a folder.
        seeds: Completions for each prompt.
        limit: Use only the first so many prompts.
        max_new_tokens: Tokens in a completion at most.
        temperature: Of the sampling; 0 takes the most probable token.
        extrapolate: Allow preferences with negative numbers and sums other than 1.
        out: Write ``scores.json`` here; replaced in one step.
        endpoint: The hub's address.
        token: Who is asking.
        progress: Called with the soups done and the soups in all.

    Raises:
        InvalidInput: A soup, a reward, the prompts or a number is malformed, or nothing could be scored.
        NotFound: A folder, repo, lock or split is not there.
        Incompatible: Experts that may not be mixed, or that do not fit the base.
        IntegrityError: Files that are not what was pinned.
        OutputError: The scores cannot be written.
        MissingExtra: The model libraries are not installed.
    """
    if not soups:
        raise InvalidInput("no soup was named", where="soups", remedy="name a folder, a lock or a preference")
    if seeds < 1 or max_new_tokens < 1 or temperature < 0:
        raise InvalidInput("seeds and max_new_tokens are at least 1, temperature at least 0", where="seeds")
    scorers = named_rewards(rewards)
    hub = Hub(endpoint, token)
    asked = read_prompts(prompts, limit=limit, endpoint=endpoint, token=token)
    targets = [_target(str(soup), base, hub, extrapolate=extrapolate, endpoint=endpoint, token=token) for soup in soups]
    sampling = {"seeds": seeds, "max_new_tokens": max_new_tokens, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    points = list(_measured(targets, hub, asked, scorers, sampling, progress=progress))
    scores = Scores(
        rewards={name: reward.direction for name, reward in scorers.items()},
        points=tuple(points),
        unknown={"prompts": asked.facts() | {"count": len(asked.prompts)}, "generation": _identified(sampling)},
        unknown_of_rewards={
            name: {"spec": reward.spec, "spec_digest": reward.digest} for name, reward in scorers.items()
        },
    )
    if out is not None:
        _write(Path(out), scores.to_bytes())
    return scores


def named_rewards(rewards: Sequence[str] | Mapping[str, str]) -> dict[str, Reward]:
    """Read rewards with their names: ``NAME=SPEC``, or a single metric, which is called by its own name.

    Raises:
        InvalidInput: A spec is malformed, a sum has no name, or a name is there twice.
    """
    if isinstance(rewards, Mapping):
        return {name: reward_from_spec(spec) for name, spec in rewards.items()}
    named: dict[str, Reward] = {}
    for text in rewards:
        name, equals, spec = text.partition("=")
        reward = reward_from_spec(spec if equals else text)
        if not equals:
            if len(reward.terms) > 1:
                raise InvalidInput(f"{text!r} needs a name", where=text, remedy=f"write NAME={text}")
            name = next(iter(reward.terms)).partition(":")[2]
        name = name.strip()
        if not name or name in named:
            raise InvalidInput(f"the reward {name!r} is there twice or has no name", where=text, remedy="NAME=SPEC")
        named[name] = reward
    if not named:
        raise InvalidInput("no reward was named", where="--reward", remedy="write --reward metric:rouge1.recall")
    return named


def _target(
    soup: str, base: str | None, hub: Hub, *, extrapolate: bool, endpoint: str | None, token: str | None
) -> _Target:
    """Find out what a soup is made of."""
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


def _locked(lock: SoupLock, hub: Hub, *, label: str) -> _Target:
    """Take a soup apart as its lock says; a continued start counts with what the sum leaves to 1."""
    coefficients = {expert.label: expert.coefficient for expert in lock.experts}
    adapters = {expert.label: fetch_adapter(expert.pin, hub) for expert in lock.experts}
    mixed = dict(coefficients)
    if lock.init is not None:
        mixed[INIT] = 1 - sum(coefficients.values())
        adapters[INIT] = fetch_adapter(lock.init, hub)
    return _Target(
        base=lock.base,
        adapters=adapters,
        coefficients=mixed,
        kind=_kind(coefficients),
        claimed=_by_reward(lock),
        preference=lock.preference,
        label=label,
    )


def _folder(folder: Path, base: str | None, hub: Hub) -> _Target:
    """Take a folder for what it is: an adapter on its base, or a whole model; a lock in it says what it was made of."""
    lock = SoupLock.load(folder / LOCK) if (folder / LOCK).is_file() else None
    said = lock.preference if lock else None
    claimed = _by_reward(lock) if lock else None
    kind = _kind(claimed) if claimed is not None else "soup"
    if not (folder / ADAPTER_CONFIG).is_file():
        whole = pin_base(identify_base(_dotted(folder), hub))
        if lock is None and base is not None and identify_base(base, hub).files == whole.files:
            kind, claimed = "init", {}
        return _Target(base=whole, kind=kind, claimed=claimed, preference=said, label=folder.name)
    if claimed is None:
        kind, claimed = _expert(folder)
    config = load_json((folder / ADAPTER_CONFIG).read_bytes(), source=str(folder / ADAPTER_CONFIG))
    named, revision = config.get("base_model_name_or_path"), config.get("revision")
    place = base or (f"{named}@{revision}" if named and revision else named)
    if not isinstance(place, str):
        raise InvalidInput(f"{folder}: its base is not known", where=str(folder), remedy="say --base OWNER/NAME")
    return _Target(
        base=pin_base(identify_base(place, hub)),
        adapters={folder.name: folder},
        coefficients={folder.name: 1.0},
        kind=kind,
        claimed=claimed,
        preference=said,
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
    kind, claimed = _expert(Path(pin.path)) if pin.path else ("", None)
    return next(iter(claimed)) if kind == "expert" and claimed else None


def _expert(folder: Path) -> tuple[str, dict[str, float] | None]:
    """Say what an adapter is by the summary of its training: an expert for one reward, or trained on a mixture."""
    if not (folder / TRAINING).is_file():
        return "expert", {folder.name: 1.0}
    mixture = load_json((folder / TRAINING).read_bytes(), source=str(folder / TRAINING)).get("mixture", {})
    if isinstance(mixture, dict) and len(mixture) > 1:
        return "morl", None
    return "expert", {next(iter(mixture), folder.name): 1.0}


def _measured(
    targets: Sequence[_Target],
    hub: Hub,
    asked: PromptSet,
    scorers: Mapping[str, Reward],
    sampling: Mapping[str, Any],
    *,
    progress: Callable[[int, int], None] | None,
) -> Iterator[Point]:
    """Measure one target after another; those that follow on the same base and adapters share one model."""
    try:
        from rshub.evaluation.sweep import measure
        from rshub.soups.mixer import Mixer
    except ImportError as fault:
        raise MissingExtra("train", needed_for="evaluating") from fault
    mixer: Mixer | None = None
    loaded: tuple[Pin, Mapping[str, Path]] | None = None
    settings = {key: sampling[key] for key in ("seeds", "max_new_tokens", "temperature")}
    for number, target in enumerate(targets):
        if mixer is None or loaded != (target.base, target.adapters):
            with fetch_base(target.base, hub) as folder:
                mixer = Mixer(folder, target.adapters)
            loaded = (target.base, target.adapters)
        yield measure(
            mixer.mix(target.coefficients),
            mixer.tokenizer,
            prompts=asked.prompts,
            rewards=scorers,
            kind=target.kind,
            coefficients=target.claimed,
            preference=target.preference,
            label=target.label,
            **settings,
        )
        if progress is not None:
            progress(number + 1, len(targets))


def _identified(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings of the sampling with their digest: scores compare only where it is the same."""
    return {**sampling, "digest": digest(dict(sampling))}


def _dotted(folder: Path) -> str:
    """Write a folder so that nobody takes it for a repo."""
    return str(folder) if folder.is_absolute() else f"./{folder}"


def _kind(coefficients: Mapping[str, float]) -> str:
    values = [value for value in coefficients.values() if value != 0.0]
    return "init" if not values else "expert" if values == [1.0] else "soup"


def _write(path: Path, data: bytes) -> None:
    """Replace a file in one step: a reader finds the old one or the new one, whole."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as fault:
        partial.unlink(missing_ok=True)
        raise OutputError(
            f"{path}: the scores cannot be written: {fault.strerror}", where=str(path), remedy="choose another --out"
        ) from fault
