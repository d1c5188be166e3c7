"""Which tensor of a base each module of an adapter changes, and in which layout.

Module names are those of the model in memory; tensor names are those on disk. They differ at most by one leading name
of a model body (``model.``, ``transformer.``), the same for all modules. A module that matches nothing, more than one
thing, a tensor of another shape, or an embedding that is tied to a head is refused by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from rshub.deltas.delta import Delta, Layout, LowRank
from rshub.deltas.square import square_layouts
from rshub.errors import Incompatible
from rshub.tensors.checkpoint import Checkpoint, Placed
from rshub.tensors.dtypes import FLOATS
from rshub.types import TensorName

BODIES = (
    "model", "transformer", "backbone", "gpt_neox", "bert", "roberta", "distilbert", "deberta", "electra", "albert",
)  # fmt: skip
"""Names under which a head holds the body of a model; a checkpoint of the body alone lacks them."""

HEADS = ("lm_head.weight", "embed_out.weight", "output.weight", "model.lm_head.weight")
"""Output heads that may be one with the embedding."""

OWN_HEADS = (*HEADS, "score.weight", "classifier.weight")
"""Tensors that show that the head is not the embedding."""

WEIGHT = ".weight"


@dataclass(frozen=True, kw_only=True)
class Placement:
    """One delta of an expert and the tensor that it changes.

    ``tensor`` is the name in the output, ``placed`` is where theta_0 lies, ``module`` is the path in the model.
    ``layout`` says how factors lie in the stored tensor; what is no factor is always plain. ``shift`` says which body
    name only one side has: ``+model.`` on disk only, ``-model.`` in the module's path only.
    """

    tensor: TensorName
    module: str
    placed: Placed
    delta: Delta
    layout: Layout = "plain"
    shift: str = ""


def match(
    modules: Mapping[str, LowRank], base: Checkpoint, *, fan_in_fan_out: bool, label: str
) -> dict[str, Placement]:
    """Find the base's tensor for every module.

    Args:
        modules: An adapter's modules by their path in the model.
        base: The checkpoint, or its headers.
        fan_in_fan_out: What the adapter's config says of weights that are stored inputs by outputs.
        label: What to call the adapter in an error.

    Raises:
        Incompatible: For a module that does not fit, by tensor name.
    """
    refuse_quantised(base)
    found = _tensor_names(modules, base, label)
    names = {module: name for module, (_, name) in found.items()}
    layouts = {module: modules[module].layouts(base.tensors[name].shape) for module, name in names.items()}
    vocabulary = _vocabulary_rows(base)
    for module, name in names.items():
        _refuse_tied(modules[module], name, base, vocabulary, label)
        if not layouts[module]:
            _refuse_shape(modules[module], base.tensors[name], name, label)
        if base.tensors[name].dtype not in FLOATS:
            raise Incompatible(
                f"{label}: {name} of the base is {base.tensors[name].dtype}: a quantised tensor cannot be changed",
                where=name,
                remedy="compose on the base in bfloat16, float16 or float32",
            )
    settled = {module: next(iter(fits)) for module, fits in layouts.items() if len(fits) == 1}
    linear = {module: layout for module, layout in settled.items() if modules[module].kind == "linear"}
    squares = {module: modules[module] for module, fits in layouts.items() if len(fits) > 1}
    settled |= square_layouts(squares, linear, base, fan_in_fan_out=fan_in_fan_out, label=label)
    return {
        module: Placement(
            tensor=name,
            module=module,
            placed=base.tensors[name],
            delta=modules[module],
            layout=settled[module],
            shift=found[module][0],
        )
        for module, name in names.items()
    }


def refuse_quantised(base: Checkpoint) -> None:
    """Refuse a base whose weights are packed.

    Raises:
        Incompatible: When the config has a quantization_config.
    """
    method = base.config.get("quantization_config")
    if method:
        kind = method.get("quant_method", "unknown") if isinstance(method, dict) else method
        raise Incompatible(
            f"{base.source}: this base is quantised ({kind}); its packed weights cannot be changed",
            where="quantization_config",
            remedy="compose on the base that it was quantised from",
        )


def _tensor_names(modules: Mapping[str, LowRank], base: Checkpoint, label: str) -> dict[str, tuple[str, TensorName]]:
    """Give the shift and the tensor of each module, allowing for one body name that only one side has."""
    names: dict[str, tuple[str, TensorName]] = {}
    shifts: set[str] = set()
    for module in modules:
        exact = TensorName(module + WEIGHT)
        if exact in base.tensors:
            names[module] = ("", exact)
            continue
        first, _, rest = module.partition(".")
        found = {f"+{body}.": f"{body}.{module}{WEIGHT}" for body in BODIES}
        if first in BODIES and rest:
            found[f"-{first}."] = rest + WEIGHT
        found = {shift: name for shift, name in found.items() if name in base.tensors}
        if len(found) != 1:
            _refuse_unmatched(modules[module], sorted(found.values()), base, label)
        shift, name = next(iter(found.items()))
        shifts.add(shift)
        if len(shifts) > 1:
            _refuse_unmatched(modules[module], [name], base, label)
        names[module] = (shift, TensorName(name))
    tensors = [name for _, name in names.values()]
    if len(set(tensors)) != len(tensors):
        twice = Counter(tensors).most_common(1)[0][0]
        raise Incompatible(
            f"{label}: two modules of the adapter change the one tensor {twice}",
            where=twice,
            remedy="save the adapter again with plain module names",
        )
    return names


def _vocabulary_rows(base: Checkpoint) -> set[int]:
    """Give the sizes of vocabularies in the config that some tensor has as its rows; none when that is not known."""
    sizes = set(_vocabulary_sizes(base.config))
    return sizes & {placed.shape[0] for placed in base.tensors.values() if len(placed.shape) == 2} if sizes else sizes


def _vocabulary_sizes(config: Mapping[str, Any]) -> Iterator[int]:
    """Find every vocabulary size in a config: composed models hold one for each part."""
    for key, value in config.items():
        if key == "vocab_size" and isinstance(value, int):
            yield value
        elif isinstance(value, Mapping):
            yield from _vocabulary_sizes(value)


def _refuse_tied(module: LowRank, name: TensorName, base: Checkpoint, vocabulary: set[int], label: str) -> None:
    """Refuse a change of an embedding that also is the head, or of a head that also is the embedding.

    Of embeddings only that of words is tied; one with other rows than the vocabulary is of positions or kinds.
    """
    text = base.config.get("text_config")
    said = base.config.get("tie_word_embeddings", text.get("tie_word_embeddings") if isinstance(text, dict) else None)
    head = name in HEADS
    words = module.kind == "embedding" and (not vocabulary or base.tensors[name].shape[0] in vocabulary)
    if said is False or not (head or words):
        return
    own_head = any(candidate in base.tensors for candidate in OWN_HEADS)
    if said or not own_head:
        raise Incompatible(
            f"{label}: the tensor {module.a_name} changes {name}, which is tied: embedding and head are one tensor",
            where=module.a_name,
            remedy="use an expert that leaves embedding and head alone, or a base with tie_word_embeddings false",
        )


def _refuse_unmatched(module: LowRank, found: list[str], base: Checkpoint, label: str) -> NoReturn:
    last = module.module.rpartition(".")[2]
    if found:
        why = f"matches more than one thing or breaks the naming of the others: {', '.join(found)}"
    elif last in {"lm_head", "embed_out"}:
        why = "matches nothing in the base; a head that is tied to the embedding is not stored"
    else:
        why = f"matches nothing in the base: there is no {module.module}{WEIGHT}"
    whether = f"check that the expert was trained on {base.source}"
    raise Incompatible(
        f"{label}: the tensor {module.a_name} {why}",
        where=module.a_name,
        remedy=f"{whether}; if it was, the base stores its tensors under other names than the model has in memory, "
        "which is not read yet",
    )


def _refuse_shape(module: LowRank, placed: Placed, name: TensorName, label: str) -> NoReturn:
    raise Incompatible(
        f"{label}: {module.b_name} {list(module.b_shape)} times {module.a_name} {list(module.a_shape)} does not fit "
        f"{name} {list(placed.shape)} of the base",
        where=module.a_name,
        remedy="check that the expert was trained on this base",
    )
