"""The files beside a model's weights that make it whole: config, tokenizer, chat template, generation config.

They are known by the names that models use for them; those of a pipeline's components lie in their folders, like
schedulers that have no weights at all. All else is no part of a model: pickles, programs, other weights, cards, what
belongs to an expert or to a soup, and what people keep beside a model.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.model_config import CONFIG
from rshub.tensors.pipeline import MODEL_INDEX, TEMPLATES, model_files
from rshub.tensors.weight_files import INDEX_SUFFIX, WeightFiles

NAMES = frozenset({
    CONFIG, "generation_config.json", MODEL_INDEX, "scheduler_config.json", "guider_config.json",
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


def side_files(folder: Path, model: Checkpoint | WeightFiles) -> list[str]:
    """List the files of a model that go with its weights, by their path within it.

    Raises:
        NotFound: There is no such folder, or it may not be read.
    """
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
