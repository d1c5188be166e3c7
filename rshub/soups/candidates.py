"""Who might serve a preference: the experts found for each reward, and those that are named in full.

Looks things up and attaches reasons; the choice is made elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from rshub.errors import NotFound
from rshub.experts.base_identity import BaseIdentity
from rshub.experts.catalog import EXPERT_TAG, find_experts, locate, read_manifest
from rshub.experts.compatibility import Reason, judge
from rshub.experts.local_start import start_beside
from rshub.experts.manifest import FILE_NAME, ExpertManifest
from rshub.formats.address import parse_repo
from rshub.hub.client import Hub
from rshub.preferences.policy import Policy
from rshub.preferences.preference import Preference, PreferenceTerm, check_names
from rshub.soups.choose import Candidate
from rshub.types import CommitSha

_NO_MANIFEST = Reason(code="plain", message="no expert.json: its reward and its lineage are unknown", level="warn")
_TRAINED_HERE = Reason(
    code="plain", message="no expert.json: what its training.json says is taken for true", level="warn"
)


def asked_terms(wanted: Preference) -> tuple[PreferenceTerm, ...]:
    """Give the terms that experts are chosen for: those that count, or, where none does, those that were named.

    A soup of nothing but zeros is the start of the experts that were named, which they alone can say.
    """
    return wanted.terms or wanted.zeros


def find_candidates(
    wanted: Preference,
    identity: BaseIdentity,
    hub: Hub,
    rules: Policy | None,
    *,
    asked: Sequence[PreferenceTerm] | None = None,
    scored: Collection[str] = (),
) -> dict[str, list[Candidate]]:
    """Find the candidates for every reward that the preference names, each with the reasons against it.

    Args:
        wanted: The preference.
        identity: The base.
        hub: Where to look.
        rules: The policy, if there is one.
        asked: The terms to find experts for, by default ``asked_terms``.
        scored: Rewards that need no expert; they are left out where nobody offers them.

    Raises:
        InvalidInput: A reward that nobody offers on this base, with its column and the nearest one.
        NotFound: Nobody offers anything on this base.
    """
    named = [term.name for term in (*wanted.terms, *wanted.zeros) if term.kind == "reward"]
    if not named:
        return {}
    at_base = identity.repo_id  # experts on a local base are found by their rewards and compared by digest
    tags = [EXPERT_TAG, *([f"base_model:{at_base}"] if at_base else [])]
    offered = {
        tag.removeprefix("reward:")
        for summary in hub.list_models(tags=tags)
        for tag in summary.tags
        if tag.startswith("reward:")
    }
    alone = {name for name in named if name in scored and name not in offered}
    if alone.issuperset(named):
        return {}
    if not offered:
        raise NotFound(
            f"no expert on {identity} was found at {hub.shown}",
            where=str(identity),
            remedy="check --base and --endpoint, or name adapters in full: owner/name=...",
        )
    check_names(wanted, offered | alone)
    offers: dict[str, list[Candidate]] = {}
    terms = asked if asked is not None else asked_terms(wanted)
    for reward in [term.name for term in terms if term.kind == "reward" and term.name not in alone]:
        catalog = find_experts(hub, base=at_base, reward=reward)
        row = [
            Candidate(
                reward=reward,
                place=entry.repo_id,
                commit=entry.commit,
                version=entry.version,
                manifest=entry.manifest,
                reasons=(*judge(entry.manifest, identity), *_denied(entry.repo_id, rules)),
            )
            for entry in catalog.entries
        ]
        row += [
            Candidate(
                reward=reward,
                place=found.repo_id,
                commit=found.commit,
                version=found.version,
                reasons=(Reason(code=found.code, message=found.message),),
            )
            for found in catalog.discarded
        ]
        offers[reward] = row
    return offers


def look_up(term: PreferenceTerm, identity: BaseIdentity, hub: Hub, rules: Policy | None) -> Candidate:
    """Look up an expert that the preference names in full; a plain adapter is welcome and warned about.

    Raises:
        NotFound: There is no such repo, revision or folder.
        IntegrityError: Its manifest is broken.
    """
    if term.kind == "directory":
        folder = Path(term.name)
        if not folder.is_dir():
            raise NotFound(f"{term.name}: no such folder", where=term.name, remedy="check the path in the preference")
        if (folder / FILE_NAME).is_file():
            said = ExpertManifest.from_bytes((folder / FILE_NAME).read_bytes(), source=str(folder / FILE_NAME))
            return _candidate(term.name, None, said, identity, ())
        start = start_beside(folder, identity.repo_id)
        reasons = (_TRAINED_HERE if start else _NO_MANIFEST,)
        return Candidate(reward=None, place=term.name, commit=None, start=start, reasons=reasons)
    commit, version, _ = locate(hub, parse_repo(term.label))
    info = hub.info(term.name, commit)
    manifest = read_manifest(hub, info.repo_id, commit=commit) if FILE_NAME in info.files else None
    found = _candidate(info.repo_id, commit, manifest, identity, _denied(info.repo_id, rules))
    return Candidate(**{**vars(found), "version": version})


def _candidate(
    place: str,
    commit: CommitSha | None,
    manifest: ExpertManifest | None,
    identity: BaseIdentity,
    more: Sequence[Reason],
) -> Candidate:
    reasons = judge(manifest, identity) if manifest else (_NO_MANIFEST,)
    reward = manifest.reward.name if manifest else None
    return Candidate(reward=reward, place=place, commit=commit, manifest=manifest, reasons=(*reasons, *more))


def _denied(repo_id: str, rules: Policy | None) -> tuple[Reason, ...]:
    denied = rules is not None and rules.denies(repo_id)
    return (Reason(code="policy", message=f"the policy denies {repo_id}"),) if denied else ()
