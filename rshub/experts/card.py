"""The model card of an expert, rendered from its manifest: for people and for search, and never read back."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rshub.experts.catalog import EXPERT_TAG
from rshub.experts.manifest import ExpertManifest
from rshub.tensors.model_config import CONFIG

if TYPE_CHECKING:
    from jinja2 import Template

SOUP_FAMILY_TAG = "rewarded-soup"
_PIPELINES = {
    "CAUSAL_LM": "text-generation",
    "SEQ_2_SEQ_LM": "text2text-generation",
    "SEQ_CLS": "text-classification",
    "TOKEN_CLS": "token-classification",
    "QUESTION_ANS": "question-answering",
    "FEATURE_EXTRACTION": "feature-extraction",
}
_TASKS = {
    "ForCausalLM": "CAUSAL_LM",
    "LMHeadModel": "CAUSAL_LM",
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
    "ForQuestionAnswering": "QUESTION_ANS",
}
"""How model classes end -> the task that PEFT has for them."""

_NOUNS = {"lora": "a LoRA", "full": "a fine-tuned version", "partial": "a fine-tuned part"}
_FIRST = ("method", "objective", "mixture", "dataset", "seed", "steps", "kl")
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)*")
_NO_TEXT = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
_UNESCAPED = frozenset(string.ascii_letters + string.digits + " _./:,;()+-@=")
_MARKUP = re.compile(r"[\\`*_{}\[\]<>|#!~]")


def render_expert_card(
    manifest: ExpertManifest, *, repo_id: str, tag: str | None, task_type: str | None, curve: str | None = None
) -> str:
    """Render ``README.md``.

    Args:
        manifest: What the expert says of itself.
        repo_id: Where it is published.
        tag: The release, None for a pull request that is released when it is merged.
        task_type: What PEFT calls the task (``CAUSAL_LM``), for the Hub's pipeline tag; see ``task_of``.
        curve: The picture of the training in the repo, if there is one.
    """
    return _template("expert_card.md").render(
        front_matter=front_matter(_metadata(manifest, task_type)),
        manifest=manifest,
        noun=_NOUNS[manifest.artefact.kind],
        repo_id=repo_id,
        tag=tag,
        own=manifest.own_score,
        training=_training(manifest.training),
        curve=curve,
        size=sum(claim.size for claim in manifest.artefact.files.values()),
    )


def task_of(config: Mapping[str, Any]) -> str | None:
    """Give the task that an adapter's config names, or the one of a model's class."""
    if config.get("task_type") is not None:
        return str(config["task_type"])
    named = config.get("architectures")
    classes = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
    return next((task for each in classes for ending, task in _TASKS.items() if each.endswith(ending)), None)


def front_matter(metadata: Mapping[str, str | Sequence[str] | None]) -> str:
    """Write a card's front matter as YAML, without the fields that are not known.

    Words and lists of words need no library, whose import would take longer than the card.
    """
    lines = []
    for key, value in metadata.items():
        if isinstance(value, str) and value:
            lines.append(f"{key}: {_scalar(value)}")
        elif value:
            lines += [f"{key}:", *(f"- {_scalar(each)}" for each in value)]
    return "\n".join(lines)


def _scalar(text: str) -> str:
    """Write a text as YAML reads it back: what might be no text, or hold a mark of YAML's, in quotes and escaped."""
    if _WORD.fullmatch(text) and text.lower() not in _NO_TEXT:
        return text
    return '"' + "".join(letter if letter in _UNESCAPED else f"\\U{ord(letter):08X}" for letter in text) + '"'


def plain(text: object) -> str:
    """Make a publisher's words safe inside a card: one line, no markup that acts."""
    line = "".join(letter for letter in " ".join(str(text).split())[:500] if letter.isprintable())
    return _MARKUP.sub(lambda mark: "\\" + mark[0], line)


def in_words(value: object) -> str:
    """Write a value of a manifest for a table: numbers short, inner objects as a list of their fields."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {in_words(inner)}" for name, inner in sorted(value.items()) if inner is not None)
    if isinstance(value, list | tuple):
        return ", ".join(in_words(inner) for inner in value)
    return str(value)


def _training(training: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List how an expert was trained: what everybody looks for first, then the rest by name."""
    names = [name for name in _FIRST if name in training] + sorted(set(training) - set(_FIRST))
    return [(name, in_words(training[name])) for name in names if training[name] is not None]


def _metadata(manifest: ExpertManifest, task_type: str | None) -> dict[str, Any]:
    dataset = manifest.training.get("dataset")
    named = str(dataset.get("name", "") if isinstance(dataset, Mapping) else dataset or "").partition("@")[0]
    lora = manifest.artefact.kind == "lora"
    return {
        "library_name": _library(manifest),
        "base_model": manifest.base.repo_id,
        "base_model_relation": "adapter" if lora else "finetune",
        "pipeline_tag": _PIPELINES.get(task_type or ""),
        "license": manifest.licence,
        "datasets": [named] if _REPO.fullmatch(named) else [],
        "tags": [SOUP_FAMILY_TAG, EXPERT_TAG, f"reward:{manifest.reward.name}", *(["lora"] if lora else [])],
    }


def _library(manifest: ExpertManifest) -> str | None:
    """Name the library that loads the weights; None for a state dict that belongs to no library."""
    artefact = manifest.artefact
    if artefact.format != "plain":
        return artefact.format
    return "transformers" if CONFIG in artefact.files else None


def _template(name: str) -> Template:
    """Load a template of this room; publishers' words pass through the filter ``plain`` in it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("rshub.experts"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - this is Markdown; every word of others passes through `plain`
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = plain
    return environment.get_template(name)
