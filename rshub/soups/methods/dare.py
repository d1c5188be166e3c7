"""``dare``: elements of each expert's delta are dropped at random and the rest made larger, then deltas are added up.

An element is kept with the probability ``density`` and divided by it, so that the expected change is that of ``delta``.
Which elements are kept is decided by a counter-based generator that is keyed by the seed, the tensor's name and what
the expert holds, and counts by the tile: neither threads nor windows nor the order of the experts matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rshub.formats.canonical import canonical_bytes
from rshub.soups.methods.method import Method, Options, Setting, Share
from rshub.tensors.changes import Linear, Part
from rshub.tensors.dtypes import Array
from rshub.tensors.tiles import Scratch, Tile


@dataclass(frozen=True, kw_only=True)
class Thinned:
    """One expert's delta, of which a random share of the elements is kept."""

    part: Part
    density: float
    key: int

    @property
    def label(self) -> str:
        """What to call the expert in an error."""
        return self.part.label

    def delta(self, tile: Tile, stored: Array, scratch: Scratch) -> Array:
        """Drop elements and divide the others by the share that is kept."""
        kept = self.part.delta(tile, stored, scratch)
        kept[~tile.cut(self._mask(tile))] = 0
        kept /= self.density
        return kept

    def _mask(self, tile: Tile) -> Array:
        """Say which elements of a whole tile are kept."""
        size = tile.stop - tile.start
        draws = np.random.Philox(key=self.key, counter=[0, 0, tile.start, 0]).random_raw(-(-size // 2))
        return draws.astype("<u8", copy=False).view("<u4")[:size] < draws_below(self.density)


def draws_below(density: float) -> int:
    """Say how many of the 2**32 draws keep their element; up to a density of 2**-33 none does."""
    return round(density * 2**32)


def mix_thinned(shares: Sequence[Share], setting: Setting) -> Linear:
    """Give sum of coefficient_i * (thinned Delta_i)."""
    density, seed = setting.options.density, setting.options.seed
    assert density is not None
    thinned = [
        (share.coefficient, Thinned(part=share.part, density=density, key=_key(seed, setting, share)))
        for share in shares
    ]
    return Linear(stacked=None, others=tuple(thinned))


def _key(seed: int | None, setting: Setting, share: Share) -> int:
    """Give the 128 bits that choose a generator."""
    named = hashlib.sha256(canonical_bytes([seed, setting.tensor, share.content]))
    return int.from_bytes(named.digest()[:16], "little")


DARE = Method(
    name="dare",
    source="Yu et al., Language models are super Mario (ICML 2024): drop and rescale, then the weighted sum",
    mix=mix_thinned,
    laws=("zero", "order", "splitting", "bytes"),
    ranks="full",
    defaults=Options(density=0.5, seed=0),
    from_base=True,
)
