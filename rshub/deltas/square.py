"""How a square weight lies on disk, where its shape cannot tell: outputs by inputs (a linear layer), or the other way.

A few model families store some layers inputs by outputs. An adapter's ``fan_in_fan_out`` does not settle which: PEFT
saves what the last layer it touched needed. So each module is judged by what is sure: layers of the same name whose
shape or bias shows how they lie, then the family of the model. What stays in doubt is refused by name; a wrong guess
would be a wrong model that looks right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rshub.deltas.delta import Layout, LowRank
from rshub.errors import Incompatible
from rshub.tensors.checkpoint import Checkpoint

FAMILIES = frozenset({"gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp", "clvp_decoder"})
"""Model types of transformers whose layers of these names are stored inputs by outputs."""

NAMES = frozenset({"c_attn", "q_attn", "c_proj", "c_fc"})

LINEAR_FAMILIES = frozenset({"gpt_bigcode", "gpt_neo", "idefics", "starcoder2", "qwen", "mpt"})
"""Model types that have layers of these names which are stored outputs by inputs."""


def square_layouts(
    squares: Mapping[str, LowRank],
    settled: Mapping[str, Layout],
    base: Checkpoint,
    *,
    fan_in_fan_out: bool,
    label: str,
) -> dict[str, Layout]:
    """Say how each square weight lies.

    Args:
        squares: Modules whose shape fits both ways.
        settled: The adapter's other linear modules, with the layout that their shape shows.
        base: The base, with its tensor shapes and its config.
        fan_in_fan_out: What the adapter's config says.
        label: What to call the adapter in an error.

    Raises:
        Incompatible: A module that cannot be told.
    """
    if not squares:
        return {}
    seen = _shown_by_biases(base)
    for module, layout in settled.items():
        seen.setdefault(_last(module), set()).add(layout)
    types = set(_model_types(base.config))
    layouts: dict[str, Layout] = {}
    for module, low_rank in squares.items():
        judged = _judge(_last(module), seen, types, fan_in_fan_out=fan_in_fan_out)
        if judged is None:
            raise Incompatible(
                f"{label}: the tensor {low_rank.a_name} fits its square weight both ways, and nothing in the base says "
                "how that weight is stored",
                where=low_rank.a_name,
                remedy="compose on a base with its config.json, or leave this module out of the adapter",
            )
        layouts[module] = judged
    return layouts


def _judge(name: str, seen: Mapping[str, set[Layout]], types: set[str], *, fan_in_fan_out: bool) -> Layout | None:
    shown = seen.get(name, set())
    if shown:
        return next(iter(shown)) if len(shown) == 1 else None
    transposing = types & FAMILIES
    if not transposing and any("transposed" in layouts for layouts in seen.values()):
        return None  # a family that we do not know, of which some layers lie the other way
    if name not in NAMES:
        return "plain" if transposing or not fan_in_fan_out else None
    if transposing:
        return None if types & LINEAR_FAMILIES else "transposed"
    return "plain" if types and not fan_in_fan_out else None


def _shown_by_biases(base: Checkpoint) -> dict[str, set[Layout]]:
    """Collect, by a layer's last name, the layouts that biases show: a bias is as long as the outputs."""
    shown: dict[str, set[Layout]] = {}
    for tensor, placed in base.tensors.items():
        module = tensor.removesuffix(".weight")
        bias = base.tensors.get(type(tensor)(f"{module}.bias"))
        if module == tensor or bias is None or len(placed.shape) != 2 or len(bias.shape) != 1:
            continue
        rows, columns = placed.shape
        if rows != columns and bias.shape[0] in placed.shape:
            shown.setdefault(_last(module), set()).add("plain" if bias.shape[0] == rows else "transposed")
    return shown


def _model_types(config: Mapping[str, Any]) -> Iterator[str]:
    """Find every model type in a config: composed models hold one for each part."""
    for key, value in config.items():
        if key == "model_type" and isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _model_types(value)


def _last(module: str) -> str:
    return module.rpartition(".")[2]
