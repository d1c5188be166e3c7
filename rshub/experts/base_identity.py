"""What makes two bases the same: the digests of their weights, and of config and tokenizer.

Names are not identity: a repo moves on, a mirror has another name. Reads metadata and small files only; the weights of
a base on a hub are known by the digests that the hub keeps, those of a local folder by hashing them once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rshub.errors import IntegrityError, NotFound
from rshub.formats.address import RepoAddress, parse_address
from rshub.formats.canonical import digest, load_json, sha256
from rshub.formats.header import header_length
from rshub.hub.client import Hub
from rshub.tensors.checkpoint import INDEX_SUFFIX, SINGLE_FILES, Checkpoint
from rshub.tensors.file_digest import file_digest
from rshub.types import CommitSha, Digest, RepoId

TOKENIZER_FILES = (
    "added_tokens.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
)
_CONFIG_NOISE = ("transformers_version", "_name_or_path", "dtype", "torch_dtype")
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


def weight_files(names: Collection[str], read_index: Callable[[str], bytes], *, source: str) -> tuple[str, ...]:
    """Choose the weight files of a base among its file names: a whole file first, else those that its index names.

    Raises:
        IntegrityError: There are pickles only, or the index names files that are not there.
        NotFound: There are no weights at all.
    """
    for single in SINGLE_FILES:
        if single in names:
            return (single,)
    indices = sorted(name for name in names if name.endswith(INDEX_SUFFIX) and "/" not in name)
    if len(indices) == 1:
        index = load_json(read_index(indices[0]), source=f"{source}/{indices[0]}", error=IntegrityError)
        return _shards(index, names, source)
    tops = sorted(name for name in names if name.endswith(".safetensors") and "/" not in name)
    if len(tops) == 1:
        return (tops[0],)
    if tops:
        raise NotFound(
            f"{source}: {len(tops)} safetensors files and not one index that says which make the model",
            where=source,
            remedy="check that this is the base model",
        )
    if any(name.endswith((".bin", ".pt", ".pth", ".ckpt")) for name in names):
        raise IntegrityError(
            f"{source}: the weights are pickles only, which are never opened",
            where=source,
            remedy="ask for a safetensors version of this base",
        )
    raise NotFound(f"{source}: no safetensors weights", where=source, remedy="check that this is the base model")


def _shards(index: Mapping[str, Any], names: Collection[str], source: str) -> tuple[str, ...]:
    weight_map = index.get("weight_map")
    shards = set(weight_map.values()) if isinstance(weight_map, dict) and weight_map else set()
    missing = sorted(str(shard) for shard in shards if shard not in names or not str(shard).endswith(".safetensors"))
    if missing or not shards:
        raise IntegrityError(
            f"{source}: the index names {missing[0] if missing else 'no file'}, which is not there",
            where=source,
            remedy="fetch or upload the whole checkpoint",
        )
    return tuple(sorted(shards))


def config_digest(config: Mapping[str, Any]) -> Digest:
    """Take the digest of a model's config without the fields that say nothing of the model."""
    return digest({key: value for key, value in config.items() if key not in _CONFIG_NOISE})


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

    for name in weight_files(info.files, read, source=source):
        known = info.files[name].sha256
        if known is None:
            raise IntegrityError(f"{source}/{name}: the hub does not know its sha256", where=f"{source}/{name}")
        files[name] = known

    def sha_of(name: str) -> Digest:
        return info.files[name].sha256 or sha256(read(name))

    config = read("config.json") if "config.json" in info.files else None
    return BaseIdentity(
        repo_id=info.repo_id,
        revision=info.commit,
        files=files,
        config_digest=_config_bytes_digest(config, source),
        tokenizer_digest=_tokenizer_digest(info.files, sha_of),
    )


def _in_folder(folder: Path) -> BaseIdentity:
    if not folder.is_dir():
        raise NotFound(f"{folder}: no such folder", where=str(folder), remedy="check the path of --base")
    names = [path.name for path in folder.iterdir() if path.is_file()]
    weights = weight_files(names, lambda name: (folder / name).read_bytes(), source=str(folder))
    config = (folder / "config.json").read_bytes() if "config.json" in names else None
    return BaseIdentity(
        path=str(folder),
        files={name: file_digest(folder / name) for name in weights},
        config_digest=_config_bytes_digest(config, str(folder)),
        tokenizer_digest=_tokenizer_digest(names, lambda name: file_digest(folder / name)),
    )


def _config_bytes_digest(config: bytes | None, source: str) -> Digest | None:
    if config is None:
        return None
    return config_digest(load_json(config, source=f"{source}/config.json", error=IntegrityError))


def _tokenizer_digest(names: Collection[str], sha_of: Callable[[str], Digest]) -> Digest | None:
    files = {name: sha_of(name) for name in TOKENIZER_FILES if name in names}
    return digest(files) if files else None


def read_layout(identity: BaseIdentity, hub: Hub) -> Checkpoint:
    """Read the tensor names, shapes and dtypes of a base: headers only, not its weights."""
    if identity.path is not None:
        return Checkpoint.open(Path(identity.path))
    assert identity.repo_id is not None
    assert identity.revision is not None
    repo_id, commit = identity.repo_id, identity.revision
    info = hub.info(repo_id, commit)
    headers: dict[str, tuple[bytes, int]] = {}
    for name in identity.files:
        size = info.files[name].size
        headers[name] = (_header(hub, repo_id, name, commit, size), size)
    config = None
    if "config.json" in info.files:
        data = hub.read(repo_id, "config.json", commit=commit, max_bytes=_SMALL)
        config = load_json(data, source=f"{repo_id}/config.json", error=IntegrityError)
    return Checkpoint.from_headers(headers, config=config, source=str(identity))


def _header(hub: Hub, repo_id: str, name: str, commit: str, size: int) -> bytes:
    first = hub.read_range(repo_id, name, commit=commit, start=0, length=min(size, 64 * 1024))
    length = 8 + header_length(first[:8], file_size=size, source=f"{repo_id}/{name}")
    if length <= len(first):
        return first[:length]
    return first + hub.read_range(repo_id, name, commit=commit, start=len(first), length=length - len(first))
