"""Which files of a repo a classifier needs, chosen by name before anything is fetched: config, tokenizer, safetensors.

Pickles are refused by name; code that lies in the repo, adapters and copies in other formats stay where they are.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from rshub.errors import IntegrityError, NotFound
from rshub.formats.canonical import load_json
from rshub.formats.fields import is_file_name

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
MAX_INDEX_BYTES = 32 * 1024 * 1024
_TOKENIZER = frozenset(
    {
        "added_tokens.json",
        "bpe.codes",
        "chat_template.jinja",
        "merges.txt",
        "sentencepiece.bpe.model",
        "special_tokens_map.json",
        "spiece.model",
        "spm.model",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "vocab.json",
        "vocab.txt",
    }
)
_PICKLE = re.compile(r".*\.(bin|pt|pth|ckpt|pkl|h5|msgpack)")


def small_files(names: Collection[str], *, source: str) -> list[str]:
    """Give the config, the tokenizer's files and, if there is one, the index of the weights.

    Raises:
        NotFound: It is no model: it has no config or no weights.
        IntegrityError: Its weights are pickles.
    """
    if CONFIG not in names:
        raise NotFound(f"{source}: no {CONFIG}, so it is no model", where=source, remedy="check the repo")
    if WEIGHTS not in names and INDEX not in names:
        pickles = sorted(name for name in names if _PICKLE.fullmatch(name))
        if pickles:
            raise IntegrityError(
                f"{source}: its weights are in {pickles[0]} alone, which can hold code; only safetensors are loaded",
                where=f"{source}/{pickles[0]}",
                remedy="ask its owner for safetensors (the Hub has a conversion bot), or use another model",
            )
        raise NotFound(f"{source}: no {WEIGHTS}", where=source, remedy="check the repo")
    wanted = {CONFIG, *_TOKENIZER} | (set() if WEIGHTS in names else {INDEX})
    return sorted(name for name in names if name in wanted)


def shards(index: bytes, names: Collection[str], *, source: str) -> list[str]:
    """Give the weight files that an index names.

    Raises:
        IntegrityError: The index is malformed, or names what is not there or is no safetensors file.
    """
    placed = load_json(index, source=f"{source}/{INDEX}", max_bytes=MAX_INDEX_BYTES, error=IntegrityError).get(
        "weight_map"
    )
    found = sorted(set(placed.values())) if isinstance(placed, dict) and _texts(placed) else []
    wrong = [name for name in found if name not in names or not _is_shard(name)]
    if not found or wrong:
        raise IntegrityError(
            f"{source}/{INDEX}: "
            + (f"it names {wrong[0]!r}, which is no safetensors file beside it" if wrong else "it names no file"),
            where=f"{source}/{INDEX}",
            remedy="ask its owner to mend the repo",
        )
    return found


def _is_shard(name: str) -> bool:
    return is_file_name(name) and "/" not in name and name.endswith(".safetensors")


def _texts(placed: dict[str, object]) -> bool:
    return all(isinstance(name, str) for name in placed.values())
