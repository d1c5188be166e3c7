"""The files beside the weights that a soup needs to be a model: config, tokenizer, chat template, generation config.

They are copied by an allow-list of kinds. Pickles, programs, other weights, cards and what belongs to an expert or to
another soup stay behind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from rshub.errors import IntegrityError, OutputError
from rshub.formats.canonical import load_json, sha256
from rshub.soups.plan import ComposePlan
from rshub.tensors.model_config import CONFIG
from rshub.tensors.weight_files import INDEX_SUFFIX, MAX_INDEX_BYTES
from rshub.types import Digest

KINDS = (".json", ".txt", ".jinja", ".model", ".tiktoken")
NAMES = ("LICENSE", "NOTICE")
FOLDERS = ("additional_chat_templates",)
MAX_FILE_BYTES = 128 * 1024 * 1024

NOT_OURS = (
    "adapter_config.json", "expert.json", "soup.lock.json", "trainer_state.json", "all_results.json",
    "train_results.json", "eval_results.json", "training_args.json", "requirements.txt",
)  # fmt: skip
"""Files of these kinds that say something about another artefact."""

DTYPE_KEYS = ("dtype", "torch_dtype")


def write_side_files(plan: ComposePlan, staging: Path) -> dict[str, tuple[Digest, int]]:
    """Copy the base's small files; the config and the index follow the output dtype.

    Returns:
        Each file's sha256 and size (bytes).

    Raises:
        OutputError: When a file cannot be written.
    """
    assert plan.base.folder is not None
    written: dict[str, tuple[Digest, int]] = {}
    for name in side_files(plan.base.folder, index=plan.base.index):
        data = (plan.base.folder / name).read_bytes()
        if name == CONFIG and plan.dtype != "auto":
            data = _with_dtype(plan.base.config, plan.dtype)
        if name == plan.base.index and plan.dtype != "auto":
            data = _with_total(data, plan.checkpoint_bytes(), name)
        target = staging / name
        try:
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(data)
        except OSError as fault:
            raise OutputError(f"{target} cannot be written: {fault.strerror}", where=str(target)) from fault
        written[name] = (sha256(data), len(data))
    return written


def side_files(folder: Path, *, index: str | None) -> list[str]:
    """List the files of a base that go with its weights, by their path within it."""
    names = [path.relative_to(folder).as_posix() for path in (*folder.iterdir(), *folder.glob("*/*")) if path.is_file()]
    wanted = [name for name in names if is_side_file(name, index=index)]
    return sorted(name for name in wanted if (folder / name).stat().st_size <= MAX_FILE_BYTES)


def is_side_file(name: str, *, index: str | None) -> bool:
    """Say whether a file of a model repo goes with its weights, by its path within the repo."""
    path = PurePosixPath(name)
    if len(path.parts) == 2:
        return path.parts[0] in FOLDERS and path.suffix == ".jinja"
    if len(path.parts) > 2 or name.startswith(".") or name in NOT_OURS:
        return False
    if name.endswith(".index.json"):
        return name == index and name.endswith(INDEX_SUFFIX)
    return path.suffix in KINDS or name in NAMES


def _with_dtype(config: Mapping[str, Any], dtype: str) -> bytes:
    """Write the config with another dtype, wherever it names one."""

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: dtype if key in DTYPE_KEYS and isinstance(item, str) else renamed(item)
                for key, item in value.items()
            }
        return value

    edited = renamed(dict(config))
    if not any(key in edited for key in DTYPE_KEYS):
        edited["torch_dtype"] = dtype
    return (json.dumps(edited, indent=2, ensure_ascii=False) + "\n").encode()


def _with_total(data: bytes, total: int, name: str) -> bytes:
    """Write the index with another total size."""
    index = load_json(data, source=name, error=IntegrityError, max_bytes=MAX_INDEX_BYTES)
    metadata = index.get("metadata")
    index["metadata"] = {**(metadata if isinstance(metadata, dict) else {}), "total_size": total}
    return (json.dumps(index, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
