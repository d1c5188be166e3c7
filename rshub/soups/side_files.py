"""The files beside the weights that a soup needs to be a model: config, tokenizer, chat template, generation config.

Those of a pipeline's components lie in their folders, like schedulers that have no weights at all. They are copied by a
list of the names that models use for them, whatever their size. All else stays behind: pickles, programs, other
weights, cards, what belongs to an expert or to another soup, and what people keep beside a model.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from rshub.soups.edited_files import edited, is_edited, new_indices
from rshub.soups.plan import ComposePlan
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.model_config import CONFIG
from rshub.tensors.pipeline import MODEL_INDEX, TEMPLATES, model_files
from rshub.tensors.plain_file import open_plain
from rshub.tensors.weight_files import INDEX_SUFFIX, WeightFiles
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


def write_side_files(plan: ComposePlan, staging: Path) -> dict[str, tuple[Digest, int]]:
    """Copy the base's small files; config and index say what the soup is where that is not what the base is.

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
        if is_edited(plan, name):
            data = [edited(plan, name, b"".join(data))]
        written[name] = _write(staging / name, data)
    for name, text in new_indices(plan).items():
        written[name] = _write(staging / name, [text])
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
