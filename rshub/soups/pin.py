"""Pinning what a soup is made of: full commits and the sha256 of every file that is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rshub.deltas.adapters import CONFIG, WEIGHTS
from rshub.errors import IntegrityError, NotFound
from rshub.experts.base_identity import BaseIdentity
from rshub.experts.manifest import FILE_NAME, ExpertManifest
from rshub.formats.canonical import sha256
from rshub.hub.client import Hub, RepoInfo
from rshub.soups.choose import Candidate
from rshub.soups.lock import Pin
from rshub.soups.side_files import side_files
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.file_digest import file_digest
from rshub.tensors.tensor_file import PICKLES
from rshub.types import Digest

ADAPTER_FILES = (CONFIG, WEIGHTS)
_CONFIG_BYTES = 1024 * 1024


def pin_base(identity: BaseIdentity) -> Pin:
    """Pin the base with the digests of its weights; a local one also with those of the files that go with them."""
    if identity.path is None:
        return Pin(repo_id=identity.repo_id, revision=identity.revision, files=identity.files)
    folder = Path(identity.path).resolve()
    beside = {name: file_digest(folder / name) for name in side_files(folder, Checkpoint.open(folder))}
    return Pin(path=str(folder), files={**identity.files, **beside})


def pin_expert(candidate: Candidate, hub: Hub) -> Pin:
    """Pin the adapter of an expert: a repo at a commit or a local folder, with the sha256 of both files.

    Raises:
        IntegrityError: The adapter is a pickle, or the hub holds other bytes than the manifest claims.
        NotFound: It holds no PEFT adapter.
    """
    if candidate.commit is None:
        folder = Path(candidate.place)
        missing = [name for name in ADAPTER_FILES if not (folder / name).is_file()]
        _refuse_missing(missing, [path.name for path in folder.iterdir()], candidate.place)
        files = {name: file_digest(folder / name) for name in ADAPTER_FILES}
        return Pin(path=str(folder.resolve()), files=files)
    info = hub.info(candidate.place, candidate.commit)
    pin = _repo_pin(info, hub)
    if candidate.manifest is not None:
        _agree(pin, candidate.manifest)
    return pin


def _repo_pin(info: RepoInfo, hub: Hub) -> Pin:
    missing = [name for name in ADAPTER_FILES if name not in info.files]
    _refuse_missing(missing, list(info.files), info.repo_id)
    files: dict[str, Digest] = {}
    for name in ADAPTER_FILES:
        known = info.files[name].sha256
        files[name] = known or sha256(hub.read(info.repo_id, name, commit=info.commit, max_bytes=_CONFIG_BYTES))
    return Pin(repo_id=info.repo_id, revision=info.commit, files=files)


def _refuse_missing(missing: Sequence[str], there: Sequence[str], place: str) -> None:
    if not missing:
        return
    if any(name.endswith(PICKLES) for name in there):
        raise IntegrityError(
            f"{place}: the adapter is a pickle, which is never opened",
            where=place,
            remedy="ask its author to save it as adapter_model.safetensors",
        )
    raise NotFound(f"{place}: no {missing[0]}", where=place, remedy="name a repo or folder that holds a PEFT adapter")


def _agree(pin: Pin, manifest: ExpertManifest) -> None:
    """Hold what the hub has against what the manifest says."""
    for name, found in pin.files.items():
        claim = manifest.artefact.files.get(name)
        if claim is None or claim.sha256 != found:
            raise IntegrityError(
                f"{pin.place}/{name}: its sha256 is not the one in {FILE_NAME}",
                where=f"{pin.place}/{name}",
                remedy="ask the publisher to publish it again; do not use this version",
            )


def pin_init(chosen: Mapping[str, Candidate], hub: Hub) -> Pin | None:
    """Pin the adapter that all chosen experts continue, if they do."""
    for candidate in chosen.values():
        init = candidate.manifest.init if candidate.manifest else None
        if init is not None and init.kind == "adapter":
            if init.repo_id is None or init.revision is None:
                raise NotFound(
                    f"{candidate.place}: the adapter it continues is not named",
                    where=candidate.place,
                    remedy="ask the publisher to publish it again with --init adapter:OWNER/NAME",
                )
            pin = _repo_pin(hub.info(init.repo_id, init.revision), hub)
            if init.digest is not None and pin.files[WEIGHTS] != init.digest:
                raise IntegrityError(
                    f"{candidate.place} continues an adapter with another sha256 than {pin.place} has",
                    where=candidate.place,
                    remedy="ask the publisher to publish it again with the right --init",
                )
            return pin
    return None
