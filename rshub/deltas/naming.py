"""Where a parameter of a model in memory lies on disk.

A name is the same on both sides, or differs in one leading part: the name of a body that a checkpoint or a model class
lacks, or what a library renames when it loads. A name that leads to more than one tensor leads to none.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    names = [TensorName(one.disk + path.removeprefix(one.memory)) for one in RENAMES if path.startswith(one.memory)]
    found = sorted({name for name in names if name in base.tensors})
    tied = tied_head(base)
    if not found and tied is not None and path in {tied.head, "lm_head.weight", "embed_out.weight"}:
        return [Spot(tensor=tied.head, placed=base.tensors[tied.embedding], rename=renamed(path, tied.head))]
    return [Spot(tensor=name, placed=base.tensors[name], rename=renamed(path, name)) for name in found]


def renamed(memory: str, disk: str) -> Rename | None:
    """Say which leading part of a name differs; None when nothing does."""
    if memory == disk:
        return None
    mine, its = memory.split("."), disk.split(".")
    while mine and its and mine[-1] == its[-1]:
        del mine[-1], its[-1]
    return Rename(memory="".join(f"{part}." for part in mine), disk="".join(f"{part}." for part in its))


def clash(names: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], tuple[str, str]] | None:
    """Find two parameters whose names cannot be those of one model: a leading part is renamed in one only.

    Args:
        names: Each parameter's name in memory and on disk.
    """
    known = [(name, renamed(*name)) for name in sorted(set(names))]
    firsts = {rename: name for name, rename in reversed(known) if rename is not None}
    for rename, first in sorted(firsts.items()):
        for name, own in known:
            inside = name[1].startswith(rename.disk) and not (rename.disk == "" and name[1].startswith(HEADS))
            if own != rename and inside:
                return first, name
    return None
