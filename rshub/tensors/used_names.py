"""What the files are called that are read from the folder of a model or an expert, or that go along with it.

Under such a name lies a plain file or nothing: anything else would be taken for absent, and with it every check that
reads the file.
"""

from __future__ import annotations

import re

NAMES = frozenset({
    "config.json", "generation_config.json", "model_index.json", "scheduler_config.json", "guider_config.json",
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

ENDINGS = (".safetensors", ".safetensors.index.json", ".jinja")
RECORDS = frozenset({"adapter_config.json", "expert.json", "soup.lock.json", "training.json"})
"""What an expert or a soup is read from, beside its tensors."""


def is_used(name: str, *, folder: bool) -> bool:
    """Say whether what lies under a name would be read or copied.

    Args:
        name: The name alone.
        folder: Whether a folder lies there; a folder of licences is an ordinary one.
    """
    known = name in NAMES or name in RECORDS or name.endswith(ENDINGS)
    return known or (not folder and PATTERNS.fullmatch(name) is not None)
