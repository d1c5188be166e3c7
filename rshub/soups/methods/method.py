"""What a method of mixing is: a function with a name and a source, the laws that it keeps, and when it refuses.

A method mixes the deltas of one tensor at a time. It is told what each expert brings, and the setting: which tensor,
and the options of the soup. How methods are found by name is elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from rshub.deltas.expert_tensors import ExpertTensors
from rshub.errors import Incompatible
from rshub.preferences.preference import SUM_TOLERANCE
from rshub.tensors.changes import Change, LowRankPart, Part
from rshub.tensors.dtypes import Array
from rshub.tensors.factors import inner_products
from rshub.tensors.stored import StoredTensor
from rshub.tensors.tiles import Grid, Scratch, Tile
from rshub.types import Digest, TensorName

LAWS = ("zero", "one-hot", "self", "order", "splitting", "affine", "adapter", "bytes")
"""What the exact mixture keeps.

zero: no coefficients give the start. one-hot: a coefficient of one gives the expert. self: an expert mixed with itself
is itself. order, splitting: neither the order of the experts nor splitting one into two matters. affine: a soup is
affine in its coefficients. adapter: without truncation it is the checkpoint. bytes: the same lock gives the same bytes.
"""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a method may be told; None is what it has no use for.

    ``density`` is the share of a delta's elements that is kept, ``seed`` chooses those that are kept at random.
    """

    density: float | None = None
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one expert brings to one tensor: its coefficient, its delta, opened, and a name for what the expert does."""

    coefficient: float
    part: Part
    content: Digest


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a method is used.

    ``stored`` is None when only headers of the base are at hand, ``work`` is the dtype to compute in, and ``total`` is
    the sum of the absolute coefficients of all experts of the soup, also of those that leave this tensor alone. In
    ``memo`` a method keeps the few numbers that it found by reading a tensor whole, so that it reads it once.
    """

    tensor: TensorName
    grid: Grid
    stored: StoredTensor | None
    work: np.dtype[Any]
    total: float
    options: Options
    memo: dict[Any, Any] = field(repr=False)

    def walk(self, parts: Sequence[Part], scratch: Scratch, asked: range | None = None) -> Iterator[tuple[Tile, Array]]:
        """Give tile after tile of the tensor, or of a range of its elements, with the stored values.

        Low-rank parts do not look at the values: for them alone nothing is read, and the values are zeros.
        """
        first, last = (0, self.grid.size) if asked is None else (asked.start, asked.stop)
        if self.stored is not None and not all(isinstance(part, LowRankPart) for part in parts):
            yield from self.stored.walk(self.work, scratch, first, last)
            return
        for tile in self.grid.tiles(first, last):
            blank = scratch.take("walked", tile.count, self.work)
            blank.fill(0)
            yield tile, blank


Mix = Callable[[Sequence[Share], Setting], Change]
"""Mixes the shares of one tensor."""

Refuse = Callable[[Sequence[float], Sequence[ExpertTensors]], None]
"""Raises Incompatible when a method cannot mix experts with these coefficients."""

Ranks = Literal["sum", "largest", "full"]
"""The rank of a mixture of low-rank deltas: the sum of theirs, the largest of them, or that of any matrix."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to mix; ``defaults`` also say which options it takes, ``refuse`` when it cannot mix.

    ``from_base`` says that it takes deltas one by one as what an expert learnt, so that they must not hold, or stand
    on, an adapter that the experts began with.
    """

    name: str
    source: str
    mix: Mix
    laws: tuple[str, ...]
    ranks: Ranks
    defaults: Options = field(default_factory=Options)
    refuse: Refuse | None = None
    from_base: bool = False

    @property
    def exact(self) -> bool:
        """Whether this is the sum of the deltas itself."""
        return self.laws == LAWS


def factor_gram(parts: Sequence[Part]) -> Array | None:
    """Give all inner products of deltas of one tensor from their factors; None when one of them has no factors."""
    low_rank = [part for part in parts if isinstance(part, LowRankPart)]
    if len(low_rank) < len(parts):
        return None
    scales = np.array([part.scale for part in low_rank])
    return np.asarray(inner_products([part.factors for part in low_rank]) * np.outer(scales, scales))


def refuse_other_sum(name: str, coefficients: Sequence[float]) -> None:
    """Refuse coefficients that do not sum to one.

    Raises:
        Incompatible: With what they sum to.
    """
    total = math.fsum(coefficients)
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise Incompatible(
            f"the method {name!r} needs coefficients that sum to 1, and these sum to {total!r}",
            where=name,
            remedy="use --method delta, which is defined for any coefficients",
        )
