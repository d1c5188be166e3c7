"""``evaluate``: soups times prompts times rewards become scores.

A soup is named as everywhere: a folder (a whole model, or an adapter with ``base`` given or named in its config), a
lock, or a preference on a base. Preferences and locks are resolved, their parts fetched with digests checked and
mixed in memory; nothing is composed to disk. All soups meet the same prompts and the same random numbers, and what the
ledger holds of them is neither written nor scored again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rshub.errors import InvalidInput
from rshub.evaluation.base_content import base_content
from rshub.evaluation.ledger import Ledger
from rshub.evaluation.lineup import Voices
from rshub.evaluation.meter import Meter, Told, counted
from rshub.evaluation.named_rewards import named_rewards
from rshub.evaluation.places import check_place
from rshub.evaluation.points import measured_on, scores_of
from rshub.evaluation.sampling import BATCH, Sampling
from rshub.evaluation.share import check_repo, share
from rshub.evaluation.targets import Target, find_target
from rshub.evaluation.workbench import Workbench
from rshub.hub.client import Hub
from rshub.preferences.scores import Point, Scores
from rshub.prompts.place import parse_place
from rshub.prompts.read import read_prompts
from rshub.rewards.grammar import read_term
from rshub.rewards.spec import Reward
from rshub.soups.lock import Pin
from rshub.tensors.writer import write_whole
from rshub.types import Digest


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
    batch: int = BATCH,
    dtype: str = "float32",
    device: str | None = None,
    extrapolate: bool = False,
    ensemble: bool = False,
    ledger: Path | str | None = None,
    remember: bool = True,
    out: Path | str | None = None,
    publish: str | None = None,
    private: bool = False,
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
        batch: Prompts generated together; it decides memory and speed, not the texts.
        dtype: In which dtype models are loaded: float32, bfloat16, float16, or auto for what is stored.
        device: Where models run; an accelerator if there is one.
        extrapolate: Allow preferences with negative numbers and sums other than 1.
        ensemble: Measure beside each soup of several experts the average of their predictions, token by token.
        ledger: Where completions and scores are remembered; in the user's cache by default.
        remember: Whether to use a ledger at all.
        out: Write ``scores.json`` here; replaced in one step.
        publish: Share the measurements in this dataset repo, beside those that it holds; see ``share``.
        private: Create that repo private.
        endpoint: The hub's address.
        token: Who is asking.
        progress: Called with the completions done and the completions in all.

    Raises:
        InvalidInput: A soup, a reward, the prompts or a number is malformed, or nothing could be scored.
        NotFound: A folder, repo, lock, split or reward model is not there.
        Incompatible: Experts that may not be mixed, or that do not fit the base; a reward model without the output that
            is asked for; a base without a chat template for conversations.
        IntegrityError: Files that are not what was pinned.
        OutputError: The scores cannot be written.
        MissingExtra: The model libraries, or those of a reward, are not installed.
        RshubError: Somebody's reward raised, or gave no number; the device's memory is full.
    """
    if not soups:
        raise InvalidInput("no soup was named", where="soups", remedy="name a folder, a lock or a preference")
    sampling = Sampling(seeds=seeds, max_new_tokens=max_new_tokens, temperature=temperature, batch=batch)
    named = named_rewards(rewards)
    if out is not None:
        check_place(Path(out), "--out")
    hub = Hub(endpoint, token)
    scorers = {name: reward.pin(hub) for name, reward in named.items()}
    asked = read_prompts(prompts, limit=limit, endpoint=endpoint, token=token)
    targets = [
        find_target(str(soup), base, hub, extrapolate=extrapolate, endpoint=endpoint, token=token) for soup in soups
    ]
    planned = list(_planned(targets, ensemble=ensemble))
    place = None
    if publish is not None:
        lies = parse_place(prompts).repo
        datasets = [lies.repo_id] if lies is not None else []
        models = {repo for reward in scorers.values() for repo in _models(reward)}
        place = check_repo(publish, targets, hub, private=private, models=models, datasets=datasets)

    def open_meter(base: Pin, parts: Mapping[Digest, Pin], told: Told | None) -> Meter:
        return Meter(
            base=base_content(base, hub),
            workbench=Workbench(base, parts, hub, dtype=dtype, device=device),
            prompts=asked,
            rewards=scorers,
            sampling=sampling,
            ledger=Ledger.chosen(ledger, remember=remember),
            told=told,
        )

    points = _measured(planned, open_meter, total=len(planned) * seeds * len(asked.prompts), progress=progress)
    scores = scores_of(points, scorers, **measured_on(asked, sampling, dtype=dtype))
    if out is not None:
        write_whole(Path(out), scores.to_bytes())
    if place is not None:
        measured = [(one.target, point) for one, point in zip(planned, points, strict=True)]
        shared = share(place[0], measured, scores, hub, private=place[1])
        scores = replace(scores, unknown={**scores.unknown, "published": shared.to_json()})
    return scores


def _models(reward: Reward) -> list[str]:
    """Name the repos of the models that a reward asks."""
    return [term.place for term in map(read_term, reward.terms) if term.kind == "hf"]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One point to be measured."""

    target: Target
    voices: Voices
    ensemble: bool = False

    @property
    def parts(self) -> dict[Digest, Pin]:
        """Give what is mixed in it; a start that counts for nothing is not looked for."""
        mixed = {content for _, voice in self.voices for content in voice}
        return {content: pin for content, pin in self.target.lineup.parts.items() if content in mixed}


def _planned(targets: Sequence[Target], *, ensemble: bool) -> Iterator[Planned]:
    """Give the points in the order of the soups, each with its ensemble behind it, if these are asked for.

    Raises:
        InvalidInput: No soup has several experts, or the coefficients of one are no shares.
    """
    averaged = [target.ensemble if ensemble else None for target in targets]
    if ensemble and not any(averaged):
        raise InvalidInput(
            "ensemble: none of these is a preference or a lock of several experts, whose predictions could be averaged",
            where="ensemble",
            remedy="name the experts in a preference, or leave --ensemble out",
        )
    for target, voices in zip(targets, averaged, strict=True):
        yield Planned(target=target, voices=target.soup)
        if voices is not None:
            yield Planned(target=target, voices=voices, ensemble=True)


def _measured(
    planned: Sequence[Planned],
    open_meter: Callable[[Pin, Mapping[Digest, Pin], Told | None], Meter],
    *,
    total: int,
    progress: Callable[[int, int], None] | None,
) -> list[Point]:
    """Measure everything, base by base: all soups on one base share one model; the points keep their order."""
    told = counted(progress, total)
    points: dict[int, Point] = {}
    groups: dict[str, list[int]] = {}
    for number, one in enumerate(planned):
        groups.setdefault(repr(sorted(one.target.base.to_json().items())), []).append(number)
    for numbers in groups.values():
        parts = {content: pin for number in numbers for content, pin in planned[number].parts.items()}
        meter = open_meter(planned[numbers[0]].target.base, parts, told)
        with contextlib.closing(meter):
            for number in numbers:
                one = planned[number]
                points[number] = one.target.point(meter.measure(one.voices), ensemble=one.ensemble)
    return [points[number] for number in range(len(planned))]
