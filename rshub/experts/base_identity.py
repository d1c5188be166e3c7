"""What makes two bases the same: the digests of their weights, and of config and tokenizer.

Names are not identity: a repo moves on, a mirror has another name. Reads metadata and small files only; the weights of
a base on a hub are known by the digests that the hub keeps, those of a local folder by hashing them once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rshub.errors import IntegrityError
from rshub.formats.address import RepoAddress, parse_address
from rshub.formats.canonical import digest, sha256
from rshub.formats.header import header_length
from rshub.hub.client import Hub, RepoInfo
from rshub.tensors.checkpoint import Checkpoint, config_names
from rshub.tensors.file_digest import file_digest
from rshub.tensors.model_config import CONFIG, config_digest, parse_config, pipeline_digest
from rshub.tensors.pipeline import model_files
from rshub.tensors.weight_files import WeightFiles, weight_files
from rshub.types import CommitSha, Digest, RepoId

TOKENIZER_FILES = (
    "added_tokens.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
)
_SMALL = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class BaseIdentity:
    """A base at rest: where it is, and the sha256 of what it is made of."""

    repo_id: RepoId | None = None
    revision: CommitSha | None = None
    path: str | None = None
    files: Mapping[str, Digest] = field(default_factory=dict)
    config_digest: Digest | None = None
    tokenizer_digest: Digest | None = None

    def __str__(self) -> str:
        """Name the base for a person."""
        return self.path or f"{self.repo_id}@{(self.revision or '')[:8]}"


def identify_base(base: str, hub: Hub) -> BaseIdentity:
    """Identify a base given as ``owner/name[@revision]`` or a local folder.

    Raises:
        NotFound: There is no such base.
        IntegrityError: It has no safetensors weights, or the hub does not know their digests.
    """
    address = parse_address(base)
    return _on_hub(address, hub) if isinstance(address, RepoAddress) else _in_folder(address)


def _on_hub(address: RepoAddress, hub: Hub) -> BaseIdentity:
    info = hub.info(address.repo_id, address.revision)
    source = f"{info.repo_id}@{info.commit[:8]}"
    files: dict[str, Digest] = {}

    def read(name: str) -> bytes:
        return hub.read(info.repo_id, name, commit=info.commit, max_bytes=_SMALL)

    found = _weights(info, hub)
    for name in found.shards:
        known = info.files[name].sha256
        if known is None:
            raise IntegrityError(f"{source}/{name}: the hub does not know its sha256", where=f"{source}/{name}")
        files[name] = known

    def sha_of(name: str) -> Digest:
        return info.files[name].sha256 or sha256(read(name))

    configs = {
        name: parse_config(read(name), source=f"{source}/{name}") for name in config_names(info.files, found.components)
    }
    return BaseIdentity(
        repo_id=info.repo_id,
        revision=info.commit,
        files=files,
        config_digest=_config_digest(configs),
        tokenizer_digest=_tokenizer_digest(info.files, found.components, sha_of),
    )


def _weights(info: RepoInfo, hub: Hub) -> WeightFiles:
    """Find the weight files of a base on a hub."""

    def read(name: str) -> bytes:
        return hub.read(info.repo_id, name, commit=info.commit, max_bytes=_SMALL)

    return weight_files(info.files, read, source=f"{info.repo_id}@{info.commit[:8]}")


def _in_folder(folder: Path) -> BaseIdentity:
    checkpoint = Checkpoint.open(folder)
    names = model_files(folder)
    configs = {
        name: parse_config((folder / name).read_bytes(), source=str(folder / name))
        for name in config_names(names, checkpoint.components)
    }
    return BaseIdentity(
        path=str(folder),
        files={name: file_digest(folder / name) for name in checkpoint.shards},
        config_digest=_config_digest(configs),
        tokenizer_digest=_tokenizer_digest(names, checkpoint.components, lambda name: file_digest(folder / name)),
    )


def _config_digest(configs: Mapping[str, Mapping[str, Any]]) -> Digest | None:
    """Take the digest of a model's config by its path; of a pipeline's components, of all of them."""
    if list(configs) == [CONFIG]:
        return config_digest(configs[CONFIG])
    return pipeline_digest(configs) if configs else None


def _tokenizer_digest(
    names: Collection[str], components: Collection[str], sha_of: Callable[[str], Digest]
) -> Digest | None:
    places = [f"{component}/{name}" for component in components for name in TOKENIZER_FILES]
    files = {name: sha_of(name) for name in (*TOKENIZER_FILES, *places) if name in names}
    return digest(files) if files else None


def read_layout(identity: BaseIdentity, hub: Hub) -> Checkpoint:
    """Read the tensor names, shapes and dtypes of a base: headers only, not its weights.

    Raises:
        IntegrityError: The base is not what its identity says, or a header is not sound.
    """
    if identity.path is not None:
        return Checkpoint.open(Path(identity.path))
    assert identity.repo_id is not None
    assert identity.revision is not None
    repo_id, commit = identity.repo_id, identity.revision
    info = hub.info(repo_id, commit)
    found = _weights(info, hub)
    there = {name: info.files[name].sha256 for name in found.shards}
    if there != dict(identity.files):
        names = sorted({*there, *identity.files})
        name = next(name for name in names if there.get(name) != identity.files.get(name))
        raise IntegrityError(
            f"{identity}/{name}: the hub holds other weights than were pinned",
            where=f"{identity}/{name}",
            remedy="make the lock again: rshub resolve ... --lock FILE",
        )
    headers: dict[str, tuple[bytes, int]] = {}
    for name in identity.files:
        size = info.files[name].size
        headers[name] = (_header(hub, repo_id, name, commit, size), size)
    configs = {
        name: parse_config(hub.read(repo_id, name, commit=commit, max_bytes=_SMALL), source=f"{repo_id}/{name}")
        for name in config_names(info.files, found.components)
    }
    return Checkpoint.from_headers(
        headers, configs=configs, source=str(identity), components=found.components, placed=found.placed
    )


def _header(hub: Hub, repo_id: str, name: str, commit: str, size: int) -> bytes:
    first = hub.read_range(repo_id, name, commit=commit, start=0, length=min(size, 64 * 1024))
    length = 8 + header_length(first[:8], file_size=size, source=f"{repo_id}/{name}")
    if length <= len(first):
        return first[:length]
    return first + hub.read_range(repo_id, name, commit=commit, start=len(first), length=length - len(first))
