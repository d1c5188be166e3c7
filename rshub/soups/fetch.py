"""Bringing what a lock pins onto this machine, and holding its digests against the lock. Nothing else is fetched."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from rshub.deltas.expert_files import ENDING
from rshub.errors import IntegrityError, InvalidInput, NotFound, RshubError
from rshub.experts.base_identity import BaseIdentity
from rshub.hub.client import Hub
from rshub.preferences.preference import INIT, SUM_TOLERANCE
from rshub.soups.lock import Pin, SoupLock
from rshub.soups.plan import Term
from rshub.tensors.companions import is_side_file
from rshub.tensors.file_digest import file_digest
from rshub.tensors.pipeline import model_files
from rshub.tensors.plain_file import read_plain
from rshub.tensors.weight_files import MAX_INDEX_BYTES, WeightFiles, weight_files
from rshub.types import CommitSha, RepoId


def identity_of(base: Pin) -> BaseIdentity:
    """Give the identity that a lock's base has."""
    return BaseIdentity(
        repo_id=RepoId(base.repo_id) if base.repo_id else None,
        revision=base.revision,
        path=base.path,
        files=base.files,
    )


@contextmanager
def fetch_base(base: Pin, hub: Hub, *, afresh: bool = False) -> Iterator[Path]:
    """Give a folder with exactly the files of a base: what is pinned and, from a hub's commit, what belongs to it.

    Raises:
        NotFound: The base or one of its files is not there.
        IntegrityError: A weight file is not the one that was pinned.
    """
    if base.path is not None:
        source, names = _folder(base), list(base.files)
        _all_pinned(base, weight_files(model_files(source), lambda name: read_plain(source / name), source=base.place))
    else:
        repo_id, commit = _repo(base)
        there = list(hub.info(repo_id, commit).files)
        found = weight_files(there, partial(_read, hub, repo_id, commit), source=base.place)
        _all_pinned(base, found)
        names = [*base.files, *(name for name in there if is_side_file(name, found))]
        source = hub.download(repo_id, names, commit=commit)
    with tempfile.TemporaryDirectory(prefix="rshub-base-") as view:
        for name in dict.fromkeys(names):
            link = Path(view) / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((source / name).resolve())
        try:
            check_pin(base, Path(view), afresh=afresh)
            yield Path(view)
        except RshubError as fault:
            _name_as_asked(fault, view, base.place)
            raise


def _name_as_asked(fault: RshubError, view: str, place: str) -> None:
    """Say in an error what the base is called, not where its files were gathered."""
    fault.message = fault.message.replace(view, place)
    fault.where = fault.where.replace(view, place)
    fault.remedy = fault.remedy.replace(view, place)


def _read(hub: Hub, repo_id: RepoId, commit: CommitSha, name: str) -> bytes:
    return hub.read(repo_id, name, commit=commit, max_bytes=MAX_INDEX_BYTES)


def _all_pinned(base: Pin, found: WeightFiles) -> None:
    """Refuse a base of which a weight file is not pinned."""
    loose = sorted(set(found.shards) - set(base.files))
    if loose:
        raise InvalidInput(
            f"{base.place}: the lock has no digest of {loose[0]}",
            where=base.place,
            remedy="make the lock again: rshub resolve ... --lock FILE",
        )


def fetch_expert(pin: Pin, hub: Hub, *, afresh: bool = False) -> Path:
    """Give a folder that holds the files of a pinned expert; others may lie beside them.

    Raises:
        NotFound: They are not there.
        IntegrityError: A file is not the one that was pinned.
    """
    if not any(name.endswith(ENDING) for name in pin.files):
        raise InvalidInput(
            f"{pin.place}: the lock has no digest of any tensors",
            where=pin.place,
            remedy="make the lock again: rshub resolve ... --lock FILE",
        )
    if pin.path is not None:
        source = _folder(pin)
    else:
        repo_id, commit = _repo(pin)
        source = hub.download(repo_id, pin.files, commit=commit)
    check_pin(pin, source, afresh=afresh)
    return source


def fetch_terms(lock: SoupLock, hub: Hub, *, afresh: bool = False) -> list[Term]:
    """Give every expert of a lock with its coefficient, on this machine; the start comes last.

    Experts that continue one adapter are anchored to it: it counts with 1 - sum lambda, so that lambda = 0 gives the
    start. Where that share is nothing it is not fetched. An adapter that experts are stacked on counts once, whatever
    the coefficients: it was frozen and is no part of theirs.

    Raises:
        NotFound: Something is not there.
        IntegrityError: Something is not what was pinned.
    """
    terms = [
        _term(expert.label, expert.pin, expert.coefficient, fetch_expert(expert.pin, hub, afresh=afresh))
        for expert in lock.experts
    ]
    if lock.init is None:
        return terms
    stacked = lock.init_kind == "stacked"
    share = 1.0 if stacked else 1.0 - math.fsum(term.coefficient for term in terms)
    if abs(share) > SUM_TOLERANCE:
        start = _term(INIT, lock.init, share, fetch_expert(lock.init, hub, afresh=afresh))
        terms.append(replace(start, anchor=not stacked))
    return terms


def _term(label: str, pin: Pin, coefficient: float, folder: Path) -> Term:
    return Term(label=label, folder=folder, coefficient=coefficient, files=tuple(pin.files))


def _folder(pin: Pin) -> Path:
    folder = Path(pin.path or "")
    if not folder.is_dir():
        raise NotFound(f"{folder}: no such folder", where=str(folder), remedy="the lock was made where it was there")
    return folder


def _repo(pin: Pin) -> tuple[RepoId, CommitSha]:
    assert pin.repo_id is not None
    assert pin.revision is not None
    return RepoId(pin.repo_id), pin.revision


def check_pin(pin: Pin, folder: Path, *, afresh: bool) -> None:
    """Hold the files of a folder against what was pinned.

    Raises:
        NotFound: One is not there.
        IntegrityError: One is not what was pinned.
    """
    for name, expected in pin.files.items():
        found = file_digest(folder / name, afresh=afresh)
        if found != expected:
            raise IntegrityError(
                f"{pin.place}/{name}: its sha256 is {found[:12]}..., {expected[:12]}... was pinned",
                where=f"{pin.place}/{name}",
                remedy="fetch it again; if it stays so, it was changed after the lock was made",
            )
