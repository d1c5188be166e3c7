"""Checking an expert: every digest and every claim of its manifest that can be checked, each with a result of its own.

A failed check never hides the next one; only what makes further checks meaningless ends them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rshub.deltas.expert_files import expert_files, files_in
from rshub.deltas.expert_tensors import ExpertTensors, read_expert
from rshub.deltas.weight_sets import WeightSet
from rshub.errors import HubError, IntegrityError, NotFound, RshubError
from rshub.experts.base_identity import BaseIdentity, identify_base, read_layout
from rshub.experts.claims import Carried, compare_carried, tensor_names
from rshub.experts.compatibility import judge
from rshub.experts.draft import look_up_spec
from rshub.experts.manifest import ADAPTER_INITS, FILE_NAME, ExpertManifest
from rshub.experts.starts import adapter_digest
from rshub.hub.client import Hub
from rshub.tensors.file_digest import file_digest
from rshub.tensors.plain_file import open_plain, read_plain


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
    needed = needed_files(files_in(folder), lambda name: read_plain(folder / name))
    names = needed | set(manifest.artefact.files)
    unclaimed = sorted(needed - set(manifest.artefact.files))
    if unclaimed:
        checks.append(Check(name="claims", ok=False, detail=f"the manifest says nothing of {', '.join(unclaimed)}"))
    checks += check_files(folder, {name: claim.sha256 for name, claim in manifest.artefact.files.items()})
    checks.append(attempt("sizes", lambda: _sizes(folder, manifest)))
    checks.append(attempt("spec", lambda: _spec(manifest)))
    checks.append(attempt("weights", lambda: _weights(read_expert(folder, names=names), manifest)))
    checks += _init(manifest, hub)
    claim = manifest.base
    if claim.repo_id is None:
        return [*checks, Check(name="base", ok=None, detail="the base is unknown")]
    try:
        base = identify_base(f"{claim.repo_id}@{claim.revision}" if claim.revision else str(claim.repo_id), hub)
    except NotFound as fault:
        return [*checks, Check(name="base", ok=None, detail=f"the base cannot be looked at: {fault.message}")]
    checks.append(attempt("base", lambda: _base(manifest, base)))
    fit = attempt("fit", lambda: _fit(read_expert(folder, names=names), manifest, base, hub))
    return [*checks, fit, *(_carried(read_expert(folder, names=names), base, hub) if fit.ok else ())]


def _base(manifest: ExpertManifest, base: BaseIdentity) -> str:
    reasons = judge(manifest, base)
    if reasons:
        raise RshubError("; ".join(reason.message for reason in reasons))
    return f"{base}: the digests of weights, config and tokenizer agree"


def _spec(manifest: ExpertManifest) -> str:
    reward = manifest.reward
    if reward.spec is None or reward.spec_digest is None:
        return "no spec is claimed"
    _, _, known = look_up_spec(reward.spec)
    if known != reward.spec_digest:
        raise RshubError(f"the digest of {reward.spec} is {known}, {reward.spec_digest} is claimed")
    return f"{reward.spec}: its digest agrees"


def needed_files(names: Collection[str], read: Callable[[str], bytes]) -> set[str]:
    """Name the files that an expert is read from; none where that cannot be said, which other checks tell."""
    with suppress(IntegrityError, NotFound):
        return set(expert_files(names, read, source="the expert").names)
    return set()


def _weights(expert: ExpertTensors, manifest: ExpertManifest) -> str:
    expert.check_finite()
    artefact = manifest.artefact
    if isinstance(expert, WeightSet) == (artefact.kind == "lora"):
        raise RshubError(f"the files are not those of a {artefact.kind} expert, which is claimed")
    if artefact.rank is not None and artefact.rank != expert.rank:
        raise RshubError(f"rank {expert.rank}, {artefact.rank} is claimed")
    if artefact.modules and sorted(artefact.modules) != sorted(expert.modules):
        raise RshubError("the modules are not those that are claimed")
    unknown = sorted(set(artefact.shared) - tensor_names(expert))
    if unknown:
        raise RshubError(f"the tensor {unknown[0]}, which is claimed to be shared, is not there")
    form = f"rank {expert.rank}" if artefact.kind == "lora" else artefact.kind
    return f"{form}, {len(expert.modules)} modules, every number is finite"


def _sizes(folder: Path, manifest: ExpertManifest) -> str:
    for name, claim in sorted(manifest.artefact.files.items()):
        with open_plain(folder / name) as file:
            found = os.fstat(file.fileno()).st_size
        if found != claim.size:
            raise RshubError(f"{name} has {found} bytes, {claim.size} are claimed")
    return f"{len(manifest.artefact.files)} files are as large as claimed"


def _init(manifest: ExpertManifest, hub: Hub) -> list[Check]:
    """Hold the digest of the start against the start that is named."""
    init = manifest.init
    if init.digest is None:
        return []
    if init.kind not in ADAPTER_INITS or init.repo_id is None or init.revision is None:
        return [Check(name="init", ok=None, detail="its digest is claimed, but no adapter at a commit is named")]
    try:
        found = adapter_digest(hub.info(init.repo_id, init.revision), hub)
    except NotFound as fault:
        return [Check(name="init", ok=None, detail=f"the start cannot be looked at: {fault.message}")]
    place = f"{init.repo_id}@{init.revision[:8]}"
    said = f"{place}: its digest agrees" if found == init.digest else f"{place} is {found}, {init.digest} is claimed"
    return [Check(name="init", ok=found == init.digest, detail=said)]


def _carried(expert: ExpertTensors, base: BaseIdentity, hub: Hub) -> list[Check]:
    """Hold what is no number to mix against the base's own; there is nothing to say where there is none."""
    compared: list[Carried] = []

    def same() -> str:
        compared.append(compare_carried(expert, read_layout(base, hub), base, hub))
        return f"{len(compared[0].same)} tensors that are not mixed are the base's own"

    check = attempt("carried", same)
    if not compared:
        return [check]
    if compared[0].note:
        return [Check(name="carried", ok=None, detail=compared[0].note)]
    return [check] if compared[0].same else []


def _fit(expert: ExpertTensors, manifest: ExpertManifest, base: BaseIdentity, hub: Hub) -> str:
    layout = read_layout(base, hub)
    placed = expert.place(layout)
    if isinstance(expert, WeightSet) and expert.kind(layout) != manifest.artefact.kind:
        raise RshubError(f"this is a {expert.kind(layout)} expert, {manifest.artefact.kind} is claimed")
    return f"every tensor has its place in {base} ({len(placed)} tensors change)"
