"""Where the training of an expert began: the start that a publisher names, and whether it can be one.

An adapter that was continued belongs to the expert's own base. It says itself which base that is; where it cannot be
looked up, nothing is claimed about it.
"""

from __future__ import annotations

from contextlib import suppress

from rshub.deltas.adapters import CONFIG, WEIGHTS
from rshub.errors import Incompatible, IntegrityError, InvalidInput, NotFound
from rshub.experts.base_identity import BaseIdentity, identify_base
from rshub.experts.catalog import read_manifest
from rshub.experts.compatibility import judge
from rshub.experts.draft import Draft
from rshub.experts.manifest import ADAPTER_INITS, FILE_NAME, InitClaim
from rshub.formats.address import RepoAddress, parse_repo
from rshub.formats.canonical import load_json, sha256
from rshub.hub.client import Hub, RepoInfo
from rshub.types import Digest

_SMALL = 8 * 1024 * 1024


def claim_init(draft: Draft, identity: BaseIdentity, hub: Hub) -> InitClaim:
    """Pin the start that was named; see ``claim_start``."""
    return claim_start(draft.init_kind, draft.init, identity, hub)


def claim_start(kind: str, init: RepoAddress | None, identity: BaseIdentity, hub: Hub) -> InitClaim:
    """Pin a start: its kind, and where it is.

    Raises:
        NotFound: It is not there, or is no adapter.
        Incompatible: It is an adapter of another base.
    """
    if init is None:
        return InitClaim(kind=kind)
    info = hub.info(init.repo_id, init.revision)
    is_adapter = kind in ADAPTER_INITS
    if is_adapter:
        if WEIGHTS not in info.files:
            raise NotFound(f"{init}: no {WEIGHTS}", where="--init", remedy="name the adapter that training began with")
        other = _other_base(info, identity, hub)
        if other:
            raise Incompatible(
                f"{init}: an adapter of another base, {other}; training on {identity} cannot have begun with it",
                where="--init",
                remedy="name the adapter that training began with, or the base that it was on with --base",
            )
    return InitClaim(
        kind=kind,
        repo_id=info.repo_id,
        revision=info.commit,
        digest=info.files[WEIGHTS].sha256 if is_adapter else None,
    )


def adapter_digest(info: RepoInfo, hub: Hub) -> Digest:
    """Give the sha256 of the adapter in a repo.

    Raises:
        NotFound: There is none.
        IntegrityError: The hub does not know it, and the file is large.
    """
    if WEIGHTS not in info.files:
        raise NotFound(f"{info.repo_id}: no {WEIGHTS}", where=info.repo_id, remedy="name a repo with an adapter")
    return info.files[WEIGHTS].sha256 or sha256(hub.read(info.repo_id, WEIGHTS, commit=info.commit, max_bytes=_SMALL))


def _other_base(info: RepoInfo, identity: BaseIdentity, hub: Hub) -> str:
    """Name the base of an adapter if it is known to be another one."""
    with suppress(IntegrityError):
        if FILE_NAME in info.files:
            manifest = read_manifest(hub, info.repo_id, commit=info.commit)
            other = any(reason.code in {"base", "base-weights"} for reason in judge(manifest, identity))
            return f"{manifest.base.repo_id or 'unknown'}@{(manifest.base.revision or 'unknown')[:8]}" if other else ""
    with suppress(IntegrityError, InvalidInput, NotFound):
        data = hub.read(info.repo_id, CONFIG, commit=info.commit, max_bytes=_SMALL)
        config = load_json(data, source=f"{info.repo_id}/{CONFIG}", error=IntegrityError)
        named = parse_repo(str(config.get("base_model_name_or_path") or ""))
        revision = named.revision or config.get("revision") or None
        if named.repo_id == identity.repo_id and revision in {None, identity.revision}:
            return ""
        found = identify_base(f"{named.repo_id}@{revision}" if revision else named.repo_id, hub)
        if sorted(found.files.values()) != sorted(identity.files.values()):
            return str(found)
    return ""
