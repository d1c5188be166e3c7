"""Config and index of a soup where they cannot be the base's own: another dtype, an untied head, another layout.

All else in them stays as it is, unknown fields too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from rshub.errors import IntegrityError
from rshub.formats.canonical import load_json
from rshub.formats.header import span_bytes
from rshub.soups.plan import ComposePlan
from rshub.soups.writing.output_layout import index_name, output_shards
from rshub.tensors.model_config import CONFIG, parse_config
from rshub.tensors.weight_files import MAX_INDEX_BYTES

DTYPE_KEYS = ("dtype", "torch_dtype")
TIE = "tie_word_embeddings"


def is_edited(plan: ComposePlan, name: str) -> bool:
    """Say whether a file of the base, by its path, says something else in the soup."""
    if PurePosixPath(name).name == CONFIG:
        return plan.dtype != "auto" or (plan.untied is not None and name == CONFIG)
    if name in plan.base.indices:
        return plan.dtype != "auto" or plan.untied is not None or plan.layout != "base"
    return False


def edited(plan: ComposePlan, name: str, data: bytes) -> bytes:
    """Give the new contents of a config or an index.

    Raises:
        IntegrityError: When what is there is no sound config or index.
    """
    if name in plan.base.indices:
        return _index(plan, name, load_json(data, source=name, error=IntegrityError, max_bytes=MAX_INDEX_BYTES))
    config = parse_config(data, source=name)
    if plan.dtype != "auto":
        config = _with_dtype(config, plan.dtype, top=name == CONFIG)
    if plan.untied is not None and name == CONFIG:
        config = _with_own_head(config)
    return (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode()


def new_indices(plan: ComposePlan) -> dict[str, bytes]:
    """Give the indices, by their path, that a split soup needs and its base does not have."""
    if plan.layout == "base":
        return {}
    names = {index_name(plan, PurePosixPath(shard).parent) for shard in plan.base.shards}
    return {name: _index(plan, name, {}) for name in sorted(names - set(plan.base.indices))}


def _with_dtype(config: Mapping[str, Any], dtype: str, *, top: bool) -> dict[str, Any]:
    """Give a config another dtype, wherever it names one; at the top it has to."""

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: dtype if key in DTYPE_KEYS and isinstance(item, str) else renamed(item)
                for key, item in value.items()
            }
        return value

    changed: dict[str, Any] = renamed(dict(config))
    if top and not any(key in changed for key in DTYPE_KEYS):
        changed["torch_dtype"] = dtype
    return changed


def _with_own_head(config: Mapping[str, Any]) -> dict[str, Any]:
    """Say at every level where loaders look that the head is not the embedding."""
    text = config.get("text_config")
    inner = {"text_config": {**text, TIE: False}} if isinstance(text, dict) else {}
    return {**config, **inner, TIE: False}


def _index(plan: ComposePlan, name: str, index: Mapping[str, Any]) -> bytes:
    """Write an index: the base's tensors of its folder, and a head that is untied, in the files that hold them now."""
    folder = PurePosixPath(name).parent
    before = index.get("weight_map")
    new = plan.untied.head if plan.untied is not None else None
    inside = [
        (placed.name, PurePosixPath(shard.name).name, span_bytes(plan.target_dtype(placed.dtype), placed.shape))
        for shard in output_shards(plan)
        if shard.folder == folder
        for _, placed in shard.tensors
    ]
    metadata = index.get("metadata")
    total = sum(size for _, _, size in inside)
    return _text(
        {
            **index,
            "metadata": {**(metadata if isinstance(metadata, dict) else {}), "total_size": total},
            "weight_map": {
                tensor: shard
                for tensor, shard, _ in sorted(inside)
                if before is None or tensor in before or tensor == new
            },
        }
    )


def _text(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
