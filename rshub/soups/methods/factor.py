"""``factor``: the factors of the experts are interpolated one by one, as the published code of rewarded soups does.

It is not the mixture of the deltas: products of different experts' factors come in. It is kept because published
results were made with it, and only for coefficients that sum to one and experts of one build.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rshub.deltas.adapters import Adapter
from rshub.deltas.expert_tensors import ExpertTensors
from rshub.errors import Incompatible
from rshub.soups.methods.method import Method, Setting, Share, refuse_other_sum
from rshub.tensors.changes import Linear, LowRankPart
from rshub.tensors.factors import Factors, weighted


def mix_factors(shares: Sequence[Share], setting: Setting) -> Linear:  # noqa: ARG001 - one form for all
    """Give scale * (sum of coefficient_i B_i) (sum of coefficient_i A_i): factors averaged one by one."""
    parts = [share.part for share in shares if isinstance(share.part, LowRankPart)]
    pairs = [(share.coefficient, part.factors) for share, part in zip(shares, parts, strict=True)]
    left = np.sum([coefficient * factors.left.astype(np.float64) for coefficient, factors in pairs], axis=0)
    right = np.sum([coefficient * factors.right.astype(np.float64) for coefficient, factors in pairs], axis=0)
    kept = np.result_type(np.float32, *(factors.left.dtype for _, factors in pairs))
    mixed = Factors(left=weighted(parts[0].scale, left).astype(kept), right=weighted(1.0, right).astype(kept))
    return Linear(stacked=mixed)


def _refuse(coefficients: Sequence[float], experts: Sequence[ExpertTensors]) -> None:
    """Refuse what has no factors to average.

    Raises:
        Incompatible: When the coefficients do not sum to one, or the experts are not of one build.
    """
    refuse_other_sum("factor", coefficients)
    for other in experts:
        if _build(other) is None or _build(other) != _build(experts[0]):
            raise Incompatible(
                f"the method 'factor' needs equal modules, ranks and scales; {experts[0].label} and {other.label} "
                "have different ones, or hold more than factors",
                where=other.label,
                remedy="use --method delta, which mixes any experts",
            )


def _build(expert: ExpertTensors) -> Mapping[str, tuple[int, float]] | None:
    """Give rank and scale of each module of a plain adapter; None for anything else."""
    if not isinstance(expert, Adapter) or not expert.plain:
        return None
    return {name: (module.rank, module.scale) for name, module in expert.modules.items()}


FACTOR = Method(
    name="factor",
    source="Ramé et al., Rewarded soups (NeurIPS 2023), published code: A and B interpolated separately",
    mix=mix_factors,
    laws=("one-hot", "self", "order", "splitting", "adapter", "bytes"),
    ranks="largest",
    refuse=_refuse,
)
