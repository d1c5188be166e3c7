"""What an expert did to a tied head by changing the embedding: said by its files only for the embedding.

A whole model without a head of its own had the embedding as its head. Trained token rows of a tied embedding also are
rows of its head. Factors and whole modules beside an adapter change only what they are saved for. An embedding whose
ties are not known is refused.

Source: PEFT's documentation of trainable tokens and of weight tying.
"""

from __future__ import annotations

from dataclasses import replace

from rshub.deltas.expert_tensors import ExpertTensors
from rshub.deltas.matching import Placement
from rshub.deltas.replaced import ReplacedRows
from rshub.deltas.tying import TiedHead, refuse_other_ties
from rshub.errors import Incompatible
from rshub.tensors.checkpoint import Checkpoint


def placed_with_twins(expert: ExpertTensors, base: Checkpoint, tied: TiedHead | None) -> tuple[Placement, ...]:
    """Place an expert's deltas, and on the head those that belong there together with the embedding.

    Raises:
        Incompatible: For a delta that does not fit, or one of an embedding whose ties are not known.
    """
    placements = expert.place(base)
    adapter = "peft_type" in expert.config
    if adapter:
        for placement in placements:
            refuse_other_ties(placement.tensor, base, label=expert.label)
    if tied is None:
        return placements
    words = [placement for placement in placements if placement.tensor == tied.embedding]
    heads = [placement for placement in placements if placement.tensor == tied.head]
    twins = [each for each in words if not adapter or isinstance(each.delta, ReplacedRows)]
    if not twins or (heads and not adapter) or any(isinstance(each.delta, ReplacedRows) for each in heads):
        return placements
    if heads:
        raise Incompatible(
            f"{expert.label}: {twins[0].delta.first_name} also changes {tied.head}, which the expert changes too",
            where=tied.head,
            remedy="leave this expert out, or train token rows or the head, not both",
        )
    module = tied.head.removesuffix(".weight")
    placed = base.tensors[tied.head if tied.stored else tied.embedding]
    return (*placements, *(replace(each, tensor=tied.head, module=module, placed=placed) for each in twins))
