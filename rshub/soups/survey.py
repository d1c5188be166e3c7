"""What the experts of a soup are to each other, and what the soup is to their sum: norms and inner products.

They come from the factors, without dense products, where there are only factors; those are looked at when they are
opened to be written, so that they are read once. What is no factor is measured on all changed elements of a small soup
and on a seeded sample of a large one, so that no expert is read whole a second time, but for one of which the sample
shows nothing. An expert with a coefficient that changes nothing is refused, before anything is written where it can be.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from rshub.errors import Incompatible, IntegrityError
from rshub.soups.ingredients import Touched
from rshub.soups.methods.delta import mix_deltas
from rshub.soups.methods.method import Setting, Share, factor_gram
from rshub.soups.plan import ComposePlan
from rshub.soups.strata import Stratum, strata
from rshub.tensors.blas import one_thread
from rshub.tensors.changes import Change
from rshub.tensors.dtypes import SINGLE, Array
from rshub.tensors.factors import inner_products
from rshub.tensors.tiles import Scratch
from rshub.tensors.workers import computing_threads
from rshub.types import TensorName

WHOLE_ELEMENTS = 1 << 22
"""Up to so many changed elements, all are measured."""

SAMPLE_ELEMENTS = 1 << 21
"""Of larger soups, about so many are measured: a run of each tensor, as long as its share, at a seeded place."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Inner products of the ingredients' deltas, |D|, and how far the method is from the sum of the deltas.

    ``anchor`` is the ingredient that the others continue, if there is one; ``tensors`` counts the tensors that each
    ingredient changes; ``sampled`` says that not every element was looked at.
    """

    inner: Array
    norm: float
    gap: float | None
    anchor: int | None
    tensors: tuple[int, ...]
    sampled: bool

    def between(self, first: int, second: int) -> float:
        """Give the inner product of two ingredients' deltas, as seen from what they continue."""
        seen = np.zeros((2, len(self.inner)))
        for row, ingredient in zip(seen, (first, second), strict=True):
            row[ingredient] += 1.0
            if self.anchor is not None and ingredient != self.anchor:
                row[self.anchor] -= 1.0
        return float(seen[0] @ self.inner @ seen[1])

    def norm_of(self, ingredient: int) -> float:
        """Give the Frobenius norm of an ingredient's delta, as seen from what it continues."""
        return math.sqrt(max(0.0, self.between(ingredient, ingredient)))

    def exact(self, coefficients: Array) -> float:
        """Give the norm of the sum of the deltas."""
        return math.sqrt(max(0.0, float(coefficients @ self.inner @ coefficients)))


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one tensor adds to the survey: inner products of all ingredients, |D|^2, |D - the sum of the deltas|^2."""

    inner: Array
    norm: float
    gap: float
    sampled: bool


class Surveyor:
    """Looks at every changed tensor of a soup: at factors while they are at hand, at all else before.

    Use it as ``begin``, then ``change`` for whatever is written, then ``finish``.
    """

    def __init__(self, plan: ComposePlan) -> None:
        self._plan = plan
        self._ranges = sample_ranges(plan)
        self._looks: dict[TensorName, Look] = {}

    def begin(self) -> None:
        """Look at what is no factor, and at the factors of each expert until one of them is not zero.

        Raises:
            IntegrityError: When what is read holds NaN or an infinity.
            Incompatible: When an expert with a coefficient changes nothing.
        """
        plan = self._plan
        self._look_at([touched for touched in plan.touched if not _by_factors(plan, touched)])
        for number in range(len(plan.ingredients)):
            mine = [one for one in plan.touched if any(part.ingredient == number for part in one.contributions)]
            for touched in mine:
                if touched.tensor not in self._looks:
                    self._looks[touched.tensor] = _look(plan, touched, None)
                if self._looks[touched.tensor].inner[number, number]:
                    break
            else:
                if not any(self._looks[touched.tensor].sampled for touched in mine):
                    _refuse_nothing(plan, number)

    def change(self, touched: Touched, work: np.dtype[Any] = SINGLE) -> Change:
        """Mix the experts' deltas of one tensor, and look at them where they are factors.

        Raises:
            IntegrityError: When a factor holds NaN or an infinity.
            Incompatible: When a weighted factor overflows.
        """

        def look(shares: Sequence[Share], setting: Setting) -> None:
            if touched.tensor not in self._looks:
                self._looks[touched.tensor] = _seen(self._plan, touched, shares, setting, None)

        return self._plan.change(touched, work, look if _by_factors(self._plan, touched) else None)

    def finish(self) -> Survey:
        """Look at what is left, and add up.

        Raises:
            IntegrityError: When a factor holds NaN or an infinity.
            Incompatible: When an expert with a coefficient changes nothing.
        """
        plan = self._plan
        self._look_at([touched for touched in plan.touched if touched.tensor not in self._looks])
        found = self._summed()
        if missed := _missed(plan, self._looks, found):
            self._look_at(missed, whole=True)
            found = self._summed()
        for number in range(len(plan.ingredients)):
            if not found.inner[number, number]:
                _refuse_nothing(plan, number)
        return found

    def _look_at(self, tensors: Sequence[Touched], *, whole: bool = False) -> None:
        """Look at tensors, several at a time."""

        def look(touched: Touched) -> Look:
            return _look(self._plan, touched, None if whole else self._ranges[touched.tensor])

        if tensors:
            with one_thread(), ThreadPoolExecutor(computing_threads()) as pool:
                self._looks |= zip((touched.tensor for touched in tensors), pool.map(look, tensors), strict=True)

    def _summed(self) -> Survey:
        return _summed(self._plan, [self._looks[touched.tensor] for touched in self._plan.touched])


def survey(plan: ComposePlan) -> Survey:
    """Take all norms and inner products of a soup that is not written.

    Raises:
        IntegrityError: When what is read holds NaN or an infinity.
        Incompatible: When an expert with a coefficient changes nothing.
    """
    surveyor = Surveyor(plan)
    surveyor.begin()
    return surveyor.finish()


def _refuse_nothing(plan: ComposePlan, number: int) -> NoReturn:
    ingredient = plan.ingredients[number]
    label = ingredient.expert.label
    raise Incompatible(
        f"{label} has the coefficient {ingredient.coefficient!r}, but its delta is exactly zero",
        where=label,
        remedy="leave it out, or publish it again after training",
    )


def _summed(plan: ComposePlan, looks: Sequence[Look]) -> Survey:
    """Add up what was seen of each tensor."""
    count = len(plan.ingredients)
    squared, gap = math.fsum(look.norm for look in looks), math.fsum(look.gap for look in looks)
    places = [{part.ingredient for part in touched.contributions} for touched in plan.touched]
    return Survey(
        inner=sum((look.inner for look in looks), start=np.zeros((count, count))),
        norm=math.sqrt(max(0.0, squared)),
        gap=None if plan.method.exact else math.sqrt(max(0.0, gap)),
        anchor=plan.anchor,
        tensors=tuple(sum(number in place for place in places) for number in range(count)),
        sampled=any(look.sampled for look in looks),
    )


def _missed(plan: ComposePlan, looks: Mapping[TensorName, Look], found: Survey) -> list[Touched]:
    """Give the sampled tensors of those experts of which the sample shows nothing."""
    unseen = {
        number for number in range(len(plan.ingredients)) if not (found.inner[number, number] and found.norm_of(number))
    }
    return [
        touched
        for touched in plan.touched
        if looks[touched.tensor].sampled and any(part.ingredient in unseen for part in touched.contributions)
    ]


def _by_factors(plan: ComposePlan, touched: Touched) -> bool:
    """Say whether the factors of a tensor's deltas tell all about it."""
    return touched.low_rank is not None and plan.method.ranks != "full"


def _look(plan: ComposePlan, touched: Touched, asked: range | None) -> Look:
    """Open the deltas of one tensor and look at them."""
    work = SINGLE if _by_factors(plan, touched) else plan.work(touched)
    stored = plan.stored(touched)
    shares, setting = plan.shares(touched, stored, work), plan.setting(touched, stored, work)
    return _seen(plan, touched, shares, setting, asked)


def _seen(plan: ComposePlan, touched: Touched, shares: Sequence[Share], setting: Setting, asked: range | None) -> Look:
    """Look at one tensor: at its factors, and where there is more, at a range of its elements, or at all."""
    coefficients = np.array([share.coefficient for share in shares])
    change = None if plan.method.exact else plan.method.mix(shares, setting)
    gram = factor_gram([share.part for share in shares])
    measured = strata([share.part for share in shares], setting.grid, asked or range(setting.grid.size))
    squared = gap = 0.0
    if gram is not None and change is None:
        squared = float(coefficients @ gram @ coefficients)
    elif change is not None and (mixed := change.factors) is not None:
        exact = mix_deltas(shares, setting).factors
        assert gram is not None
        assert exact is not None
        pair = inner_products([mixed, exact])
        squared, gap = float(pair[0, 0]), float(pair[0, 0] - 2 * pair[0, 1] + pair[1, 1])
    else:
        seen, squared, gap = _measured(shares, change, setting, measured)
        gram = seen if gram is None else gram
    at = [part.ingredient for part in touched.contributions]
    inner = np.zeros((len(plan.ingredients),) * 2)
    inner[np.ix_(at, at)] = gram
    sampled = not _by_factors(plan, touched) and not all(stratum.whole for stratum in measured)
    return Look(inner=inner, norm=squared, gap=gap, sampled=sampled)


def _measured(
    shares: Sequence[Share], change: Change | None, setting: Setting, measured: Sequence[Stratum]
) -> tuple[Array, float, float]:
    """Take inner products, |D|^2 and the squared gap over some elements, scaled up to the whole tensor."""
    gram = np.zeros((len(shares), len(shares)))
    squared = gap = 0.0
    for stratum in measured:
        for run in stratum.runs:
            of_run = _measured_run(shares, change, setting, run)
            gram += of_run[0] * stratum.each
            squared += of_run[1] * stratum.each
            gap += of_run[2] * stratum.each
    return gram, squared, gap


def _measured_run(
    shares: Sequence[Share], change: Change | None, setting: Setting, asked: range
) -> tuple[Array, float, float]:
    """Take the sums over a run of elements."""
    coefficients = np.array([share.coefficient for share in shares])
    gram = np.zeros((len(shares), len(shares)))
    squared = gap = 0.0
    scratch = Scratch()
    for tile, values in setting.walk([share.part for share in shares], scratch, asked):
        if not np.isfinite(values).all():
            raise IntegrityError(
                f"the base's tensor {setting.tensor} holds NaN or an infinity",
                where=setting.tensor,
                remedy="compose on a healthy base",
            )
        deltas = np.stack([share.part.delta(tile, values, scratch).astype(np.float64) for share in shares])
        gram += deltas @ deltas.T
        exact = coefficients @ deltas
        wanted = exact if change is None else change.wanted(tile, values, scratch).astype(np.float64)
        squared += float(wanted @ wanted)
        gap += float((wanted - exact) @ (wanted - exact))
    return gram, squared, gap


def sample_ranges(plan: ComposePlan) -> Mapping[TensorName, range]:
    """Say which elements of each changed tensor are measured: the same for the same soup."""
    sizes = {touched.tensor: touched.rows * touched.columns for touched in plan.touched}
    whole = sum(sizes.values())
    if whole <= WHOLE_ELEMENTS:
        return {name: range(size) for name, size in sizes.items()}
    ranges: dict[TensorName, range] = {}
    for name, size in sizes.items():
        count = min(size, -(-size * SAMPLE_ELEMENTS // whole))
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
        start = seed % (size - count + 1)
        ranges[name] = range(start, start + count)
    return ranges
