"""What a soup really did to the base: figures that go into every report, and results that are refused.

Norms, shares and cosines come from the survey, what rounding kept from sums that are taken while writing. A change of
which nothing is left after rounding is an error; experts that cancel and rounding that costs much are warnings. Where
the experts continue an adapter, their figures are of what they added to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rshub.errors import Incompatible
from rshub.soups.plan import ComposePlan
from rshub.soups.survey import Survey
from rshub.tensors.kernels import Sample

MUCH_LOST = 0.25
"""Rounding that changes the wanted delta by more than this part of its norm is warned about."""

CANCELLED = 1e-6
"""A change smaller than this part of the experts' norms is what float32 leaves when they cancel."""


def rounding_figures(
    plan: ComposePlan, found: Survey, samples: Sequence[Sample], moved_at_all: Callable[[], bool]
) -> dict[str, Any]:
    """Say what rounding to the output dtype left of the change, with a warning where it cost much.

    Args:
        plan: The soup.
        found: Its survey.
        samples: The sums that were taken while writing.
        moved_at_all: Looks at every changed element of what was written; asked only where nothing of a sample moved.

    Raises:
        Incompatible: When something was to change and nothing did.
    """
    elements = sum(sample.elements for sample in samples)
    moved = sum(sample.moved for sample in samples)
    wanted = math.fsum(sample.wanted for sample in samples)
    unseen = sum(one.rows * one.columns for one in plan.touched) > elements
    lost = bool(plan.touched and wanted and not moved and not cancelled(plan, found))
    if not plan.touched or not wanted or (lost and unseen and moved_at_all()):
        return {
            "rounding_error": None,
            "survival": None,
            "moved": None if unseen else 0.0,
            "sample": {"elements": elements},
            "warnings": ["nothing of the change is in the sample, so what rounding kept is not known"]
            if unseen
            else [],
        }
    if lost:
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


def truncation_figures(plan: ComposePlan, modules: Mapping[str, tuple[float, float]], exact: float) -> dict[str, Any]:
    """Say what cutting an adapter to a rank cost.

    Args:
        plan: The soup.
        modules: The energy that each module with factors lost, and the energy that its change had.
        exact: The energy of what was written without loss beside the factors.
    """
    lost = math.fsum(part for part, _ in modules.values())
    whole = math.fsum([exact, *(of for _, of in modules.values())])
    return {
        "full": plan.full_rank,
        "written": plan.adapter_rank,
        "lost_energy": tidy(lost / whole) if whole else 0.0,
        "modules": {name: tidy(part / of) if of else 0.0 for name, (part, of) in modules.items() if part},
    }


def truncation_warnings(lost: float) -> list[str]:
    """Warn where cutting an adapter to a rank loses much, with the way out; ``lost`` is the share of the energy."""
    if math.sqrt(lost) <= MUCH_LOST:
        return []
    told = f"cutting to this rank changes the wanted delta by {math.sqrt(lost):.0%} of its norm"
    return [f"{told}; use a larger --rank, or write --format checkpoint"]


def cancelled(plan: ComposePlan, found: Survey) -> bool:
    """Say whether the experts cancel: their sum is nothing beside its parts."""
    parts = math.fsum(
        abs(ingredient.coefficient) * math.sqrt(max(0.0, float(found.inner[number, number])))
        for number, ingredient in enumerate(plan.ingredients)
    )
    return found.norm <= CANCELLED * parts


def figures(plan: ComposePlan, found: Survey) -> dict[str, Any]:
    """Describe the experts' shares in the soup: norms, coverage, cosines, the sum of the coefficients."""
    report: dict[str, Any] = {
        "format": plan.format,
        "method": plan.method.name,
        "source": plan.method.source,
        "options": {name: value for name, value in vars(plan.options).items() if value is not None},
        "dtype": plan.dtype,
        "sum_coefficients": tidy(math.fsum(term.coefficient for term in plan.terms if not term.is_start)),
        "norm": tidy(found.norm),
        "relative_to": "base" if found.anchor is None else "init",
        "sampled": found.sampled,
        "touched": {
            "tensors": len(plan.touched),
            "elements": sum(touched.rows * touched.columns for touched in plan.touched),
        },
        "experts": _experts(plan, found),
        "cosines": _cosines(plan, found),
        "warnings": list(plan.warnings),
    }
    if plan.touched and cancelled(plan, found):
        report["warnings"].append("the experts cancel: their weighted sum is zero beside its parts")
    if found.gap is not None:
        exact = found.exact(np.array([ingredient.coefficient for ingredient in plan.ingredients]))
        gap = {"norm": tidy(found.gap), "relative": tidy(found.gap / exact) if exact else None}
        report["method_gap"] = gap
        if plan.method.name == "factor":
            report["factor_gap"] = dict(gap)
    return report


def tidy(value: float) -> float:
    """Round a figure to nine significant digits, so that equal soups print equal reports."""
    return float(f"{value:.9g}")


def _places(plan: ComposePlan) -> Mapping[int, int]:
    """Give the ingredient of every term that has one."""
    return {term: number for number, group in enumerate(plan.ingredients) for term in group.terms}


def _experts(plan: ComposePlan, found: Survey) -> list[dict[str, Any]]:
    """Describe every term; a start that the others continue has a norm and no share."""
    places = _places(plan)
    norms = {term: found.norm_of(number) for term, number in places.items()}
    brought = {
        term: 0.0 if plan.terms[term].is_start else abs(plan.terms[term].coefficient) * norm
        for term, norm in norms.items()
    }
    whole = math.fsum(brought.values())
    experts = []
    for number, term in enumerate(plan.terms):
        ingredient = plan.ingredients[places[number]] if number in places else None
        experts.append(
            {
                "label": term.label,
                "coefficient": term.coefficient,
                "norm": tidy(norms[number]) if ingredient else None,
                "share": None if term.is_start else tidy(brought[number] / whole) if ingredient and whole else 0.0,
                "coverage": tidy(found.tensors[places[number]] / len(plan.touched)) if ingredient else None,
                "modules": len(ingredient.expert.modules) if ingredient else None,
                "rank": ingredient.expert.rank if ingredient else None,
            }
        )
    return experts


def _cosines(plan: ComposePlan, found: Survey) -> list[dict[str, Any]]:
    """Give the cosine of every pair of experts; none where one of them added nothing to its start."""
    places = {term: place for term, place in _places(plan).items() if not plan.terms[term].is_start}
    pairs = []
    for first in sorted(places):
        for second in sorted(places):
            norms = found.norm_of(places[first]) * found.norm_of(places[second])
            if first < second and norms:
                cosine = found.between(places[first], places[second]) / norms
                pairs.append(
                    {
                        "experts": [plan.terms[first].label, plan.terms[second].label],
                        "cosine": tidy(min(1.0, max(-1.0, cosine))),
                    }
                )
    return pairs
