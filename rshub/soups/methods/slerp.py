"""``slerp``: two experts' deltas of each tensor are joined by the arc between them instead of the straight line.

With the angle w between the deltas of a tensor and coefficients 1 - t and t, the mixture is sin((1 - t) w) / sin(w)
times the first and sin(t w) / sin(w) times the second: the raw deltas with other coefficients, so low-rank deltas stay
low-rank and nothing is approximated. Where a delta is zero or absent there is no angle, and where they are
(anti)parallel the arc is not unique: there it is the straight line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rshub.deltas.expert_tensors import ExpertTensors
from rshub.errors import Incompatible
from rshub.soups.methods.method import Method, Setting, Share, factor_gram, refuse_other_sum
from rshub.tensors.changes import Linear
from rshub.tensors.dtypes import Array
from rshub.tensors.tiles import Scratch

PARALLEL = 0.9995
"""A cosine beyond this counts as (anti)parallel, as in the usual implementations."""


def mix_on_the_arc(shares: Sequence[Share], setting: Setting) -> Linear:
    """Give the point of the arc between two deltas."""
    key = ("slerp", setting.tensor)
    if key not in setting.memo:
        setting.memo[key] = _coefficients(shares, setting)
    return Linear.of([(coefficient, share.part) for coefficient, share in zip(setting.memo[key], shares, strict=True)])


def _coefficients(shares: Sequence[Share], setting: Setting) -> list[float]:
    """Say how much of each raw delta the point of the arc holds."""
    straight = [share.coefficient for share in shares]
    if len(shares) < 2:
        return straight
    gram = _gram(shares, setting)
    norms = math.sqrt(gram[0, 0]) * math.sqrt(gram[1, 1])
    cosine = float(gram[0, 1]) / norms if norms else 1.0
    if abs(cosine) > PARALLEL:
        return straight
    angle = math.acos(cosine)
    return [math.sin(coefficient * angle) / math.sin(angle) for coefficient in straight]


def _gram(shares: Sequence[Share], setting: Setting) -> Array:
    """Give all inner products: from the factors, or from every element."""
    parts = [share.part for share in shares]
    from_factors = factor_gram(parts)
    if from_factors is not None:
        return from_factors
    gram, scratch = np.zeros((len(shares),) * 2), Scratch()
    for tile, values in setting.walk(parts, scratch):
        deltas = np.stack([part.delta(tile, values, scratch).astype(np.float64) for part in parts])
        gram += deltas @ deltas.T
    return gram


def _refuse(coefficients: Sequence[float], experts: Sequence[ExpertTensors]) -> None:
    """Refuse what has no arc.

    Raises:
        Incompatible: For more than two experts, or coefficients that do not sum to one.
    """
    if len(experts) > 2:
        raise Incompatible(
            f"the method 'slerp' joins two experts, and there are {len(experts)}",
            where="slerp",
            remedy="use --method delta, which mixes any number of experts",
        )
    refuse_other_sum("slerp", coefficients)


SLERP = Method(
    name="slerp",
    source="Shoemake, Animating rotation with quaternion curves (SIGGRAPH 1985), on the deltas of each tensor",
    mix=mix_on_the_arc,
    laws=("one-hot", "self", "order", "splitting", "adapter", "bytes"),
    ranks="sum",
    refuse=_refuse,
    from_base=True,
)
