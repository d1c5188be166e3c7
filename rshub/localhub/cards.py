"""What a repository's card says, and the tags that follow from it. Pure: text in, JSON values out.

A card is written by strangers: it is limited in size and in what it may expand to, and one that cannot be read counts
as no card at all.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Collection, Mapping
from typing import Any

import yaml

from rshub.localhub.names import RepoKind

LARGEST_FRONT_MATTER = 256 * 1024  # characters
MOST_VALUES = 50_000  # after aliases are expanded
LARGEST_NUMBER = 2**63
MOST_TAGS = 2_000

_FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_ARXIV = re.compile(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})|\bar[xX]iv:(\d{4}\.\d{4,5})")
_RELATIONS = frozenset({"adapter", "merge", "quantized", "finetune"})
_DATASET_KEYS = (
    "task_categories",
    "task_ids",
    "language",
    "language_creators",
    "annotations_creators",
    "multilinguality",
    "size_categories",
    "source_datasets",
)


class CardError(ValueError):
    """The front matter is not YAML that a card may hold."""


def front_matter(text: str) -> dict[str, Any] | None:
    """Return the front matter of a card as JSON values, or None when it has none.

    Raises:
        CardError: It is not YAML, not a mapping, or too large.
    """
    match = _FRONT_MATTER.match(text)
    if match is None:
        return None
    if len(match[1]) > LARGEST_FRONT_MATTER:
        raise CardError(f"the metadata is longer than {LARGEST_FRONT_MATTER} characters")
    try:
        # The pure Python loader on purpose: deep nesting ends in RecursionError here, and in a crash of the C one.
        value = yaml.safe_load(match[1])
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise CardError(f"invalid YAML: {error}") from error
    except RecursionError as error:
        raise CardError("the metadata is nested too deeply") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CardError("the metadata must be a mapping")
    converted: dict[str, Any] = plain(value)
    return converted


def plain(value: object) -> Any:
    """Return a value that a stranger wrote as one that JSON and UTF-8 can carry.

    Raises:
        CardError: It holds too many values, or a number without end.
    """
    return _Plain().convert(value)


class _Plain:
    """Converts, counting: aliases can stand for exponentially many values."""

    def __init__(self) -> None:
        self._count = 0

    def convert(self, value: object, depth: int = 0) -> Any:
        self._count += 1
        if self._count > MOST_VALUES or depth > 50:
            raise CardError("the metadata holds too many values")
        if isinstance(value, dict):
            return {_text(str(key)): self.convert(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set):
            return [self.convert(item, depth + 1) for item in value]
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        if isinstance(value, int) and abs(value) >= LARGEST_NUMBER:
            raise CardError("the metadata holds a number that is too large")
        if value is None or isinstance(value, bool | int | float):
            return value
        return _text(value.isoformat() if isinstance(value, dt.date) else str(value))


def _text(value: str) -> str:
    """Replace unpaired surrogates, which YAML and JSON can spell and UTF-8 cannot."""
    return value.encode("utf-8", "replace").decode()


def strings(value: object) -> list[str]:
    """Return a card field that may be one string, a list of strings, or something else, as strings."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [str(item) for item in value if isinstance(item, str | int | float)]
    return []


def library_of(card: Mapping[str, Any], paths: Collection[str], config: Mapping[str, Any] | None) -> str | None:
    """Return the library: what the card says, or what the files give away."""
    named = card.get("library_name")
    if isinstance(named, str):
        return named
    if "adapter_config.json" in paths:
        return "peft"
    if "model_index.json" in paths:
        return "diffusers"
    if config and ("model_type" in config or "architectures" in config):
        return "transformers"
    return None


def base_model_tags(card: Mapping[str, Any], paths: Collection[str]) -> list[str]:
    """Return `base_model:<id>` and `base_model:<relation>:<id>` for each base model."""
    bases = strings(card.get("base_model"))
    relation = card.get("base_model_relation")
    if not isinstance(relation, str) or relation not in _RELATIONS:
        inferred = "merge" if len(bases) > 1 else "finetune"
        relation = "adapter" if "adapter_config.json" in paths else inferred
    return [f"base_model:{base}" for base in bases] + [f"base_model:{relation}:{base}" for base in bases]


def tags_of(
    kind: RepoKind, card: Mapping[str, Any], text: str, paths: Collection[str], library: str | None
) -> list[str]:
    """Return every tag of a repository: those of its card, and those that are computed."""
    tags = strings(card.get("tags"))
    if kind == "model":
        tags += [library] if library else []
        tags += ["safetensors"] if any(path.endswith(".safetensors") for path in paths) else []
        tags += strings(card.get("pipeline_tag"))
        tags += ["model-index"] if card.get("model-index") else []
        tags += base_model_tags(card, paths)
        tags += [f"dataset:{name}" for name in strings(card.get("datasets"))]
        tags += strings(card.get("language"))
    elif kind == "dataset":
        tags += [f"{key}:{value}" for key in _DATASET_KEYS for value in strings(card.get(key))]
    else:
        tags += strings(card.get("sdk"))
    tags += [f"license:{name}" for name in strings(card.get("license"))]
    tags += [f"arxiv:{first or second}" for first, second in _ARXIV.findall(text)]
    tags.append("region:us")
    return list(dict.fromkeys(tags))[:MOST_TAGS]


def read_json(data: bytes | None) -> dict[str, Any] | None:
    """Return a JSON object from a repository, or None when it is not one."""
    if data is None:
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
