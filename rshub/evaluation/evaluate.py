"""``evaluate``: soups times prompts times rewards become scores.

A soup is named as everywhere: a folder (a whole model, or an adapter with ``base`` given or named in its config), a
lock, or a preference on a base. Preferences and locks are resolved, their parts fetched with digests checked and
mixed in memory; nothing is composed to disk. All soups meet the same prompts and the same random numbers.
"""

from __future__ import annotations

import contextlib
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rshub.errors import InvalidInput, MissingExtra, OutputError
from rshub.evaluation.points import scores_of
from rshub.evaluation.targets import Target, find_target
from rshub.formats.canonical import digest
from rshub.hub.client import Hub
from rshub.preferences.scores import Point, Scores
from rshub.prompts.prompt import PromptSet
from rshub.prompts.read import read_prompts
from rshub.rewards.spec import Reward, reward_from_spec
from rshub.soups.fetch import fetch_base
from rshub.soups.lock import Pin
from rshub.tensors.writer import write_whole

if TYPE_CHECKING:
    from rshub.soups.mixing.mixer import Mixer


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
        NotFound: A folder, repo, lock, split or reward model is not there.
        Incompatible: Experts that may not be mixed, or that do not fit the base; a reward model without the output that
            is asked for.
        IntegrityError: Files that are not what was pinned.
        OutputError: The scores cannot be written.
        MissingExtra: The model libraries, or those of a reward, are not installed.
        RshubError: Somebody's reward raised, or gave no number.
    """
    if not soups:
        raise InvalidInput("no soup was named", where="soups", remedy="name a folder, a lock or a preference")
    if seeds < 1 or max_new_tokens < 1 or not 0 <= temperature < float("inf"):
        raise InvalidInput(
            "seeds and max_new_tokens are at least 1, temperature at least 0",
            where="seeds, max_new_tokens, temperature",
            remedy="choose other numbers",
        )
    named = named_rewards(rewards)
    if out is not None:
        _check_place(Path(out))
    hub = Hub(endpoint, token)
    scorers = {name: reward.pin(hub) for name, reward in named.items()}
    asked = read_prompts(prompts, limit=limit, endpoint=endpoint, token=token)
    targets = [
        find_target(str(soup), base, hub, extrapolate=extrapolate, endpoint=endpoint, token=token) for soup in soups
    ]
    for reward in scorers.values():
        reward.make_ready({"corpus": asked.references()})
    sampling = {"seeds": seeds, "max_new_tokens": max_new_tokens, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    points = list(_measured(targets, hub, asked, scorers, sampling, progress=progress))
    prompted = asked.facts() | {"count": len(asked.prompts)}
    scores = scores_of(points, scorers, prompts=prompted, generation=_identified(sampling))
    if out is not None:
        write_whole(Path(out), scores.to_bytes())
    return scores


def named_rewards(rewards: Sequence[str] | Mapping[str, str]) -> dict[str, Reward]:
    """Read rewards with their names: ``NAME=SPEC``, or a single term, which is called by its own name.

    What stands before the first ``=`` is a name where it has no colon: a spec has one before any option.

    Raises:
        InvalidInput: A spec is malformed, a sum has no name, or a name is there twice.
    """
    if isinstance(rewards, Mapping):
        rewards = [f"{name}={spec}" for name, spec in rewards.items()]
    named: dict[str, Reward] = {}
    for text in rewards:
        name, equals, spec = text.partition("=")
        has_name = bool(equals) and ":" not in name
        reward = reward_from_spec(spec if has_name else text)
        if not has_name:
            if len(reward.terms) > 1:
                raise InvalidInput(f"{text!r} needs a name", where=text, remedy=f"write NAME={text}")
            name = _own_name(next(iter(reward.terms)))
        name = name.strip()
        if not name or name in named:
            raise InvalidInput(f"the reward {name!r} is there twice or has no name", where=text, remedy="NAME=SPEC")
        named[name] = reward
    if not named:
        raise InvalidInput("no reward was named", where="--reward", remedy="write --reward metric:rouge1.recall")
    return named


def _own_name(term: str) -> str:
    """Call a term by what it names: a metric by its name, a classifier by its repo's."""
    place = re.split("[@#]", term.partition(":")[2])[0]
    return place.rpartition("/")[2].lower()


def _measured(
    targets: Sequence[Target],
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
        from rshub.soups.mixing.mixer import Mixer
    except ImportError as fault:
        raise MissingExtra("train", needed_for="evaluating") from fault
    mixer: Mixer | None = None
    loaded: tuple[Pin, Mapping[str, Path]] | None = None
    settings = {key: sampling[key] for key in ("seeds", "max_new_tokens", "temperature")}
    for number, target in enumerate(targets):
        if mixer is None or loaded != (target.base, target.adapters):
            if mixer is not None:
                mixer.close()  # lets go of its model before the next one is loaded
                mixer = None
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


def _check_place(path: Path) -> None:
    """Refuse a place that cannot take the scores, before anything is measured.

    Raises:
        OutputError: It is a folder, or no file can be made there.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISDIR(path.stat().st_mode):
                raise OutputError(f"{path} is a folder", where=str(path), remedy="name a file to write")
        above = next(folder for folder in path.absolute().parents if folder.exists())
        with tempfile.TemporaryFile(dir=above):
            pass
    except (OSError, ValueError) as fault:
        if isinstance(fault, OutputError):
            raise
        why = getattr(fault, "strerror", None) or str(fault)
        raise OutputError(
            f"{str(path)!a}: the scores cannot be written: {why}", where="--out", remedy="choose another --out"
        ) from fault
