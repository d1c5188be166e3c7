"""``delta``: the weighted sum of the deltas: the canonical method, exact, and the only one that keeps every law."""

from __future__ import annotations

from collections.abc import Sequence

from rshub.soups.methods.method import LAWS, Method, Setting, Share
from rshub.tensors.changes import Linear


def mix_deltas(shares: Sequence[Share], setting: Setting) -> Linear:  # noqa: ARG001 - one form for all
    """Give sum of coefficient_i * Delta_i, exactly: low-rank deltas as stacked factors."""
    return Linear.of([(share.coefficient, share.part) for share in shares])


DELTA = Method(
    name="delta",
    source="Ramé et al., Rewarded soups (NeurIPS 2023), equation 1, on the deltas",
    mix=mix_deltas,
    laws=LAWS,
    ranks="sum",
)
