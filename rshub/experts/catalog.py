"""Finding experts on a hub: by tags, then by what their manifests say, at released versions.

A neighbour with a broken manifest is set aside with the reason; it never hides the others. No choice is made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rshub.errors import IntegrityError, NotFound
from rshub.experts.manifest import FILE_NAME, MAX_BYTES, ExpertManifest
from rshub.experts.versions import Version, parse_tag, released
from rshub.formats.address import RepoAddress
from rshub.hub.client import Hub
from rshub.types import CommitSha, RepoId

EXPERT_TAG = "rewarded-soup-expert"


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """One expert at one commit; ``version`` is None for a head that was never released."""

    repo_id: RepoId
    commit: CommitSha
    version: Version | None
    manifest: ExpertManifest
    private: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give what a listing shows of it."""
        own = self.manifest.own_score
        return {
            "repo": self.repo_id,
            "commit": self.commit,
            "tag": self.version.tag if self.version else None,
            "reward": self.manifest.reward.name,
            "direction": self.manifest.reward.direction,
            "base": self.manifest.base.repo_id,
            "base_revision": self.manifest.base.revision,
            "init": self.manifest.init.kind,
            "kind": self.manifest.artefact.kind,
            "own_score": own.value if own else None,
            "scores": {score.reward: score.value for score in self.manifest.scores},
            "licence": self.manifest.licence,
            "private": self.private,
        }


@dataclass(frozen=True, kw_only=True)
class Discarded:
    """A repo that looked like an expert and could not be read as one."""

    repo_id: RepoId
    commit: CommitSha
    code: str
    message: str
    version: Version | None = None


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """What was found on a hub."""

    entries: tuple[CatalogEntry, ...] = ()
    discarded: tuple[Discarded, ...] = ()

    def __iter__(self) -> Iterator[CatalogEntry]:
        """Go through the experts."""
        return iter(self.entries)

    def __len__(self) -> int:
        """Count the experts."""
        return len(self.entries)


def read_manifest(hub: Hub, repo_id: str, *, commit: str) -> ExpertManifest:
    """Read the manifest of a repo at a commit.

    Raises:
        NotFound: The repo has none.
        IntegrityError: It has one that is broken.
    """
    try:
        data = hub.read(repo_id, FILE_NAME, commit=commit, max_bytes=MAX_BYTES)
    except NotFound as fault:
        fault.remedy = f"name a repo that holds an {FILE_NAME}, which rshub publish writes; rshub ls lists experts"
        raise
    return ExpertManifest.from_bytes(data, source=f"{repo_id}/{FILE_NAME}")


def find_named(hub: Hub, address: RepoAddress) -> CatalogEntry:
    """Look up one expert by name, at the revision that was named or at its newest release, else at its head.

    Raises:
        NotFound: There is no such repo or revision, or it holds no manifest.
        IntegrityError: Its manifest is broken.
    """
    commit, version, private = locate(hub, address)
    manifest = read_manifest(hub, address.repo_id, commit=commit)
    return CatalogEntry(repo_id=address.repo_id, commit=commit, version=version, manifest=manifest, private=private)


def locate(hub: Hub, address: RepoAddress) -> tuple[CommitSha, Version | None, bool]:
    """Find the commit that an address means, the release that stands for it, and whether the repo is private."""
    if address.revision is not None:
        info = hub.info(address.repo_id, address.revision)
        return info.commit, parse_tag(address.revision), info.private
    newest = next(iter(released(hub.refs(address.repo_id).tags)), None)
    info = hub.info(address.repo_id, newest.tag if newest else None)
    return info.commit, newest, info.private


def find_experts(
    hub: Hub,
    *,
    base: str | None = None,
    reward: str | None = None,
    author: str | None = None,
    versions_each: int = 64,
) -> Catalog:
    """Find the released experts that carry these tags.

    Args:
        hub: Where to look.
        base: The base's repo id; None for any.
        reward: The reward's name; None for any.
        author: The account or organisation; None for any.
        versions_each: How many of a repo's newest releases are read.
    """
    tags = [EXPERT_TAG]
    tags += [f"base_model:{base}"] if base else []
    tags += [f"reward:{reward}"] if reward else []
    entries: list[CatalogEntry] = []
    discarded: list[Discarded] = []
    for summary in hub.list_models(tags=tags, author=author):
        try:
            versions = _released_commits(hub, summary.repo_id, most=versions_each)
        except NotFound as fault:  # it went while we looked
            discarded.append(
                Discarded(repo_id=summary.repo_id, commit=summary.commit, code="gone", message=fault.message)
            )
            continue
        if not versions:
            why = "no released version: a head without a v1.2.3 tag is used only when it is named in full"
            discarded.append(Discarded(repo_id=summary.repo_id, commit=summary.commit, code="untagged", message=why))
        for version, commit in versions:
            try:
                manifest = read_manifest(hub, summary.repo_id, commit=commit)
            except (IntegrityError, NotFound) as fault:
                discarded.append(
                    Discarded(
                        repo_id=summary.repo_id, commit=commit, code="manifest", message=fault.message, version=version
                    )
                )
                continue
            if reward is not None and manifest.reward.name != reward:
                why = f"tagged reward:{reward}, but its manifest says {manifest.reward.name}"
                discarded.append(
                    Discarded(repo_id=summary.repo_id, commit=commit, code="reward", message=why, version=version)
                )
                continue
            entries.append(
                CatalogEntry(
                    repo_id=summary.repo_id,
                    commit=commit,
                    version=version,
                    manifest=manifest,
                    private=summary.private,
                )
            )
    return Catalog(entries=tuple(entries), discarded=tuple(discarded))


def _released_commits(hub: Hub, repo_id: str, *, most: int) -> Sequence[tuple[Version, CommitSha]]:
    """Give the newest releases of a repo, newest first, each commit once."""
    tags = hub.refs(repo_id).tags
    seen: set[str] = set()
    found: list[tuple[Version, CommitSha]] = []
    for version in released(tags):
        if tags[version.tag] not in seen and len(found) < most:
            seen.add(tags[version.tag])
            found.append((version, tags[version.tag]))
    return found
