"""Pinning what a soup is made of: full commits and the sha256 of every file that is used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from rshub.deltas.adapters import CONFIG, WEIGHTS
from rshub.deltas.expert_files import ENDING, expert_files, files_in
from rshub.errors import IntegrityError, NotFound
from rshub.experts.base_identity import BaseIdentity
from rshub.experts.local_start import LocalStart
from rshub.experts.manifest import ADAPTER_INITS, FILE_NAME, ExpertManifest
from rshub.formats.canonical import sha256
from rshub.hub.client import Hub, RepoInfo
from rshub.soups.choose import Candidate
from rshub.soups.lock import Pin
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.companions import side_files
from rshub.tensors.file_digest import file_digest
from rshub.tensors.plain_file import read_plain
from rshub.tensors.weight_files import MAX_INDEX_BYTES
from rshub.types import Digest

ADAPTER_FILES = (CONFIG, WEIGHTS)


def pin_base(identity: BaseIdentity) -> Pin:
    """Pin the base with the digests of its weights; a local one also with those of the files that go with them."""
    if identity.path is None:
        return Pin(repo_id=identity.repo_id, revision=identity.revision, files=identity.files)
    folder = Path(identity.path).resolve()
    beside = {name: file_digest(folder / name) for name in side_files(folder, Checkpoint.open(folder))}
    return Pin(path=str(folder), files={**identity.files, **beside})


def pin_expert(candidate: Candidate, hub: Hub) -> Pin:
    """Pin the tensors of an expert: a repo at a commit or a local folder, with the sha256 of every file that counts.

    Those are what the manifest names; without one, an adapter's two files, or the weights with config and index.

    Raises:
        IntegrityError: There are pickles only, or there are other bytes than the manifest claims.
        NotFound: It holds no tensors, or lacks a file that the manifest names.
    """
    claimed = candidate.manifest.artefact.files if candidate.manifest else None
    if candidate.commit is None:
        folder = Path(candidate.place)
        there = files_in(folder)
        names = _names(there, lambda name: read_plain(folder / name), candidate.place, claimed)
        pin = Pin(path=str(folder.resolve()), files={name: file_digest(folder / name) for name in names})
        sizes = {name: (folder / name).stat().st_size for name in names}
    else:
        info = hub.info(candidate.place, candidate.commit)
        pin = _repo_pin(info, hub, claimed)
        sizes = {name: info.files[name].size for name in pin.files}
    if candidate.manifest is not None:
        _agree(pin, sizes, candidate.manifest)
    return pin


def _repo_pin(info: RepoInfo, hub: Hub, claimed: Collection[str] | None) -> Pin:
    """Pin files of a repo; the digests of large ones are known to the hub, small ones are read."""

    def read(name: str) -> bytes:
        return hub.read(info.repo_id, name, commit=info.commit, max_bytes=MAX_INDEX_BYTES)

    files: dict[str, Digest] = {}
    for name in _names(list(info.files), read, info.repo_id, claimed):
        files[name] = info.files[name].sha256 or sha256(read(name))
    return Pin(repo_id=info.repo_id, revision=info.commit, files=files)


def _names(
    there: Collection[str], read: Callable[[str], bytes], place: str, claimed: Collection[str] | None
) -> tuple[str, ...]:
    """Name the files of an expert that count, and see that they are there."""
    missing = sorted(set(claimed or ()) - set(there))
    if missing:
        raise NotFound(
            f"{place}: no {missing[0]}, which {FILE_NAME} names",
            where=f"{place}/{missing[0]}",
            remedy="ask the publisher to publish it again",
        )
    if claimed is not None and not any(name.endswith(ENDING) for name in claimed):
        raise IntegrityError(
            f"{place}: {FILE_NAME} names no tensors",
            where=f"{place}/{FILE_NAME}",
            remedy="ask the publisher to publish it again; do not use this version",
        )
    names = expert_files(there if claimed is None else claimed, read, source=place).names
    spare = sorted(name for name in claimed or () if name.endswith(ENDING) and name not in names)
    if spare:
        raise IntegrityError(
            f"{place}: {FILE_NAME} names {spare[0]}, which does not belong to the expert's other files",
            where=f"{place}/{spare[0]}",
            remedy="ask the publisher to publish it again; do not use this version",
        )
    if WEIGHTS in names and CONFIG not in names:
        raise NotFound(f"{place}: no {CONFIG}", where=place, remedy="name a repo or folder that holds a PEFT adapter")
    return names


def _agree(pin: Pin, sizes: Mapping[str, int], manifest: ExpertManifest) -> None:
    """Hold what is there against what the manifest says."""
    for name, found in pin.files.items():
        claim = manifest.artefact.files.get(name)
        if claim is None or (claim.sha256, claim.size) != (found, sizes[name]):
            what = "size" if claim is not None and claim.sha256 == found else "sha256"
            raise IntegrityError(
                f"{pin.place}/{name}: its {what} is not the one in {FILE_NAME}",
                where=f"{pin.place}/{name}",
                remedy="ask the publisher to publish it again; do not use this version",
            )


def pin_init(chosen: Mapping[str, Candidate], hub: Hub) -> tuple[Pin, str] | None:
    """Pin the adapter that all chosen experts continue or are stacked on, if there is one, and say which of both.

    Raises:
        IntegrityError: The hub holds another adapter than the experts began with.
        NotFound: It is not named, or not there.
    """
    for candidate in chosen.values():
        init = candidate.init
        if init is not None and init.kind in ADAPTER_INITS:
            if candidate.start is not None and candidate.start.folder is not None:
                return _local_init(candidate.place, candidate.start), init.kind
            if init.repo_id is None or init.revision is None:
                raise NotFound(
                    f"{candidate.place}: the adapter it began with is not named",
                    where=candidate.place,
                    remedy=f"ask the publisher to publish it again with --init {init.kind}:OWNER/NAME",
                )
            pin = _repo_pin(hub.info(init.repo_id, init.revision), hub, ADAPTER_FILES)
            if init.digest is not None and pin.files[WEIGHTS] != init.digest:
                raise IntegrityError(
                    f"{candidate.place} began with an adapter of another sha256 than {pin.place} has",
                    where=candidate.place,
                    remedy="ask the publisher to publish it again with the right --init",
                )
            return pin, init.kind
    return None


def _local_init(place: str, start: LocalStart) -> Pin:
    """Pin a start that is a folder, the one that training began with."""
    folder = start.folder or Path()
    missing = next((name for name in ADAPTER_FILES if not (folder / name).is_file()), None)
    if missing is not None:
        raise NotFound(
            f"{place} began with the adapter in {folder}, where there is no {missing}",
            where=str(folder),
            remedy="go to the folder from which it was trained, or publish both and name the repos",
        )
    pin = Pin(path=str(folder.resolve()), files={name: file_digest(folder / name) for name in ADAPTER_FILES})
    if start.claim.digest is not None and pin.files[WEIGHTS] != start.claim.digest:
        raise IntegrityError(
            f"{place} began with an adapter of another sha256 than {folder} holds now",
            where=str(folder),
            remedy="put back the adapter that it began with, or train it again",
        )
    return pin
