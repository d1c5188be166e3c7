"""Where the training of an expert in a folder began, as ``training.json`` beside it says: it was not published yet.

A start that is a folder too is named as the training was told it, and known by the digest of its weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rshub.errors import IntegrityError, InvalidInput
from rshub.experts.manifest import ADAPTER_INITS, INIT_KINDS, InitClaim
from rshub.experts.training_summary import FILE_NAME, training_beside
from rshub.formats.address import RepoAddress, is_folder, parse_repo
from rshub.types import CommitSha, Digest, RepoId


@dataclass(frozen=True, kw_only=True)
class LocalStart:
    """A start on a base as a manifest would claim it, and its folder where it is one."""

    claim: InitClaim
    base: RepoId | None
    folder: Path | None = None


def start_beside(expert: Path, base: RepoId | None) -> LocalStart | None:
    """Read the start of the expert in a folder; None where nothing is said of it.

    Args:
        expert: The folder.
        base: The repo of the base that it is to be used on.

    Raises:
        IntegrityError: What is said is no start.
    """
    summary = expert / FILE_NAME
    said = training_beside(expert, error=IntegrityError) or {}
    if "init" not in said:
        return None
    kind, _, place = str(said["init"]).partition(":")
    digest = Digest(str(said["init_digest"])) if "init_digest" in said else None
    if place and is_folder(place):
        return LocalStart(claim=InitClaim(kind=kind, digest=digest), base=base, folder=Path(place))
    repo = _repo(place)
    if kind not in INIT_KINDS or (repo is None and (place or kind in ADAPTER_INITS)):
        raise IntegrityError(
            f"{summary}: 'init' is {said['init']!r}, which is no start",
            where=f"{summary}: init",
            remedy="train the expert again, or publish it with --init",
        )
    if repo is None:
        return LocalStart(claim=InitClaim(kind=kind), base=base)
    commit = CommitSha(repo.revision) if repo.revision else None
    claim = InitClaim(kind=kind, repo_id=repo.repo_id, revision=commit, digest=digest)
    return LocalStart(claim=claim, base=base)


def _repo(place: str) -> RepoAddress | None:
    try:
        return parse_repo(place)
    except InvalidInput:
        return None
