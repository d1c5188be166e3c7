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

from rshub.errors import Incompatible, InvalidInput
from rshub.formats.fields import nearest
from rshub.preferences.preference import SUM_TOLERANCE
from rshub.tensors.adapters import Adapter
from rshub.tensors.delta import Factors, stack, weighted


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one expert brings to one tensor: its coefficient, its scale, and its unscaled factors."""

    coefficient: float
    scale: float
    factors: Factors


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to mix and where it comes from; ``alike`` asks for experts of one build whose coefficients sum to one."""

    name: str
    source: str
    mix: Callable[[Sequence[Share]], Factors]
    exact: bool
    alike: bool = False


def mix_deltas(shares: Sequence[Share]) -> Factors:
    """Give sum of coefficient_i * scale_i * B_i A_i, exactly, as stacked factors."""
    return stack([(share.coefficient * share.scale, share.factors) for share in shares])


def mix_factors(shares: Sequence[Share]) -> Factors:
    """Give scale * (sum of coefficient_i B_i) (sum of coefficient_i A_i): factors averaged one by one."""
    left = np.sum([share.coefficient * share.factors.left.astype(np.float64) for share in shares], axis=0)
    right = np.sum([share.coefficient * share.factors.right.astype(np.float64) for share in shares], axis=0)
    kept = np.result_type(np.float32, *(share.factors.left.dtype for share in shares))
    return Factors(left=weighted(shares[0].scale, left).astype(kept), right=weighted(1.0, right).astype(kept))


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


def check_method(method: Method, coefficients: Sequence[float], adapters: Sequence[Adapter]) -> None:
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
    for other in adapters[1:]:
        first = adapters[0]
        same = first.modules.keys() == other.modules.keys() and all(
            (first.modules[name].rank, first.modules[name].scale) == (module.rank, module.scale)
            for name, module in other.modules.items()
        )
        if not same:
            raise Incompatible(
                f"the method {method.name!r} needs equal modules, ranks and scales; {first.label} and {other.label} "
                "have different ones",
                where=other.label,
                remedy="use --method delta, which mixes any experts",
            )
