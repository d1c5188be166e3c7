"""What was made before is not made again: folders in a cache, named by the digest of everything that decides them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from rshub.formats.canonical import digest, file_bytes, load_json, sha256
from rshub.tensors.writer import fresh_folder

MADE = "made.json"
"""Beside a model: what was measured while it was made."""

TOOLS = ("torch", "transformers", "tokenizers")


def kept(
    cache: Path, name: str, facts: Mapping[str, Any], make: Callable[[Path], Mapping[str, Any]]
) -> tuple[Path, dict[str, Any]]:
    """Give a folder from the cache, made if it is not there.

    Args:
        cache: Where such folders lie.
        name: What it is called, for whoever looks into the cache.
        facts: All that decides what is in it, as JSON.
        make: Fills a folder, and tells what was measured on the way.

    Returns:
        The folder, and what was told when it was made.
    """
    folder = cache / f"{name}-{digest({**facts, 'tools': {tool: version(tool) for tool in TOOLS}})[:16]}"
    if not folder.exists():
        with fresh_folder(folder) as staging:
            (staging / MADE).write_bytes(file_bytes(dict(make(staging))))
    return folder, load_json((folder / MADE).read_bytes(), source=str(folder / MADE))


def source_of(*modules: ModuleType) -> str:
    """Give the digest of what modules do, as a fact: a model made by other code is another model."""
    return sha256("".join(inspect.getsource(module) for module in modules).encode())
