"""Publishing an expert: check it, digest it, render its card, make one commit, tag the release.

Everything is checked before anything is sent. Only the files named here go up: the adapter's two files, or the weights
with the files that go with a model, ``expert.json`` and the card. A dry run returns what would be published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rshub.deltas.adapters import WEIGHTS, Adapter
from rshub.deltas.expert_tensors import read_expert
from rshub.errors import IntegrityError, InvalidInput, NotFound
from rshub.experts.artefact import artefact_of, claim, companions, expert_parts, outlived
from rshub.experts.base_identity import BaseIdentity, identify_base, read_layout
from rshub.experts.card import render_expert_card, task_of
from rshub.experts.catalog import read_manifest
from rshub.experts.claims import compare_carried, refuse_untrained
from rshub.experts.draft import Draft, gather
from rshub.experts.manifest import FILE_NAME, Artefact, BaseClaim, ExpertManifest, FileClaim, InitClaim
from rshub.experts.starts import claim_init
from rshub.experts.training_summary import training_beside
from rshub.experts.versions import tag_for
from rshub.formats.address import parse_repo
from rshub.hub.client import Hub, RepoInfo

CARD = "README.md"
CURVE = "training_curve.png"
"""The picture of its training that ``rshub train`` leaves beside an expert: it is published too."""

MODELS = (".safetensors", ".gguf", "pytorch_model.bin", "soup.lock.json")
"""Endings of files that make a repo something else than one expert's."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What was published. Commit and tag are None after a dry run, the tag also after a pull request."""

    repo: str
    commit: str | None
    tag: str | None
    files: Mapping[str, FileClaim]
    manifest: ExpertManifest
    card: str
    pr_url: str | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give repo, commit, tag, files and what to know about them."""
        return {
            "repo": self.repo,
            "commit": self.commit,
            "tag": self.tag,
            "files": {name: vars(claim) for name, claim in sorted(self.files.items())},
            "pr_url": self.pr_url,
            "notes": list(self.notes),
        }


def publish(
    folder: Path | str,
    repo_id: str,
    *,
    reward: str | None = None,
    spec: str | None = None,
    direction: str | None = None,
    base: str | None = None,
    init: str | None = None,
    license: str | None = None,  # noqa: A002 - the Hub's word
    from_file: Path | None = None,
    version: str | None = None,
    private: bool = False,
    create_pr: bool = False,
    dry_run: bool = False,
    scores: Sequence[Mapping[str, Any]] = (),
    training: Mapping[str, Any] | None = None,
    endpoint: str | None = None,
    token: str | None = None,
) -> Published:
    """Publish an adapter, a fine-tuned model or a part of one as an expert, one commit and one git tag.

    Args:
        folder: Where ``adapter_config.json`` and ``adapter_model.safetensors`` lie, or weights in safetensors.
        repo_id: ``owner/name``; created when it is not there.
        reward: The name of the reward it was trained for.
        spec: The reward as a string (``metric:rouge1.recall``); its digest is the reward's identity.
        direction: ``max`` or ``min``; the spec's own when it is known, else ``max``.
        base: ``owner/name[@revision]``; None takes what the adapter's config says.
        init: Where training started: ``base``; ``merged[:repo]``, a base that has something merged into it;
            ``adapter:repo[@revision]``, an adapter that was continued; or ``stacked:repo[@revision]``, an adapter that
            stayed frozen and unmerged below the one that was trained.
        license: The licence of the adapter, as the Hub spells it.
        from_file: An ``expert.yaml`` with what has no option; options win.
        version: ``X.Y.Z``; None takes 1.0.0, then the next minor version.
        private: Create the repo private.
        create_pr: Open a pull request instead of committing; nothing is tagged.
        dry_run: Check and render, send nothing.
        scores: The payoff row: mappings with reward, value, stderr, n, split, prompts_digest, measured_by.
        training: How it was trained: method, objective, mixture, seed, steps, kl, dataset, versions; None takes what
            ``rshub train`` left beside the adapter.
        endpoint: The hub's address.
        token: Who publishes.

    Raises:
        InvalidInput: Something needed was said nowhere, or the repo or the version is taken by something else.
        Incompatible: The adapter does not fit the base, changes nothing, began on another base, or is of a kind that
            cannot be mixed.
        IntegrityError: The adapter's files are damaged, hold NaN, or are pickles.
        NotFound: Folder, base or repo are not there, or the token gives no access.
        HubError: The hub or the network failed.
    """
    address = parse_repo(repo_id)
    if address.revision is not None:
        raise InvalidInput(
            f"{repo_id}: a revision has no place here", where=repo_id, remedy="name the release with --version X.Y.Z"
        )
    place = address.repo_id
    source = Path(folder)
    expert = read_expert(source)
    hub = Hub(endpoint, token)
    draft = gather(
        expert.config if isinstance(expert, Adapter) else None,
        reward=reward,
        spec=spec,
        direction=direction,
        base=base,
        init=init,
        licence=license,
        version=version,
        training=training if training is not None else training_beside(source),
        scores=scores,
        from_file=from_file,
        hub=hub,
    )
    identity = identify_base(str(draft.base), hub)
    layout = read_layout(identity, hub)
    expert.place(layout)
    expert.check_finite()
    carried = compare_carried(expert, layout, identity, hub)

    target = check_target(place, draft.reward.name, hub, private=private, create_pr=create_pr)
    tag = None if create_pr else tag_for(draft.version, hub.refs(place).tags if target else ())
    before = published_before(target, hub)
    parts = expert_parts(expert, source, identity)
    artefact = artefact_of(expert, parts, layout)
    refuse_untrained(expert, artefact, identity)
    manifest = _manifest(draft, identity, artefact, claim_init(draft, identity, hub), before=before)
    pictures = [CURVE] if (source / CURVE).is_file() else []
    card = render_expert_card(
        manifest, repo_id=place, tag=tag, task_type=task_of(expert.config), curve=next(iter(pictures), None)
    )
    content: dict[str, bytes | Path] = {
        CARD: card.encode(),
        FILE_NAME: manifest.to_bytes(),
        **companions(expert, source),
        **parts,
        **{name: source / name for name in pictures},
    }
    files = {name: claim(data) for name, data in content.items()}
    notes = tuple(filter(None, (*expert.notes, carried.note)))
    planned = Published(repo=place, commit=None, tag=tag, files=files, manifest=manifest, card=card, notes=notes)
    if dry_run:
        return planned
    if not create_pr:
        hub.create_repo(place, private=private)
    done = hub.commit(
        place,
        content,
        message=f"Publish expert for {manifest.reward.name}" + (f", {tag}" if tag else ""),
        parent_commit=target.commit if target else None,
        create_pr=create_pr,
        delete=outlived(target, before, content),
    )
    if tag:
        hub.tag(place, tag, revision=done.commit, message=f"Expert for {manifest.reward.name}")
    return replace(planned, commit=done.commit, pr_url=done.pr_url)


def published_before(target: RepoInfo | None, hub: Hub) -> ExpertManifest | None:
    """Read what a repo holds already; a broken manifest is there to be replaced."""
    if target is None or FILE_NAME not in target.files:
        return None
    try:
        return read_manifest(hub, target.repo_id, commit=target.commit)
    except IntegrityError:
        return None


def check_target(
    repo_id: str, reward: str, hub: Hub, *, private: bool = False, create_pr: bool = False
) -> RepoInfo | None:
    """Look at the repo that will be written to; None when it has yet to be created.

    Raises:
        InvalidInput: It is public, holds an expert for another reward, or holds something else.
        NotFound: It is not there, and a pull request is asked for.
    """
    place = parse_repo(repo_id).repo_id
    if not hub.exists(place):
        if create_pr:
            raise NotFound(f"{place}: no such repo to open a pull request on", where=place, remedy="check the name")
        return None
    found = hub.info(place)
    if private and not found.private:
        raise InvalidInput(
            f"{place} is public already, so nothing in it can be private",
            where=place,
            remedy="publish to another repo, or make this one private first",
        )
    there = published_before(found, hub)
    known = {WEIGHTS, *(there.artefact.files if there else ())}
    strangers = [name for name in found.files if name.endswith(MODELS) and name not in known]
    if strangers:
        raise InvalidInput(
            f"{place} holds something else ({strangers[0]})",
            where=place,
            remedy="publish to a repo of its own: one expert, one reward, one repo",
        )
    if there is not None and there.reward.name != reward:
        raise InvalidInput(
            f"{place} holds an expert for {there.reward.name}, not for {reward}",
            where=place,
            remedy="publish to a repo of its own: one expert, one reward, one repo",
        )
    return found


def _manifest(
    draft: Draft, identity: BaseIdentity, artefact: Artefact, init: InitClaim, *, before: ExpertManifest | None
) -> ExpertManifest:
    """Put the manifest together; fields of an earlier one that we do not know are kept."""
    claimed = ExpertManifest(
        reward=draft.reward,
        base=BaseClaim(
            repo_id=identity.repo_id,
            revision=identity.revision,
            files=identity.files,
            config_digest=identity.config_digest,
            tokenizer_digest=identity.tokenizer_digest,
        ),
        init=init,
        artefact=artefact,
        training=draft.training,
        bounds=draft.bounds,
        licence=draft.licence,
        unknown=before.unknown if before else {},
    )
    document = claimed.to_json() | {"scores": [dict(score) for score in draft.scores]}
    return ExpertManifest.from_json(document, source="the scores and claims", error=InvalidInput)
