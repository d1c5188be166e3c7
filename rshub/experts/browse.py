"""Looking around: which experts a hub holds, and what one of them says of itself. Reads, never judges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rshub.errors import NotFound
from rshub.experts.catalog import Catalog, find_experts, find_named
from rshub.experts.manifest import FILE_NAME, ExpertManifest
from rshub.formats.address import RepoAddress, parse_address, parse_repo
from rshub.hub.client import Hub


@dataclass(frozen=True, kw_only=True)
class ExpertInfo:
    """One expert's manifest and where it stands."""

    place: str
    commit: str | None
    tag: str | None
    private: bool
    manifest: ExpertManifest

    def to_json(self) -> dict[str, Any]:
        """Give place, commit, tag and the whole manifest."""
        return {
            "repo": self.place,
            "commit": self.commit,
            "tag": self.tag,
            "private": self.private,
            "manifest": self.manifest.to_json(),
        }

    def lines(self) -> list[str]:
        """Describe the expert for a person."""
        manifest = self.manifest
        reward, base, init = manifest.reward, manifest.base, manifest.init
        at = f"@{self.tag or (self.commit or '')[:8]}" if self.commit else ""
        artefact = manifest.artefact
        size = sum(claim.size for claim in artefact.files.values())
        form = f"rank {artefact.rank or 'unknown'}" if artefact.kind == "lora" else artefact.format
        weights = f"{artefact.kind}, {form}, {len(artefact.modules)} modules, {size} bytes"
        shown = [
            f"{self.place}{at}" + (" (private)" if self.private else ""),
            f"  reward    {reward.name} ({reward.direction}){f'  {reward.spec}' if reward.spec else ''}",
            f"  base      {base.repo_id or 'unknown'}@{(base.revision or 'unknown')[:8]}",
            f"  init      {init.kind}" + (f"  {init.repo_id}@{(init.revision or '')[:8]}" if init.repo_id else ""),
            f"  artefact  {weights}",
            f"  licence   {manifest.licence or 'unknown'}",
        ]
        for score in manifest.scores:
            error = f" ± {score.stderr:.4g}" if score.stderr is not None else ""
            count = f" (n={score.n})" if score.n is not None else ""
            shown.append(f"  score     {score.reward} = {score.value:.4g}{error}{count}")
        return shown


def ls(
    *,
    base: str | None = None,
    reward: str | None = None,
    author: str | None = None,
    endpoint: str | None = None,
    token: str | None = None,
) -> Catalog:
    """List the released experts of a hub, each at its newest release.

    Args:
        base: Only experts on this base (``owner/name``).
        reward: Only experts for the reward of this name.
        author: Only experts of this account.
        endpoint: The hub's address.
        token: Who is asking.

    Returns:
        A catalog to go through; what could not be read stands under ``discarded``.

    Raises:
        InvalidInput: The base is no repo.
        HubError: The hub or the network failed.
    """
    repo_id = parse_repo(base).repo_id if base is not None else None
    return find_experts(Hub(endpoint, token), base=repo_id, reward=reward, author=author, versions_each=1)


def info(repo: str, *, endpoint: str | None = None, token: str | None = None) -> ExpertInfo:
    """Show what one expert says of itself.

    Args:
        repo: ``owner/name``, ``owner/name@revision`` or a local folder; without a revision the newest release.
        endpoint: The hub's address.
        token: Who is asking.

    Raises:
        NotFound: There is no such repo or folder, or it holds no manifest.
        IntegrityError: Its manifest is broken.
    """
    address = parse_address(repo)
    if isinstance(address, RepoAddress):
        entry = find_named(Hub(endpoint, token), address)
        tag = entry.version.tag if entry.version else None
        return ExpertInfo(
            place=entry.repo_id, commit=entry.commit, tag=tag, private=entry.private, manifest=entry.manifest
        )
    return ExpertInfo(place=str(address), commit=None, tag=None, private=True, manifest=_read_folder(address))


def _read_folder(folder: Path) -> ExpertManifest:
    path = folder / FILE_NAME
    if not path.is_file():
        raise NotFound(
            f"{folder}: no {FILE_NAME}", where=str(folder), remedy="publish it first: rshub publish DIR OWNER/NAME"
        )
    return ExpertManifest.from_bytes(path.read_bytes(), source=str(path))
