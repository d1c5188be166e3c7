"""Checking an expert: every digest and every claim of its manifest that can be checked, each with a result of its own.

A failed check never hides the next one; only what makes further checks meaningless ends them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rshub.deltas.adapters import CONFIG, WEIGHTS, read_adapter
from rshub.errors import HubError, NotFound, RshubError
from rshub.experts.base_identity import BaseIdentity, identify_base, read_layout
from rshub.experts.compatibility import judge
from rshub.experts.draft import look_up_spec
from rshub.experts.manifest import FILE_NAME, ExpertManifest
from rshub.hub.client import Hub
from rshub.tensors.file_digest import file_digest


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was checked; ``ok`` is None when it could not be."""

    name: str
    ok: bool | None
    detail: str

    def to_json(self) -> dict[str, Any]:
        """Give name, ok and detail."""
        return vars(self).copy()


def attempt(name: str, check: Callable[[], str]) -> Check:
    """Run one check; an error of ours is its result, unless the hub failed and nothing can be said."""
    try:
        return Check(name=name, ok=True, detail=check())
    except HubError:
        raise
    except RshubError as fault:
        return Check(name=name, ok=False, detail=fault.message)


def check_files(folder: Path, expected: Mapping[str, str]) -> list[Check]:
    """Hash files and compare; ``expected`` maps names to sha256."""
    checks = []
    for name, digest in sorted(expected.items()):

        def same(name: str = name, digest: str = digest) -> str:
            found = file_digest(folder / name, afresh=True)
            if found != digest:
                raise RshubError(f"sha256 is {found}, {digest} was promised")
            return f"sha256 {digest[:16]}"

        checks.append(attempt(f"file {name}", same))
    return checks


def check_expert(folder: Path, manifest: ExpertManifest, hub: Hub) -> list[Check]:
    """Check an expert that lies in a folder, against its manifest and its base."""
    checks = [Check(name=FILE_NAME, ok=True, detail=f"an expert for {manifest.reward.name}")]
    unclaimed = sorted({CONFIG, WEIGHTS} - set(manifest.artefact.files))
    if unclaimed:
        checks.append(Check(name="claims", ok=False, detail=f"the manifest says nothing of {', '.join(unclaimed)}"))
    checks += check_files(folder, {name: claim.sha256 for name, claim in manifest.artefact.files.items()})
    checks.append(attempt("spec", lambda: _spec(manifest)))
    checks.append(attempt("weights", lambda: _weights(folder, manifest)))
    claim = manifest.base
    if claim.repo_id is None:
        return [*checks, Check(name="base", ok=None, detail="the base is unknown")]
    try:
        base = identify_base(f"{claim.repo_id}@{claim.revision}" if claim.revision else str(claim.repo_id), hub)
    except NotFound as fault:
        return [*checks, Check(name="base", ok=None, detail=f"the base cannot be looked at: {fault.message}")]
    checks.append(attempt("base", lambda: _base(manifest, base)))
    checks.append(attempt("fit", lambda: _fit(folder, base, hub)))
    return checks


def _base(manifest: ExpertManifest, base: BaseIdentity) -> str:
    reasons = judge(manifest, base)
    if reasons:
        raise RshubError("; ".join(reason.message for reason in reasons))
    return f"{base}: the digests of weights, config and tokenizer agree"


def _spec(manifest: ExpertManifest) -> str:
    reward = manifest.reward
    if reward.spec is None or reward.spec_digest is None:
        return "no spec is claimed"
    _, known = look_up_spec(reward.spec)
    if known != reward.spec_digest:
        raise RshubError(f"the digest of {reward.spec} is {known}, {reward.spec_digest} is claimed")
    return f"{reward.spec}: its digest agrees"


def _weights(folder: Path, manifest: ExpertManifest) -> str:
    adapter = read_adapter(folder)
    adapter.check_finite()
    artefact = manifest.artefact
    if artefact.rank is not None and artefact.rank != adapter.rank:
        raise RshubError(f"rank {adapter.rank}, {artefact.rank} is claimed")
    if artefact.modules and sorted(artefact.modules) != sorted(adapter.modules):
        raise RshubError("the modules are not those that are claimed")
    return f"rank {adapter.rank}, {len(adapter.modules)} modules, every number is finite"


def _fit(folder: Path, base: BaseIdentity, hub: Hub) -> str:
    placed = read_adapter(folder).place(read_layout(base, hub))
    return f"every tensor has its place in {base} ({len(placed)} modules)"
