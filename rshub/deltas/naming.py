"""Where a parameter of a model in memory lies on disk.

A name is the same on both sides, or differs in one leading part: the name of a body that a checkpoint or a model class
lacks, or what a library renames when it loads; or in the parts of a vision transformer's layer, which have two sets of
names. A name that leads to more than one tensor leads to none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rshub.deltas.tying import tied_head
from rshub.tensors.checkpoint import Checkpoint, Placed
from rshub.types import TensorName

BODIES = (
    "model", "transformer", "backbone", "gpt_neox", "bert", "roberta", "distilbert", "deberta", "electra", "albert",
)  # fmt: skip
"""Names under which a head holds the body of a model; a checkpoint of the body alone lacks them."""

HEADS = ("lm_head.", "embed_out.", "score.", "classifier.", "qa_outputs.")
"""Parts of a model that lie beside its body."""


@dataclass(frozen=True, kw_only=True, order=True)
class Rename:
    """A leading part of a name in memory and on disk, each with its dot, or empty."""

    memory: str
    disk: str


RENAMES = (
    *(Rename(memory="", disk=f"{body}.") for body in BODIES),
    *(Rename(memory=f"{body}.", disk="") for body in BODIES),
    Rename(memory="lm_head.", disk="embed_out."),
    Rename(memory="lm_head.", disk="language_model.lm_head."),
    Rename(memory="model.language_model.", disk="language_model.model."),
    Rename(memory="model.language_model.", disk="model."),
    Rename(memory="model.vision_tower.", disk="vision_tower."),
    Rename(memory="model.multi_modal_projector.", disk="multi_modal_projector."),
    Rename(memory="model.visual.", disk="visual."),
)
"""What may differ. The last ones are what transformers 5 renames: gpt_neox, Llava, Gemma 3 and Qwen2-VL and theirs."""


VISION_PARTS = (
    ("attention.q_proj.", "attention.attention.query."),
    ("attention.k_proj.", "attention.attention.key."),
    ("attention.v_proj.", "attention.attention.value."),
    ("attention.o_proj.", "attention.output.dense."),
    ("mlp.fc1.", "intermediate.dense."),
    ("mlp.fc2.", "output.dense."),
)
"""Parts of a layer of a vision transformer (ViT, DINOv2) in transformers 5 and on disk."""

VISION_LAYERS = ("layers.", "encoder.layer.")

VISION = Rename(memory="layers.*.attention.", disk="encoder.layer.*.attention.attention.")
"""What stands for any of these renames: all of them, or none, are those of one model."""


@dataclass(frozen=True, kw_only=True)
class Spot:
    """Where a parameter lies: its tensor in the output, where theta_0 is, and what differs in the name."""

    tensor: TensorName
    placed: Placed
    rename: Rename | None = None


def find_spots(path: str, base: Checkpoint) -> list[Spot]:
    """Find the tensors that a parameter may be: one where all is well.

    A head that is not stored because it is the embedding is found where the embedding lies.
    """
    exact = TensorName(path)
    if exact in base.tensors:
        return [Spot(tensor=exact, placed=base.tensors[exact])]
    found: dict[TensorName, Rename] = {}
    for rename in sorted(RENAMES):
        name = TensorName(rename.disk + path.removeprefix(rename.memory))
        if path.startswith(rename.memory) and name in base.tensors:
            found[name] = rename  # of several that lead there, the longest in memory
    tied = tied_head(base)
    if not found and tied is not None and path in {tied.head, "lm_head.weight", "embed_out.weight"}:
        rename = Rename(memory=path.removesuffix("weight"), disk=tied.head.removesuffix("weight"))
        return [Spot(tensor=tied.head, placed=base.tensors[tied.embedding], rename=_if_any(rename))]
    if not found:
        found = {TensorName(name): VISION for name in _vision_names(path) if name in base.tensors}
    return [Spot(tensor=name, placed=base.tensors[name], rename=found[name]) for name in sorted(found)]


def _vision_names(path: str) -> set[str]:
    """Give the other names that a parameter of a vision transformer's layer may have on disk."""
    names = {path}
    for here, there in (*VISION_PARTS, VISION_LAYERS):
        names |= {_with_part(name, here, there) for name in names}
    return names - {path}


def _with_part(name: str, here: str, there: str) -> str:
    before, found, after = f".{name}".rpartition(f".{here}")
    return f"{before}.{there}{after}".removeprefix(".") if found else name


def renamed(memory: str, disk: str) -> Rename | None:
    """Say which leading part of a name differs; None when nothing does."""
    if memory == disk:
        return None
    mine, its = memory.split("."), disk.split(".")
    while mine and its and mine[-1] == its[-1]:
        del mine[-1], its[-1]
    return Rename(memory="".join(f"{part}." for part in mine), disk="".join(f"{part}." for part in its))


def clash(names: Sequence[tuple[str, Rename | None]]) -> tuple[int, int] | None:
    """Find two parameters whose names in memory cannot be those of one model: a leading part is renamed in one only.

    Args:
        names: Each parameter's name on disk, and what was renamed to find it.

    Returns:
        The numbers of two that clash.
    """
    firsts: dict[Rename, int] = {}
    for number, (_, own) in enumerate(names):
        if own is not None:
            firsts.setdefault(own, number)
    for rename, first in firsts.items():
        for number, (name, own) in enumerate(names):
            if own != rename and _covers(rename, name) and not _beside(name, own, rename):
                return first, number
    return None


def _covers(rename: Rename, name: str) -> bool:
    """Say whether a name on disk is one that was renamed, if its model is the one that this rename is of."""
    if rename == VISION:
        return any(f".{there}" in f".{name}" for _, there in VISION_PARTS)
    return name.startswith(rename.disk)


def _beside(name: str, own: Rename | None, body: Rename) -> bool:
    """Say whether a name lies beside what lacks its body's name on disk: a head, or a part with a rule of its own."""
    return body.disk == "" and (name.startswith(HEADS) or (own is not None and own.memory.startswith(body.memory)))


def _if_any(rename: Rename) -> Rename | None:
    return None if rename.memory == rename.disk else rename
