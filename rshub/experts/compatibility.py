"""May this expert be mixed on this base, and with these others? Pure: values in, verdicts with reasons out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from rshub.experts.base_identity import BaseIdentity
from rshub.experts.manifest import BaseClaim, ExpertManifest, InitClaim
from rshub.types import RepoId

MIXED = {("lora", "peft"), ("full", "plain"), ("full", "diffusers"), ("partial", "plain"), ("partial", "diffusers")}
"""Kinds and formats of artefacts that are mixed."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why an expert is rejected, or what to know about it; ``code`` is for programs and does not change."""

    code: str
    message: str
    level: Literal["reject", "warn"] = "reject"

    def to_json(self) -> dict[str, Any]:
        """Give code and message."""
        return {"code": self.code, "message": self.message}


def rejects(reasons: Iterable[Reason]) -> bool:
    """Say whether any of the reasons rejects."""
    return any(reason.level == "reject" for reason in reasons)


def judge(manifest: ExpertManifest, base: BaseIdentity) -> tuple[Reason, ...]:
    """Compare the base that an expert was trained on with the base at hand.

    Equal weights are the same base whatever repo or commit they come from; names alone are never enough.
    """
    claim = manifest.base
    reasons = list(_weights(claim, base))
    if (manifest.artefact.kind, manifest.artefact.format) not in MIXED:
        reasons.append(Reason(code="artefact", message=_unmixed(manifest.artefact.kind, manifest.artefact.format)))
    if rejects(reasons):
        return tuple(reasons)
    if claim.config_digest and base.config_digest and claim.config_digest != base.config_digest:
        reasons.append(Reason(code="config", message="the base's config.json has changed since training", level="warn"))
    if claim.tokenizer_digest and base.tokenizer_digest and claim.tokenizer_digest != base.tokenizer_digest:
        reasons.append(Reason(code="tokenizer", message="the base's tokenizer has changed since training"))
    return tuple(reasons)


def _weights(claim: BaseClaim, base: BaseIdentity) -> Iterable[Reason]:
    if claim.files:
        if sorted(claim.files.values()) == sorted(base.files.values()):
            return
        if claim.repo_id is not None and claim.repo_id == base.repo_id:
            trained, given = (claim.revision or "unknown")[:8], (base.revision or "unknown")[:8]
            why = f"trained on {claim.repo_id}@{trained}, whose weights differ from those at {given}"
            yield Reason(code="base-weights", message=why)
        else:
            yield Reason(code="base", message=f"trained on another base, {claim.repo_id or 'unknown'}")
        return
    if claim.repo_id is None or claim.repo_id != base.repo_id:
        yield Reason(code="base", message=f"trained on another base, {claim.repo_id or 'unknown'}")
    elif claim.revision != base.revision:
        why = f"trained on {claim.repo_id}@{(claim.revision or 'unknown')[:8]} and without weight digests to compare"
        yield Reason(code="base-weights", message=why)


def _unmixed(kind: str, form: str) -> str:
    """Say why an artefact of this kind and format is not mixed."""
    if kind != "lora" and form == "peft":
        return f"its manifest claims a {kind} expert in the format peft of adapters: that does not fit any files"
    return f"{kind} ({form}) experts cannot be composed by this version"


def lineage(init: InitClaim, base: RepoId | None) -> str:
    """Name the start that an expert shares with those it may be mixed with; equal text means one lineage.

    A merged model that is itself the base is the base: what was merged is in its weights, which are compared by digest.

    Args:
        init: The start.
        base: The repo of the base that the expert was trained on.
    """
    if init.kind == "base" or (init.kind == "merged" and init.repo_id in {None, base}):
        return "base"
    origin = init.digest or f"{init.repo_id or 'unknown'}@{init.revision or 'unknown'}"
    return f"{init.kind}:{origin}"


def in_short(lineage_name: str | None) -> str:
    """Write a lineage for a person: digests and commits by their first eight digits."""
    return re.sub(r"[0-9a-f]{40,64}", lambda digits: digits[0][:8], lineage_name or "unknown")
