"""What a soup really did to the base: figures that go into every report, and results that are refused.

Norms, shares and cosines come from the factors, without dense products; what is no factor is measured on all changed
elements of a small soup, on a seeded sample of a large one. So is what rounding kept, while writing. An expert that
changes nothing, and a change of which nothing is left after rounding, are errors; experts that cancel and rounding that
costs much are warnings.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from rshub.errors import Incompatible
from rshub.soups.ingredients import Touched
from rshub.soups.method import Share
from rshub.soups.methods import mix_deltas
from rshub.soups.plan import ComposePlan
from rshub.tensors.blas import one_thread
from rshub.tensors.changes import Change, LowRankPart
from rshub.tensors.dtypes import Array, working
from rshub.tensors.factors import inner_products
from rshub.tensors.kernels import Sample
from rshub.tensors.stored import StoredTensor
from rshub.tensors.tiles import Scratch
from rshub.tensors.windows import MAX_WORKERS
from rshub.types import TensorName

WHOLE_ELEMENTS = 1 << 22
"""Up to so many changed elements, all are measured."""

SAMPLE_ELEMENTS = 1 << 21
"""Of larger soups, about so many are measured: a run of each tensor, as long as its share, at a seeded place."""

MUCH_LOST = 0.25
"""Rounding that changes the wanted delta by more than this part of its norm is warned about."""

CANCELLED = 1e-6
"""A change smaller than this part of the experts' norms is what float32 leaves when they cancel."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What the factors say: inner products of the ingredients' deltas, |D|, and how far the method is from exact."""

    inner: Array
    norm: float
    gap: float | None

    def norm_of(self, ingredient: int) -> float:
        """Give the Frobenius norm of an ingredient's delta."""
        return math.sqrt(max(0.0, float(self.inner[ingredient, ingredient])))


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one tensor adds to the survey: inner products of all ingredients, |D|^2, |D - the exact mixture|^2."""

    inner: Array
    norm: float
    gap: float


def survey(plan: ComposePlan) -> Survey:
    """Take all norms and inner products: from the factors where there are only factors, else from the sample.

    Raises:
        IntegrityError: When a factor holds NaN or an infinity.
        Incompatible: When an expert with a coefficient changes nothing.
    """
    sampled = sample_ranges(plan)
    with one_thread(), ThreadPoolExecutor(min(MAX_WORKERS, os.cpu_count() or 1)) as pool:
        looks = list(pool.map(lambda touched: _look(plan, touched, sampled[touched.tensor]), plan.touched))
    count = len(plan.ingredients)
    inner = sum((look.inner for look in looks), start=np.zeros((count, count)))
    squared, gap = math.fsum(look.norm for look in looks), math.fsum(look.gap for look in looks)
    found = Survey(
        inner=inner,
        norm=math.sqrt(max(0.0, squared)),
        gap=None if plan.method.exact else math.sqrt(max(0.0, gap)),
    )
    for number, ingredient in enumerate(plan.ingredients):
        if not found.norm_of(number) and _changes_nothing(plan, number):
            label = ingredient.expert.label
            raise Incompatible(
                f"{label} has the coefficient {ingredient.coefficient!r}, but its delta is exactly zero",
                where=label,
                remedy="leave it out, or publish it again after training",
            )
    return found


def _look(plan: ComposePlan, touched: Touched, sampled: range) -> Look:
    stored = plan.stored(touched)
    shares, setting = plan.shares(touched, stored), plan.setting(touched, stored)
    at = np.array([part.ingredient for part in touched.contributions])
    coefficients = np.array([share.coefficient for share in shares])
    low_rank = [share.part for share in shares if isinstance(share.part, LowRankPart)]
    change = None if plan.method.exact else plan.method.mix(shares, setting)
    if len(low_rank) == len(shares) and (change is None or change.factors):
        scales = np.array([part.scale for part in low_rank])
        gram = inner_products([part.factors for part in low_rank]) * np.outer(scales, scales)
        squared, gap = float(coefficients @ gram @ coefficients), 0.0
        if change is not None and change.factors:
            exact = mix_deltas(shares, setting).factors
            assert exact is not None
            pair = inner_products([change.factors, exact])
            squared, gap = float(pair[0, 0]), float(pair[0, 0] - 2 * pair[0, 1] + pair[1, 1])
    else:
        assert stored is not None
        gram, squared, gap = _measured(shares, change, stored, sampled)
    inner = np.zeros((len(plan.ingredients),) * 2)
    inner[np.ix_(at, at)] = gram
    return Look(inner=inner, norm=squared, gap=gap)


def _measured(
    shares: Sequence[Share], change: Change | None, stored: StoredTensor, sampled: range
) -> tuple[Array, float, float]:
    """Take inner products, |D|^2 and the squared gap over a range of elements, scaled up to the whole tensor."""
    coefficients = np.array([share.coefficient for share in shares])
    gram = np.zeros((len(shares), len(shares)))
    squared = gap = 0.0
    scratch = Scratch()
    for tile, values in stored.walk(working(stored.dtype), scratch, sampled.start, sampled.stop):
        deltas = np.stack([share.part.delta(tile, values, scratch).astype(np.float64) for share in shares])
        gram += deltas @ deltas.T
        exact = coefficients @ deltas
        wanted = exact if change is None else change.wanted(tile, values, scratch).astype(np.float64)
        squared += float(wanted @ wanted)
        gap += float((wanted - exact) @ (wanted - exact))
    share_of_all = stored.grid.size / max(1, len(sampled))
    return gram * share_of_all, squared * share_of_all, gap * share_of_all


def _changes_nothing(plan: ComposePlan, ingredient: int) -> bool:
    """Look at every element of an expert whose sample is zero."""
    scratch = Scratch()
    for touched in plan.touched:
        if touched.low_rank is not None:
            continue
        stored = plan.stored(touched)
        assert stored is not None
        for part, share in zip(touched.contributions, plan.shares(touched, stored), strict=True):
            if part.ingredient == ingredient and any(
                share.part.delta(tile, values, scratch).any()
                for tile, values in stored.walk(working(stored.dtype), scratch)
            ):
                return False
    return True


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


def rounding_figures(plan: ComposePlan, found: Survey, samples: Sequence[Sample]) -> dict[str, Any]:
    """Say what rounding to the output dtype left of the change, with a warning where it cost much.

    Raises:
        Incompatible: When something was to change and nothing did.
    """
    elements = sum(sample.elements for sample in samples)
    moved = sum(sample.moved for sample in samples)
    wanted = math.fsum(sample.wanted for sample in samples)
    if not plan.touched or not wanted:
        return {
            "rounding_error": None,
            "survival": None,
            "moved": 0.0,
            "sample": {"elements": elements},
            "warnings": [],
        }
    if not moved and not cancelled(plan, found):
        raise Incompatible(
            "the soup is the base: every change is smaller than what the output dtype can hold",
            where="moved",
            remedy="write --dtype float32, compose with --format adapter, or use larger coefficients",
        )
    error = math.sqrt(math.fsum(sample.error for sample in samples) / wanted)
    warnings = []
    if error > MUCH_LOST and not cancelled(plan, found):
        warnings.append(
            f"rounding to the output dtype changes the wanted delta by {error:.0%} of its norm; "
            "write --dtype float32, or compose with --format adapter"
        )
    return {
        "rounding_error": tidy(error),
        "survival": tidy(math.fsum(sample.kept for sample in samples) / wanted),
        "moved": tidy(moved / elements),
        "sample": {"elements": elements},
        "warnings": warnings,
    }


def cancelled(plan: ComposePlan, found: Survey) -> bool:
    """Say whether the experts cancel: their sum is nothing beside its parts."""
    parts = math.fsum(
        abs(ingredient.coefficient) * found.norm_of(number) for number, ingredient in enumerate(plan.ingredients)
    )
    return found.norm <= CANCELLED * parts


def figures(plan: ComposePlan, found: Survey) -> dict[str, Any]:
    """Describe the experts' shares in the soup: norms, coverage, cosines, the sum of the coefficients."""
    place = {term: number for number, group in enumerate(plan.ingredients) for term in group.terms}
    norms = {term: found.norm_of(number) for term, number in place.items()}
    whole = math.fsum(abs(plan.terms[term].coefficient) * norm for term, norm in norms.items())
    experts = []
    for number, term in enumerate(plan.terms):
        known = number in place
        modules = plan.ingredients[place[number]].expert.modules if known else ()
        experts.append(
            {
                "label": term.label,
                "coefficient": term.coefficient,
                "norm": tidy(norms[number]) if known else None,
                "share": tidy(abs(term.coefficient) * norms[number] / whole) if known else 0.0,
                "coverage": tidy(len(modules) / len(plan.touched)) if known else None,
                "modules": len(modules) if known else None,
                "rank": plan.ingredients[place[number]].expert.rank if known else None,
            }
        )
    report: dict[str, Any] = {
        "format": plan.format,
        "method": plan.method.name,
        "dtype": plan.dtype,
        "sum_coefficients": tidy(math.fsum(term.coefficient for term in plan.terms)),
        "norm": tidy(found.norm),
        "touched": {
            "tensors": len(plan.touched),
            "elements": sum(touched.rows * touched.columns for touched in plan.touched),
        },
        "experts": experts,
        "cosines": _cosines(plan, found, place),
        "warnings": list(plan.warnings),
    }
    if plan.touched and cancelled(plan, found):
        report["warnings"].append("the experts cancel: their weighted sum is zero beside its parts")
    if found.gap is not None:
        coefficients = _coefficients(plan)
        exact = math.sqrt(max(0.0, float(coefficients @ found.inner @ coefficients)))
        report["factor_gap"] = {"norm": tidy(found.gap), "relative": tidy(found.gap / exact) if exact else None}
    return report


def tidy(value: float) -> float:
    """Round a figure to nine significant digits, so that equal soups print equal reports."""
    return float(f"{value:.9g}")


def _coefficients(plan: ComposePlan) -> Array:
    return np.array([ingredient.coefficient for ingredient in plan.ingredients])


def _cosines(plan: ComposePlan, found: Survey, place: Mapping[int, int]) -> list[dict[str, Any]]:
    """Give the cosine of every pair of experts."""
    pairs = []
    for first in sorted(place):
        for second in sorted(place):
            if first < second:
                i, j = place[first], place[second]
                cosine = float(found.inner[i, j]) / (found.norm_of(i) * found.norm_of(j))
                pairs.append(
                    {
                        "experts": [plan.terms[first].label, plan.terms[second].label],
                        "cosine": tidy(min(1.0, max(-1.0, cosine))),
                    }
                )
    return pairs
