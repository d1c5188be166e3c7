"""Whether the config beside an expert's whole tensors is that of the base, in all that says what the tensors mean.

Equal shapes are not enough: the same weights under other heads, another activation or tied embeddings are another
model. What only one side says is left to the tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rshub.deltas.tying import said_tied
from rshub.errors import Incompatible
from rshub.formats.fields import short
from rshub.tensors.checkpoint import Checkpoint

FIELDS = (
    "model_type", "_class_name", "num_attention_heads", "num_key_value_heads", "n_head", "head_dim",
    "attention_head_dim", "hidden_act", "hidden_activation", "activation_function", "act_fn", "rope_theta",
    "rope_scaling", "rope_parameters", "sliding_window", "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon",
)  # fmt: skip
"""Fields of configs that change what weights of equal shape do."""


def refuse_other_model(config: Mapping[str, Any], base: Checkpoint, *, renamed: bool, label: str) -> None:
    """Refuse a config that contradicts the base's.

    Args:
        config: The expert's; empty when there is none.
        base: The base, or a component of it.
        renamed: Whether only one side has the name of the body: then the classes may differ, by the head.
        label: What to call the expert in an error.

    Raises:
        Incompatible: With the field and both values.
    """
    for field, mine, its in _contradictions(config, base.config, renamed=renamed):
        raise Incompatible(
            f"{label}: its config.json says {field} = {short(mine)}, that of the base {short(its)}",
            where=field,
            remedy=f"use an expert of the same architecture as {base.source}",
        )


def _contradictions(
    mine: Mapping[str, Any], its: Mapping[str, Any], *, renamed: bool
) -> Iterator[tuple[str, Any, Any]]:
    tied = said_tied(mine), said_tied(its)
    if None not in tied and tied[0] != tied[1]:
        yield "tie_word_embeddings", *tied
    for field in FIELDS if renamed else ("architectures", *FIELDS):
        if mine.get(field) is not None and its.get(field) is not None and mine[field] != its[field]:
            yield field, mine[field], its[field]
    for part, inner in mine.items():
        other = its.get(part)
        if part.endswith("_config") and isinstance(inner, Mapping) and isinstance(other, Mapping):
            yield from (
                (f"{part}.{field}", one, two) for field, one, two in _contradictions(inner, other, renamed=renamed)
            )
