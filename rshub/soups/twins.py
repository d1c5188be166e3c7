"""An expert's deltas on their tensors, with what its files say of one side of a tied head only.

Trained token rows of a tied embedding also are rows of its head, though they are saved once. Factors and whole modules
beside an adapter change only what they are saved for. An embedding whose ties are not known is refused.

Source: PEFT's documentation of trainable tokens and of weight tying.
"""

from __future__ import annotations

from dataclasses import replace

from rshub.deltas.adapters import Adapter
from rshub.deltas.expert_tensors import ExpertTensors
from rshub.deltas.matching import Placement
from rshub.deltas.replaced import ReplacedRows
from rshub.deltas.tying import TiedHead, refuse_other_ties
from rshub.deltas.unchanged import without_unchanged
from rshub.errors import Incompatible
from rshub.tensors.checkpoint import Checkpoint


def placed_with_twins(expert: ExpertTensors, base: Checkpoint, tied: TiedHead | None) -> tuple[Placement, ...]:
    """Place an expert's deltas, and on the head those that belong there together with the embedding.

    Raises:
        Incompatible: For a delta that does not fit, or one of an embedding whose ties are not known.
    """
    placements = expert.place(base)
    if not isinstance(expert, Adapter):  # a whole model keeps all of its ties
        return placements
    placements = without_unchanged(placements, base)
    words = expert.config.get("task_type") == "CAUSAL_LM"
    for placement in placements:
        refuse_other_ties(placement.tensor, base, label=expert.label, words=words)
    if tied is None:
        return placements
    rows = next((p for p in placements if p.tensor == tied.embedding and isinstance(p.delta, ReplacedRows)), None)
    head = next((p for p in placements if p.tensor == tied.head), None)
    if rows is None or (head is not None and isinstance(head.delta, ReplacedRows)):
        return placements
    if head is not None:
        raise Incompatible(
            f"{expert.label}: {rows.delta.first_name} also changes {tied.head}, which the expert changes too",
            where=tied.head,
            remedy="leave this expert out, or train token rows or the head, not both",
        )
    module = tied.head.removesuffix(".weight")
    placed = base.tensors[tied.head if tied.stored else tied.embedding]
    return (*placements, replace(rows, tensor=tied.head, module=module, placed=placed))
