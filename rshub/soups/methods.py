"""How experts are mixed within one tensor: each method is one small function with a name and a source.

``delta`` is the canonical one and exact. ``factor`` is kept because published results were made with it; it needs
coefficients that sum to one and experts of one build, and its distance from ``delta`` is reported. A method that is not
listed is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rshub.deltas.adapters import Adapter
from rshub.deltas.expert_tensors import ExpertTensors
from rshub.errors import Incompatible, InvalidInput
from rshub.formats.fields import nearest
from rshub.preferences.preference import SUM_TOLERANCE
from rshub.tensors.changes import Change, Linear, LowRankPart, Part
from rshub.tensors.factors import Factors, weighted
from rshub.tensors.stored import StoredTensor


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one expert brings to one tensor: its coefficient and its delta, opened."""

    coefficient: float
    part: Part


Mix = Callable[[Sequence[Share], StoredTensor | None], Change]
"""Mixes the shares of one tensor; the stored tensor is None when only headers of the base are at hand."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to mix and where it comes from; ``alike`` asks for experts of one build whose coefficients sum to one."""

    name: str
    source: str
    mix: Mix
    exact: bool
    alike: bool = False


def mix_deltas(shares: Sequence[Share], stored: StoredTensor | None) -> Change:  # noqa: ARG001 - one form for all
    """Give sum of coefficient_i * Delta_i, exactly: low-rank deltas as stacked factors."""
    return Linear.of([(share.coefficient, share.part) for share in shares])


def mix_factors(shares: Sequence[Share], stored: StoredTensor | None) -> Change:  # noqa: ARG001 - one form for all
    """Give scale * (sum of coefficient_i B_i) (sum of coefficient_i A_i): factors averaged one by one."""
    parts = [share.part for share in shares if isinstance(share.part, LowRankPart)]
    pairs = [(share.coefficient, part.factors) for share, part in zip(shares, parts, strict=True)]
    left = np.sum([coefficient * factors.left.astype(np.float64) for coefficient, factors in pairs], axis=0)
    right = np.sum([coefficient * factors.right.astype(np.float64) for coefficient, factors in pairs], axis=0)
    kept = np.result_type(np.float32, *(factors.left.dtype for _, factors in pairs))
    mixed = Factors(left=weighted(parts[0].scale, left).astype(kept), right=weighted(1.0, right).astype(kept))
    return Linear(stacked=mixed)


METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(
            name="delta",
            source="Ramé et al., Rewarded soups (NeurIPS 2023), equation 1, on the product of the factors",
            mix=mix_deltas,
            exact=True,
        ),
        Method(
            name="factor",
            source="Ramé et al., Rewarded soups (NeurIPS 2023), published code: A and B interpolated separately",
            mix=mix_factors,
            exact=False,
            alike=True,
        ),
    )
}


def find_method(name: str) -> Method:
    """Give a method by name.

    Raises:
        InvalidInput: For a name that is not listed, with those that are.
    """
    if name not in METHODS:
        guess = nearest(name, METHODS)
        raise InvalidInput(
            f"there is no method {name!r}" + (f"; did you mean {guess!r}?" if guess else ""),
            where=name,
            remedy=f"use one of: {', '.join(METHODS)}",
        )
    return METHODS[name]


def check_method(method: Method, coefficients: Sequence[float], experts: Sequence[ExpertTensors]) -> None:
    """Refuse experts that a method cannot mix.

    Raises:
        Incompatible: When the method needs coefficients that sum to one, or experts of one build, and these are not.
    """
    if not method.alike:
        return
    total = math.fsum(coefficients)
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise Incompatible(
            f"the method {method.name!r} needs coefficients that sum to 1, and these sum to {total!r}",
            where=method.name,
            remedy="use --method delta, which is defined for any coefficients",
        )
    for other in experts:
        if _build(other) is None or _build(other) != _build(experts[0]):
            raise Incompatible(
                f"the method {method.name!r} needs equal modules, ranks and scales; {experts[0].label} and "
                f"{other.label} have different ones, or hold more than factors",
                where=other.label,
                remedy="use --method delta, which mixes any experts",
            )


def _build(expert: ExpertTensors) -> Mapping[str, tuple[int, float]] | None:
    """Give rank and scale of each module of a plain adapter; None for anything else."""
    if not isinstance(expert, Adapter):
        return None
    return {name: (module.rank, module.scale) for name, module in expert.modules.items()}
