"""Bringing what a lock pins onto this machine, and holding its digests against the lock. Nothing else is fetched."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rshub.errors import IntegrityError, InvalidInput, NotFound
from rshub.experts.base_identity import BaseIdentity
from rshub.hub.client import Hub
from rshub.soups.lock import Pin
from rshub.soups.pin import ADAPTER_FILES
from rshub.tensors.file_digest import file_digest
from rshub.types import CommitSha, RepoId

COMPANIONS = (".json", ".txt", ".jinja", ".model", ".tiktoken")
"""Endings of the small files that belong to a model: config, tokenizer, chat template, generation config."""

NOT_COMPANIONS = ("adapter_config.json", "expert.json", "soup.lock.json", "trainer_state.json", "all_results.json")


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
    """Give a folder with exactly the files of a base: its pinned weights and what belongs to them.

    Raises:
        NotFound: The base or one of its files is not there.
        IntegrityError: A weight file is not the one that was pinned.
    """
    with tempfile.TemporaryDirectory(prefix="rshub-base-") as view:
        if base.path is not None:
            source = _folder(base)
            names = [path.name for path in source.iterdir() if path.is_file()]
        else:
            repo_id, commit = _repo(base)
            names = list(hub.info(repo_id, commit).files)
            source = hub.download(repo_id, _wanted(base, names), commit=commit)
        for name in _wanted(base, names):
            (Path(view) / name).symlink_to((source / name).resolve())
        _check(base, Path(view), afresh=afresh)
        yield Path(view)


def fetch_adapter(pin: Pin, hub: Hub, *, afresh: bool = False) -> Path:
    """Give a folder that holds a pinned adapter.

    Raises:
        NotFound: It is not there.
        IntegrityError: A file is not the one that was pinned.
    """
    if pin.path is not None:
        source = _folder(pin)
    else:
        repo_id, commit = _repo(pin)
        source = hub.download(repo_id, ADAPTER_FILES, commit=commit)
    missing = [name for name in ADAPTER_FILES if name not in pin.files]
    if missing:
        raise InvalidInput(f"{pin.place}: the lock has no digest of {missing[0]}", where=pin.place)
    _check(pin, source, afresh=afresh)
    return source


def _wanted(base: Pin, names: list[str]) -> list[str]:
    small = [name for name in names if name.endswith(COMPANIONS) and "/" not in name and name not in NOT_COMPANIONS]
    return sorted({*base.files, *small})


def _folder(pin: Pin) -> Path:
    folder = Path(pin.path or "")
    if not folder.is_dir():
        raise NotFound(f"{folder}: no such folder", where=str(folder), remedy="the lock was made where it was there")
    return folder


def _repo(pin: Pin) -> tuple[RepoId, CommitSha]:
    assert pin.repo_id is not None
    assert pin.revision is not None
    return RepoId(pin.repo_id), pin.revision


def _check(pin: Pin, folder: Path, *, afresh: bool) -> None:
    for name, expected in pin.files.items():
        found = file_digest(folder / name, afresh=afresh)
        if found != expected:
            raise IntegrityError(
                f"{pin.place}/{name}: its sha256 is {found[:12]}..., {expected[:12]}... was pinned",
                where=f"{pin.place}/{name}",
                remedy="fetch it again; if it stays so, it was changed after the lock was made",
            )
