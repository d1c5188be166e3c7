"""The files beside the weights that a soup needs to be a model: config, tokenizer, chat template, generation config.

Those of a pipeline's components lie in their folders, like schedulers that have no weights at all. They are copied by a
list of the names that models use for them, whatever their size. All else stays behind: pickles, programs, other
weights, cards, what belongs to an expert or to another soup, and what people keep beside a model.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from rshub.errors import IntegrityError
from rshub.formats.canonical import load_json
from rshub.formats.header import span_bytes
from rshub.soups.plan import ComposePlan
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.model_config import CONFIG, parse_config
from rshub.tensors.pipeline import MODEL_INDEX, TEMPLATES, model_files
from rshub.tensors.plain_file import open_plain
from rshub.tensors.weight_files import INDEX_SUFFIX, MAX_INDEX_BYTES, WeightFiles
from rshub.types import Digest

NAMES = frozenset({
    CONFIG, "generation_config.json", MODEL_INDEX, "scheduler_config.json",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "chat_template.jinja", "chat_template.json",
    "preprocessor_config.json", "processor_config.json", "image_processor_config.json",
    "video_preprocessor_config.json", "feature_extractor_config.json", "audio_tokenizer_config.json",
    "vocab.json", "vocab.txt", "vocab.bpe", "encoder.json", "merges.txt", "bpe.codes", "dict.txt", "normalizer.json",
    "vocab-src.json", "vocab-tgt.json", "target_vocab.json", "entity_vocab.json", "byte_maps.json", "emoji.json",
    "word_shape.json", "word_pronunciation.json", "prophetnet.tokenizer",
    "spiece.model", "sentencepiece.model", "sentencepiece.bpe.model", "spm.model", "spm_char.model", "tokenizer.model",
    "tiktoken.model", "source.spm", "target.spm",
})  # fmt: skip
"""What configs, processors and vocabularies of models are called."""

PATTERNS = re.compile(
    r"(?:config|tokenizer)\.\d+(?:\.\d+){1,2}\.json"  # for readers from some version on
    r"|tokenizer\.model\.v\d+(?:m\d+)?|tekken(?:_\d+)?\.json|[\w-]+\.tiktoken"
    r"|(?i:third[-_]party[-_])?(?i:licen[cs]es?|notices?|copying|use[-_]policy)(?:[-_](?i:model|code))?"
    r"(?:\.(?:txt|md|rst))?",
    re.ASCII,
)
"""Names with versions in them, and the terms of use."""

COPY_BYTES = 1 << 20

DTYPE_KEYS = ("dtype", "torch_dtype")


def write_side_files(plan: ComposePlan, staging: Path) -> dict[str, tuple[Digest, int]]:
    """Copy the base's small files; the config and the index follow the output dtype.

    Returns:
        Each file's sha256 and size (bytes).

    Raises:
        NotFound: When a file may not be read.
        OSError: When a file cannot be written.
    """
    assert plan.base.folder is not None
    written: dict[str, tuple[Digest, int]] = {}
    for name in side_files(plan.base.folder, plan.base):
        data: Iterable[bytes] = _pieces(plan.base.folder / name)
        if plan.dtype != "auto" and PurePosixPath(name).name == CONFIG:
            data = [_with_dtype(parse_config(b"".join(data), source=name), plan.dtype, top=name == CONFIG)]
        if plan.dtype != "auto" and name in plan.base.indices:
            data = [_with_total(b"".join(data), _bytes_beside(plan, name), name)]
        written[name] = _write(staging / name, data)
    return written


def side_files(folder: Path, model: Checkpoint | WeightFiles) -> list[str]:
    """List the files of a base that go with its weights, by their path within it."""
    return sorted(name for name in model_files(folder) if is_side_file(name, model))


def is_side_file(name: str, model: Checkpoint | WeightFiles) -> bool:
    """Say whether a file of a model repo goes with its weights, by its path within the repo."""
    path = PurePosixPath(name)
    if name.endswith(INDEX_SUFFIX):
        return name in model.indices
    inside = path.parts[1:] if len(path.parts) > 1 and path.parts[0] in model.components else path.parts
    if len(inside) == 2:
        return inside[0] == TEMPLATES and path.suffix == ".jinja"
    return len(inside) == 1 and (inside[0] in NAMES or PATTERNS.fullmatch(inside[0]) is not None)


def _bytes_beside(plan: ComposePlan, index: str) -> int:
    """Give the size of the tensors that an index is about: those of its folder (bytes)."""
    folder = PurePosixPath(index).parent
    return sum(
        span_bytes(plan.target_dtype(placed.dtype), placed.shape)
        for placed in plan.base.tensors.values()
        if PurePosixPath(placed.shard).parent == folder
    )


def _pieces(path: Path) -> Iterator[bytes]:
    with open_plain(path) as file:
        while data := file.read(COPY_BYTES):
            yield data


def _write(target: Path, pieces: Iterable[bytes]) -> tuple[Digest, int]:
    """Write a file, giving its sha256 and size (bytes)."""
    sha = hashlib.sha256()
    size = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        for data in pieces:
            file.write(data)
            sha.update(data)
            size += len(data)
    return Digest(sha.hexdigest()), size


def _with_dtype(config: Mapping[str, Any], dtype: str, *, top: bool) -> bytes:
    """Write a config with another dtype, wherever it names one; at the top it has to."""

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: dtype if key in DTYPE_KEYS and isinstance(item, str) else renamed(item)
                for key, item in value.items()
            }
        return value

    edited = renamed(dict(config))
    if top and not any(key in edited for key in DTYPE_KEYS):
        edited["torch_dtype"] = dtype
    return (json.dumps(edited, indent=2, ensure_ascii=False) + "\n").encode()


def _with_total(data: bytes, total: int, name: str) -> bytes:
    """Write the index with another total size."""
    index = load_json(data, source=name, error=IntegrityError, max_bytes=MAX_INDEX_BYTES)
    metadata = index.get("metadata")
    index["metadata"] = {**(metadata if isinstance(metadata, dict) else {}), "total_size": total}
    return (json.dumps(index, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
