"""Texts as words, and what two of them share. Words are runs of letters and digits, lower-cased, of any script.

On ASCII text these are the words of the ``rouge-score`` package without its stemmer.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """The words that two texts share, each counted at most as often as in either; and the words of each."""

    shared: int
    written: int
    wanted: int


def words(text: str) -> list[str]:
    """Split a text into words."""
    return _WORD.findall(text.lower())


@functools.lru_cache(maxsize=8192)
def _counts(text: str) -> Mapping[str, int]:
    """Count the words of a text; references come back every step, so they are remembered."""
    return MappingProxyType(Counter(words(text)))


def overlap(completion: str, reference: str) -> Overlap:
    """Count what a completion shares with a reference."""
    written, wanted = _counts(completion), _counts(reference)
    shared = sum(min(count, wanted[word]) for word, count in written.items() if word in wanted)
    return Overlap(shared=shared, written=sum(written.values()), wanted=sum(wanted.values()))
