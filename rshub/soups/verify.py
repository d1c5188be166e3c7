"""Checking what one has: an expert, a soup or a lock, on the hub or in a folder. Everything is hashed afresh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rshub.deltas.adapters import CONFIG, read_adapter
from rshub.errors import IntegrityError, NotFound
from rshub.experts.base_identity import identify_base
from rshub.experts.catalog import locate
from rshub.experts.manifest import FILE_NAME as MANIFEST
from rshub.experts.manifest import ExpertManifest
from rshub.experts.verify import Check, attempt, check_expert, check_files, needed_files
from rshub.formats.address import RepoAddress, parse_address
from rshub.hub.client import Hub, RepoFile
from rshub.soups.fetch import check_pin, fetch_expert
from rshub.soups.lock import FILE_NAME as LOCK
from rshub.soups.lock import Pin, SoupLock
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.pipeline import model_files
from rshub.tensors.tensor_file import PICKLES
from rshub.tensors.weight_files import MAX_INDEX_BYTES


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The checks that were made; ``ok`` when none failed."""

    target: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Say whether no check failed."""
        return all(check.ok is not False for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Give ok and the checks."""
        return {"target": self.target, "ok": self.ok, "checks": [check.to_json() for check in self.checks]}


def verify(target: str, *, endpoint: str | None = None, token: str | None = None) -> Verification:
    """Check every digest and every claim that can be checked.

    Args:
        target: ``owner/name[@revision]``, a folder, or a ``soup.lock.json``.
        endpoint: The hub's address.
        token: Who is asking.

    Raises:
        NotFound: There is nothing under that name, or nothing in it that can be checked.
        IntegrityError: A manifest cannot be read at all.
        HubError: The hub or the network failed.
    """
    hub = Hub(endpoint, token)
    if target.endswith(".json"):
        path = Path(target)
        lock = SoupLock.load(path)
        is_soup = any((path.parent / name).exists() for name in lock.outputs or {})
        checks = check_lock(lock, hub, beside=path.parent if is_soup else None)
    else:
        address = parse_address(target)
        checks = _repo(address, hub) if isinstance(address, RepoAddress) else _folder(address, hub)
    return Verification(target=target, checks=tuple(checks))


def check_lock(lock: SoupLock, hub: Hub, *, beside: Path | None = None) -> list[Check]:
    """Check that everything a lock pins is still there and unchanged, and the outputs in the folder beside it."""
    checks = [attempt(f"base {lock.base.place}", lambda: _base(lock.base, hub))]
    pins = [("expert", expert.pin) for expert in lock.experts] + ([("init", lock.init)] if lock.init else [])
    checks += [attempt(f"{role} {pin.place}", partial(_expert, pin, hub)) for role, pin in pins]
    if beside is None:
        return checks
    if lock.outputs is None:
        return [*checks, Check(name="outputs", ok=None, detail="the soup was composed without digests")]
    return checks + check_files(beside, lock.outputs)


def _repo(address: RepoAddress, hub: Hub) -> list[Check]:
    commit, _, _ = locate(hub, address)
    info = hub.info(address.repo_id, commit)
    if MANIFEST in info.files:
        claimed = ExpertManifest.from_bytes(
            hub.read(info.repo_id, MANIFEST, commit=commit, max_bytes=2**22), source=f"{info.repo_id}/{MANIFEST}"
        )
        read = partial(hub.read, info.repo_id, commit=commit, max_bytes=MAX_INDEX_BYTES)
        wanted = needed_files(info.files, read) | set(claimed.artefact.files)
        names = [MANIFEST, *sorted(name for name in wanted if name in info.files)]
        checks = check_expert(hub.download(info.repo_id, names, commit=commit), claimed, hub)
        tagged = f"reward:{claimed.reward.name}" in info.tags
        detail = "the card's tags agree" if tagged else f"the card lacks the tag reward:{claimed.reward.name}"
        return [*checks, Check(name="card", ok=tagged, detail=detail)]
    if LOCK in info.files:
        lock = SoupLock.from_bytes(
            hub.read(info.repo_id, LOCK, commit=commit, max_bytes=2**23), source=f"{address}/{LOCK}"
        )
        pins = [lock.base, *(expert.pin for expert in lock.experts), *([lock.init] if lock.init else [])]
        if any(pin.path is not None for pin in pins):
            local = Check(name="pins", ok=None, detail="made of local folders of its maker, which cannot be looked at")
            return [local, *_outputs_on_hub(lock, info.files)]
        names = [LOCK, *(name for name in lock.outputs or {} if name in info.files)]
        return check_lock(lock, hub, beside=hub.download(info.repo_id, names, commit=commit))
    if CONFIG in info.files:
        names = [
            name for name in info.files if name.startswith("adapter_") and name.endswith((".json", ".safetensors"))
        ]
        return [_plain_adapter(hub.download(info.repo_id, names, commit=commit))]
    raise NotFound(
        f"{address}: neither an expert nor a soup", where=str(address), remedy="name an expert, soup or lock"
    )


def _outputs_on_hub(lock: SoupLock, files: Mapping[str, RepoFile]) -> list[Check]:
    """Hold the digests that the hub keeps against those of a lock."""
    known = {name: digest for name, digest in (lock.outputs or {}).items() if name in files and files[name].sha256}
    return [
        Check(name=f"file {name}", ok=files[name].sha256 == digest, detail=f"sha256 {files[name].sha256}")
        for name, digest in sorted(known.items())
    ]


def _folder(folder: Path, hub: Hub) -> list[Check]:
    if not folder.is_dir():
        raise NotFound(f"{folder}: no such folder", where=str(folder), remedy="check the path")
    if (folder / MANIFEST).is_file():
        manifest = ExpertManifest.from_bytes((folder / MANIFEST).read_bytes(), source=str(folder / MANIFEST))
        return check_expert(folder, manifest, hub)
    if (folder / LOCK).is_file():
        return check_lock(SoupLock.load(folder / LOCK), hub, beside=folder)
    if (folder / CONFIG).is_file():
        return [_plain_adapter(folder)]
    if not any(name.endswith((".safetensors", *PICKLES)) for name in model_files(folder)):
        raise NotFound(f"{folder}: nothing in it can be checked", where=str(folder), remedy="name a soup or an expert")
    return [attempt("checkpoint", lambda: _checkpoint(folder))]


def _plain_adapter(folder: Path) -> Check:
    def sound() -> str:
        adapter = read_adapter(folder)
        adapter.check_finite()
        low_rank = [f"rank {adapter.rank}, {len(adapter.modules)} modules"] if adapter.modules else []
        beside = [f"{len(adapter.extras)} changes beside factors"] if adapter.extras else []
        return f"{', '.join(low_rank + beside)}, every number is finite; no {MANIFEST}"

    return attempt("adapter", sound)


def _checkpoint(folder: Path) -> str:
    checkpoint = Checkpoint.open(folder)
    return f"{len(checkpoint.tensors)} tensors in {len(checkpoint.shards)} files; the headers are sound"


def _base(pin: Pin, hub: Hub) -> str:
    if pin.path is not None:
        check_pin(pin, Path(pin.path), afresh=True)
    elif dict(identify_base(f"{pin.repo_id}@{pin.revision}", hub).files) != dict(pin.files):
        raise IntegrityError("its weights are not those that were pinned")
    return f"{len(pin.files)} files are as they were pinned"


def _expert(pin: Pin, hub: Hub) -> str:
    fetch_expert(pin, hub, afresh=True)
    return f"{len(pin.files)} files are as they were pinned"
