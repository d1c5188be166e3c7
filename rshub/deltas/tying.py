"""Whether a base's output head is its embedding, and under which name the head would be stored.

The config and the tensors on disk decide, before anything is loaded. One embedding that also is the one head is read
here; a model that ties more than that (an encoder, a decoder and a head to one tensor) has changes of it refused by
name, because no config says how to take only some of them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rshub.errors import Incompatible
from rshub.tensors.checkpoint import Checkpoint
from rshub.types import TensorName

HEADS: Mapping[str, str] = {
    "model.embed_tokens.weight": "lm_head.weight",
    "embed_tokens.weight": "lm_head.weight",
    "model.language_model.embed_tokens.weight": "lm_head.weight",
    "model.text_model.embed_tokens.weight": "lm_head.weight",
    "language_model.model.embed_tokens.weight": "language_model.lm_head.weight",
    "transformer.wte.weight": "lm_head.weight",
    "wte.weight": "lm_head.weight",
    "transformer.word_embeddings.weight": "lm_head.weight",
    "word_embeddings.weight": "lm_head.weight",
    "gpt_neox.embed_in.weight": "embed_out.weight",
    "backbone.embeddings.weight": "lm_head.weight",
}
"""Embeddings of words and the heads that they may be, as they are called on disk."""

DECODERS: Mapping[tuple[str, str], str] = {
    ("opt", "model.decoder.embed_tokens.weight"): "lm_head.weight",
    ("opt", "decoder.embed_tokens.weight"): "lm_head.weight",
    ("whisper", "model.decoder.embed_tokens.weight"): "proj_out.weight",
}
"""The same for names that mean one head in one type of model and another in the next."""

STORED_HEADS = (
    *sorted({*HEADS.values(), *DECODERS.values()}),
    "output.weight",
    "model.lm_head.weight",
    "output_layer.weight",
)
"""Output heads that are tensors of their own."""

MANY = ("shared.weight", "model.shared.weight", "model.encoder.embed_tokens.weight", "encoder.embed_tokens.weight")
"""Embeddings that an encoder and a decoder have in common."""

WORDS = (
    "embed_in", "embed_tokens", "embeddings", "tok_embeddings", "tokens_embed", "w", "word_embedding",
    "word_embeddings", "wte",
)  # fmt: skip
"""What embeddings of words are called in models of any kind."""

CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "DoubleHeadsModel")
"""How classes end whose one head gives words."""

MASKED = ("ForMaskedLM", "ForPreTraining", "WithLMHeadModel")
"""How classes end whose head lies over other layers and is tied in more than one place."""

TIED_BY_DEFAULT = (
    "biogpt", "bloom", "cohere", "cohere2", "ctrl", "falcon", "falcon_mamba", "gemma", "gemma2", "gemma3",
    "gemma3_text", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox_japanese", "mamba", "mpt", "openai-gpt", "opt",
    "recurrent_gemma", "starcoder2", "whisper", "xglm",
)  # fmt: skip
"""Types of models whose configs mean a tied head when they say nothing."""


@dataclass(frozen=True, kw_only=True)
class TiedHead:
    """A head that is the embedding: its name if it were stored, and the tensor that it is.

    ``stored`` says that it is stored nevertheless, a second time.
    """

    head: TensorName
    embedding: TensorName
    stored: bool = False


def tied_head(base: Checkpoint) -> TiedHead | None:
    """Find the head that a base does not store because it is the embedding.

    Nothing is tied when the config says so, when a head is stored, or when the class has none: a body alone, or one
    with a head over classes.

    Returns:
        The head and the embedding; None when nothing is tied, or when what is tied is not read here.
    """
    found = tied_pair(base)
    return None if found is None or found.stored else found


def tied_pair(base: Checkpoint) -> TiedHead | None:
    """Find the head that is the embedding, also when the base stores it a second time; see ``tied_head``."""
    said, stored = said_tied(base.config), stored_head(base)
    if said is False or not _gives_words(base) or any(name in base.tensors for name in MANY):
        return None
    found = [(words, head) for words, head in _known_heads(base).items() if words in base.tensors]
    if len(found) != 1 or (stored is not None and (said is None or stored != found[0][1])):
        return None
    return TiedHead(head=TensorName(found[0][1]), embedding=TensorName(found[0][0]), stored=stored is not None)


def said_tied(config: Mapping[str, Any]) -> bool | None:
    """Give what a config says of tying, at the top or of the text, where once is enough; else what the class does.

    None when neither is known.
    """
    levels = [level for level in (config, config.get("text_config")) if isinstance(level, Mapping)]
    said = [level["tie_word_embeddings"] for level in levels if isinstance(level.get("tie_word_embeddings"), bool)]
    if said:
        return any(said)
    return True if config.get("model_type") in TIED_BY_DEFAULT else None


def stored_head(base: Checkpoint) -> TensorName | None:
    """Give the output head that is a tensor of its own, if there is one."""
    return next((TensorName(name) for name in STORED_HEADS if name in base.tensors), None)


def refuse_other_ties(name: TensorName, base: Checkpoint, *, label: str, words: bool = False) -> None:
    """Refuse a change of an embedding of words that may be tied in a way that is not read here.

    Args:
        name: The tensor that is changed.
        base: The base.
        label: What to call the expert in an error.
        words: Whether the expert was trained under a head that gives words.

    Raises:
        Incompatible: Naming the tensor and what would settle it.
    """
    inside = name.rpartition("/")[2]
    if inside not in MANY and not _holds_words(name, base):
        return
    architectures = _architectures(base)
    tied = tied_head(base)
    if inside in MANY or any(each.endswith(MASKED) for each in architectures):
        why, remedy = "the model ties it to more than one place", "use experts that leave the embedding alone"
    elif said_tied(base.config) is False or stored_head(base) is not None or tied is not None:
        return
    elif _gives_words(base):
        why, remedy = "its head is not stored and its name is not known", "use a base with tie_word_embeddings false"
    elif not architectures and not _has_body_name(base):
        why = "the config does not say whether a head is tied to it"
        remedy = "say so in the base's config.json: architectures, or tie_word_embeddings"
    elif words:
        why = "the expert was trained with a head that gives words, and the base has none that could be the embedding"
        remedy = "use a base with its head, or say tie_word_embeddings false in its config.json"
    else:
        return
    raise Incompatible(f"{label}: {name} cannot be changed soundly: {why}", where=name, remedy=remedy)


def _known_heads(base: Checkpoint) -> dict[str, str]:
    """Give the embeddings that models of this type may have, with their heads."""
    mine = {words: head for (kind, words), head in DECODERS.items() if kind == base.config.get("model_type")}
    return {**HEADS, **mine}


def _gives_words(base: Checkpoint) -> bool:
    """Say whether the model has one head over words; without a class, its names and its config say so."""
    architectures = _architectures(base)
    if architectures:
        return any(each.endswith(CAUSAL) for each in architectures)
    others = ("score.weight", "classifier.weight", "pooler.dense.weight")
    if any(name in base.tensors for name in others):
        return False
    return said_tied(base.config) is True or _has_body_name(base)


def _has_body_name(base: Checkpoint) -> bool:
    """Say whether an embedding lies under the name of a body, which only a model with a head writes."""
    return any(name in base.tensors for name in HEADS if name.split(".")[0] in {"model", "transformer", "gpt_neox"})


def _architectures(base: Checkpoint) -> list[str]:
    named = base.config.get("architectures")
    return [each for each in named if isinstance(each, str)] if isinstance(named, list) else []


def _holds_words(name: TensorName, base: Checkpoint) -> bool:
    """Say whether a tensor looks like an embedding of words: by its name, and by its rows where they are known."""
    if name in _known_heads(base):
        return True
    if name.removesuffix(".weight").rpartition(".")[2] not in WORDS:
        return False
    shape, sizes = base.tensors[name].shape, set(_vocabulary_sizes(base.config))
    return len(shape) == 2 and (not sizes or shape[0] in sizes)


def _vocabulary_sizes(config: Mapping[str, Any]) -> Iterator[int]:
    """Find every vocabulary size in a config: composed models hold one for each part."""
    for key, value in config.items():
        if key == "vocab_size" and isinstance(value, int):
            yield value
        elif isinstance(value, Mapping):
            yield from _vocabulary_sizes(value)
