"""Sharing measurements: the scores of a run become files of a dataset repo that ``resolve`` and ``select`` can use.

A file is named by what it holds and is never changed, so a later run adds one and takes none away, and the same run
twice adds nothing. Only experts and soups of experts on a base that lies on a hub are shared: others could not tell
what was measured. Nothing of this machine goes up, no path and no name of a folder above the expert's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rshub import __version__
from rshub.errors import HubError, InvalidInput
from rshub.evaluation.lineup import Lineup
from rshub.evaluation.measurements_card import render_measurements_card
from rshub.evaluation.targets import Target
from rshub.experts.measurements import ENDING, FOLDER, MAX_BYTES, TAG, content_of
from rshub.formats.address import parse_repo
from rshub.formats.canonical import digest
from rshub.hub.client import Hub
from rshub.preferences.scores import Point, Scores
from rshub.soups.lock import Pin
from rshub.types import Digest, RepoId

CARD = "README.md"
ATTEMPTS = 5
"""How often a commit is tried anew because somebody else's came between."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Where measurements went. ``files`` are those that were added; none where all were there already."""

    repo: str
    commit: str
    files: tuple[str, ...]
    left_out: int

    def to_json(self) -> dict[str, Any]:
        """Give it for a program."""
        return {"repo": self.repo, "commit": self.commit, "files": list(self.files), "left_out": self.left_out}


def check_repo(
    repo_id: str,
    targets: Iterable[Target],
    hub: Hub,
    *,
    private: bool,
    models: Collection[str] = (),
    datasets: Collection[str] = (),
) -> tuple[RepoId, bool]:
    """Look at a repo before anything is measured for it; give its name, and whether it has to be private.

    Measurements of anything private, by anything private, or on private prompts are private.

    Args:
        repo_id: Where to publish.
        targets: What is measured.
        hub: Where it lies.
        private: Whether it has to be private in any case.
        models: The repos of reward models.
        datasets: The repos of prompts.

    Raises:
        InvalidInput: It holds something else or is public where it must not be, or nothing here can be shared.
        NotFound: The token may not write to it, or not create it.
    """
    address = parse_repo(repo_id)
    sharable = [target for target in targets if _sharable(target)]
    if not sharable:
        raise InvalidInput(
            "nothing here can be shared: no expert or soup of experts on a base that lies on a hub",
            where="--publish",
            remedy="name the base with --base OWNER/NAME, and the experts by reward or repo",
        )
    pins = [pin for target in sharable for pin in (target.base, *target.lineup.parts.values())]
    places = {*models, *(pin.repo_id for pin in pins if pin.repo_id is not None)}
    private = (
        private
        or any(hub.info(place).private for place in sorted(places))
        or any(hub.info(place, repo_type="dataset").private for place in sorted(datasets))
    )
    if hub.exists(address.repo_id, repo_type="dataset"):
        there = hub.info(address.repo_id, repo_type="dataset")
        if set(there.files) - {".gitattributes"} and TAG not in there.tags:
            raise InvalidInput(
                f"{address.repo_id} holds something else than measurements",
                where="--publish",
                remedy="publish to a dataset repo of its own",
            )
        if private and not there.private:
            raise InvalidInput(
                f"{address.repo_id} is public, and these measurements are to be private",
                where="--publish",
                remedy="publish to a private repo, or to one that is not there yet",
            )
    hub.check_write(address.repo_id, repo_type="dataset")
    return address.repo_id, private


def share(
    repo_id: RepoId, measured: Sequence[tuple[Target, Point]], scores: Scores, hub: Hub, *, private: bool
) -> Shared:
    """Publish what was measured.

    Args:
        repo_id: A dataset repo; created when it is not there.
        measured: Each point with what it was measured on.
        scores: The run that they are of: its rewards, prompts and sampling.
        hub: Where to.
        private: Create the repo private.

    Raises:
        NotFound: The token gives no write access.
        HubError: The hub or the network failed, or others kept writing at the same time.
    """
    who = hub.whoami()
    bases: dict[str, list[tuple[Target, Point]]] = {}
    for target, point in measured:
        if _sharable(target):
            bases.setdefault(digest(target.base.to_json()), []).append((target, point))
    base = next(iter(bases.values()))[0][0].base
    files: dict[str, bytes] = {}
    for group in bases.values():
        document = _document(group, scores, who)
        files[f"{FOLDER}{digest(document.to_json())[:16]}{ENDING}"] = _sized(document)
    hub.create_repo(repo_id, private=private, repo_type="dataset")
    left_out = len(measured) - sum(map(len, bases.values()))
    for attempt in range(ATTEMPTS):
        there = hub.info(repo_id, repo_type="dataset")
        new = {name: data for name, data in files.items() if name not in there.files}
        if not new:
            return Shared(repo=repo_id, commit=there.commit, files=(), left_out=left_out)
        card = render_measurements_card(repo_id, who, new, there, hub, base=str(base.repo_id))
        try:
            done = hub.commit(
                repo_id,
                {**new, CARD: card.encode()},
                message=f"Measurements of {', '.join(scores.rewards)}",
                parent_commit=there.commit,
                repo_type="dataset",
            )
        except HubError as fault:
            if not fault.can_retry or attempt == ATTEMPTS - 1:
                raise
            continue
        return Shared(repo=repo_id, commit=done.commit, files=tuple(sorted(new)), left_out=left_out)
    raise AssertionError("unreachable")


def _sharable(target: Target) -> bool:
    """Say whether others can tell what was measured: the base's start, or experts on it."""
    return target.base.repo_id is not None and (bool(target.lineup.experts) or target.kind == "init")


def _document(group: Sequence[tuple[Target, Point]], scores: Scores, who: str) -> Scores:
    """Put the points on one base together as others read them: by experts that are known by their files."""
    base = group[0][0].base
    pins = {content_of(pin.files): pin for target, _ in group for pin in target.lineup.experts.values()}
    names = _names(pins)
    points = [
        replace(point, coefficients=_by_expert(target.lineup, target.coefficients, names), preference=None, unknown={})
        for target, point in group
    ]
    facts = {key: scores.unknown[key] for key in ("prompts", "generation")}
    experts = {names[content]: _expert(pin) for content, pin in sorted(pins.items(), key=lambda item: names[item[0]])}
    about = {"base": base.to_json(), "experts": experts, "measured_by": who}
    tool = {"name": "rshub", "version": __version__}
    return replace(scores, points=tuple(points), unknown={**facts, **about, "tool": tool})


def _names(pins: Mapping[Digest, Pin]) -> dict[Digest, str]:
    """Call each expert by its repo, or by its folder's own name; where two are called alike, with what tells them."""
    short = {content: pin.repo_id or (pin.path or "").rstrip("/").rpartition("/")[2] for content, pin in pins.items()}
    alike = list(short.values())
    return {
        content: name if alike.count(name) == 1 else f"{name}@{(pins[content].revision or content)[:12]}"
        for content, name in short.items()
    }


def _expert(pin: Pin) -> dict[str, Any]:
    """Say what an expert is, without where it lies on this machine."""
    return {key: value for key, value in pin.to_json().items() if key != "path"}


def _by_expert(lineup: Lineup, coefficients: Mapping[str, float], names: Mapping[Digest, str]) -> dict[str, float]:
    called: dict[str, float] = {}
    for label, value in coefficients.items():
        name = names[content_of(lineup.experts[label].files)]
        called[name] = called.get(name, 0.0) + value
    return called


def _sized(document: Scores) -> bytes:
    """Write a file that is read again: where the values of single prompts make it too large, without them."""
    data = document.to_bytes()
    if len(data) <= MAX_BYTES:
        return data
    bare = [
        replace(point, rewards={name: replace(score, samples=None) for name, score in point.rewards.items()})
        for point in document.points
    ]
    return replace(document, points=tuple(bare)).to_bytes()
