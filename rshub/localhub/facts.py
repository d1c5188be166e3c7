"""What the hub knows of a repository at one commit: its files, its card, and what follows from both.

Worked out once when a commit lands on the main branch, then kept in the index; worked out on request for any other
revision. Reads git and headers of large files, writes nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from rshub.localhub import cards
from rshub.localhub.names import RepoKind
from rshub.localhub.objects import ObjectStore
from rshub.localhub.pointers import Pointer
from rshub.localhub.store import FILE_MODE, Entry, GitStore

LARGEST_HEADER = 8 * 1024 * 1024  # bytes of a safetensors header that is read for its parameter count
_CONFIG_KEYS = ("architectures", "model_type", "quantization_config")
_MOST_DIMENSIONS = 16
_DTYPES = frozenset({
    "F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL", "C64",
    "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F6_E2M3", "F6_E3M2", "F4",
})  # fmt: skip
_PEFT_KEYS = ("base_model_name_or_path", "peft_type", "task_type")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One commit, described; `described` holds JSON values only."""

    sha: str
    files: tuple[Entry, ...]
    tags: tuple[str, ...]
    pipeline_tag: str | None
    described: Mapping[str, Any]


def facts_at(store: GitStore, commit: str, kind: RepoKind, objects: ObjectStore, known: Iterable[Entry] = ()) -> Facts:
    """Describe a commit; `known` entries, from an earlier commit, save reading the same blobs again."""
    by_blob = {entry.oid: entry for entry in known}
    files = tuple(_entry(store, path, oid, by_blob) for path, oid in store.files(commit))
    by_path = {entry.path: entry for entry in files}

    def text_of(path: str) -> bytes | None:
        entry = by_path.get(path)
        return None if entry is None or entry.pointer else store.blob(entry.oid)

    readme = (text_of("README.md") or b"").decode("utf-8", "replace")
    try:
        card = cards.front_matter(readme)
    except cards.CardError:
        card = None
    config, adapter = cards.read_json(text_of("config.json")), cards.read_json(text_of("adapter_config.json"))
    library = cards.library_of(card or {}, by_path, config) if kind == "model" else None
    tags = cards.tags_of(kind, card or {}, readme, by_path, library)
    pipeline = (card or {}).get("pipeline_tag")
    pipeline_tag = pipeline if isinstance(pipeline, str) else None
    described = {
        "cardData": card,
        "library_name": library,
        "pipeline_tag": pipeline_tag,
        "config": _config(config, adapter),
        "safetensors": _parameters(files, objects),
        "evalResults": _evaluations(store, files),
        "usedStorage": sum({entry.oid: entry.size for entry in files}.values()),
    }
    return Facts(sha=commit, files=files, tags=tuple(tags), pipeline_tag=pipeline_tag, described=described)


def dump_files(files: Iterable[Entry]) -> str:
    """Write entries as compact JSON for the index."""
    rows = [
        [entry.path, entry.oid, entry.size, entry.blob_size, entry.pointer.oid if entry.pointer else None]
        for entry in files
    ]
    return json.dumps(rows, separators=(",", ":"))


def load_files(text: str) -> tuple[Entry, ...]:
    """Read what `dump_files` wrote."""
    return tuple(
        Entry(
            path=path,
            oid=oid,
            size=size,
            blob_size=blob_size,
            pointer=Pointer(oid=large, size=size) if large else None,
        )
        for path, oid, size, blob_size, large in json.loads(text)
    )


def _entry(store: GitStore, path: str, oid: str, known: Mapping[str, Entry]) -> Entry:
    seen = known.get(oid)
    if seen is None:
        return store.entry(path, FILE_MODE, oid)
    return Entry(path=path, oid=oid, size=seen.size, pointer=seen.pointer, blob_size=seen.blob_size)


def _config(config: Mapping[str, Any] | None, adapter: Mapping[str, Any] | None) -> dict[str, Any] | None:
    shown: dict[str, Any] = {key: config[key] for key in _CONFIG_KEYS if key in config} if config else {}
    if adapter is not None:
        shown["peft"] = {key: adapter.get(key) for key in _PEFT_KEYS}
    try:
        converted: dict[str, Any] = cards.plain(shown)
    except cards.CardError:
        return None
    return converted or None


def _parameters(files: Iterable[Entry], objects: ObjectStore) -> dict[str, Any] | None:
    counts: dict[str, int] = {}
    for entry in files:
        if entry.path.endswith(".safetensors") and entry.pointer is not None:
            for dtype, count in _header_counts(objects, entry.pointer):
                counts[dtype] = counts.get(dtype, 0) + count
    return {"parameters": counts, "total": sum(counts.values())} if counts else None


def _header_counts(objects: ObjectStore, pointer: Pointer) -> list[tuple[str, int]]:
    if objects.size(pointer.oid) is None:
        return []
    length = int.from_bytes(b"".join(objects.read(pointer.oid, 0, 8)), "little")
    if not 0 < length <= min(LARGEST_HEADER, pointer.size - 8):
        return []
    header = cards.read_json(b"".join(objects.read(pointer.oid, 8, length))) or {}
    counts = [_elements(tensor) for name, tensor in header.items() if name != "__metadata__"]
    # A header can claim anything; more elements than the file has bits are not there.
    return [(dtype, count) for dtype, count in counts if dtype in _DTYPES and 0 <= count <= 8 * pointer.size]


def _elements(tensor: object) -> tuple[str, int]:
    dtype, shape = (tensor.get("dtype"), tensor.get("shape")) if isinstance(tensor, dict) else (None, None)
    if not isinstance(dtype, str) or not isinstance(shape, list) or len(shape) > _MOST_DIMENSIONS:
        return "", 0
    if not all(isinstance(size, int) and 0 <= size < cards.LARGEST_NUMBER for size in shape):
        return "", 0
    return dtype, math.prod(shape)


def _evaluations(store: GitStore, files: Iterable[Entry]) -> list[dict[str, Any]] | None:
    found: list[dict[str, Any]] = []
    for entry in files:
        if not entry.path.startswith(".eval_results/") or not entry.path.endswith((".yaml", ".yml")) or entry.pointer:
            continue
        text = store.blob(entry.oid).decode("utf-8", "replace")
        if len(text) > cards.LARGEST_FRONT_MATTER:
            continue
        try:
            # A list inside a mapping passes the same limits as a card.
            results = (cards.front_matter(f"---\nresults:\n{_indented(text)}\n---\n") or {}).get("results")
        except (cards.CardError, yaml.YAMLError):
            continue
        found += [{"filename": entry.path, "data": item} for item in results or [] if isinstance(item, dict)]
    return found or None


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
