"""What of an expert goes up: its tensors with what is read with them, and what the manifest says of those files.

Nothing else of the publisher's folder does: no pickles, no programs, no state of a training.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from rshub.deltas.adapters import CONFIG, WEIGHTS
from rshub.deltas.expert_tensors import ExpertTensors
from rshub.deltas.weight_sets import WeightSet
from rshub.experts.base_identity import BaseIdentity
from rshub.experts.manifest import Artefact, ExpertManifest, FileClaim
from rshub.formats.canonical import file_bytes, sha256
from rshub.hub.client import RepoInfo
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.companions import side_files
from rshub.tensors.file_digest import file_digest
from rshub.tensors.weight_files import WeightFiles


def expert_parts(expert: ExpertTensors, source: Path, identity: BaseIdentity) -> dict[str, bytes | Path]:
    """Give the files of an expert by name; an adapter's config names the base where everybody finds it."""
    if isinstance(expert, WeightSet):
        return {name: source / name for name in expert.files.names}
    config = {**expert.config, "base_model_name_or_path": identity.repo_id, "revision": identity.revision}
    return {CONFIG: file_bytes(config), WEIGHTS: source / WEIGHTS}


def companions(expert: ExpertTensors, source: Path) -> dict[str, bytes | Path]:
    """Give the files that make a fine-tuned model one that loads: tokenizer, generation config, terms of use."""
    if not isinstance(expert, WeightSet):
        return {}
    model = WeightFiles(shards=expert.files.weights, components=tuple(filter(None, expert.saved)))
    return {name: source / name for name in side_files(source, model)}


def artefact_of(expert: ExpertTensors, parts: Mapping[str, bytes | Path], base: Checkpoint) -> Artefact:
    """Say what the weights are."""
    files = {name: claim(data) for name, data in parts.items()}
    modules = tuple(sorted(expert.modules))
    if isinstance(expert, WeightSet):
        return Artefact(kind=expert.kind(base), format=expert.format, files=files, modules=modules)
    return Artefact(files=files, rank=expert.rank, modules=modules)


def outlived(target: RepoInfo | None, before: ExpertManifest | None, content: Collection[str]) -> list[str]:
    """Name the files of the release before that are no part of this one."""
    if target is None or before is None:
        return []
    return sorted(name for name in before.artefact.files if name in target.files and name not in content)


def claim(content: bytes | Path) -> FileClaim:
    """Give digest and size of what will be a file."""
    if isinstance(content, bytes):
        return FileClaim(sha256=sha256(content), size=len(content))
    return FileClaim(sha256=file_digest(content, afresh=True), size=content.stat().st_size)
