"""The figures of a soup in words, for the terminal and for the card: what was kept, what was lost, what to mind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def report_lines(figures: Mapping[str, Any]) -> list[str]:
    """Say for a person what was kept, what each expert brought, and what to be wary of."""
    return [
        *_mixture(figures),
        *(
            _expert(expert, figures["touched"]["tensors"])
            for expert in figures["experts"]
            if expert["norm"] is not None
        ),
        *(f"cosine of {' and '.join(pair['experts'])}: {pair['cosine']:.2f}" for pair in figures["cosines"]),
        *_measured(figures),
        *_kept(figures),
        *(f"warning: {warning}" for warning in figures["warnings"]),
    ]


def plan_lines(plan: Mapping[str, Any]) -> list[str]:
    """Say for a person what a dry run found would be done."""
    touched, moved = plan["touched"], plan["bytes"]
    return [
        f"{touched['tensors']} tensors would change ({touched['elements']} elements), rank {plan['rank']['written']}",
        f"{moved['read']} bytes would be read, {moved['written']} written",
        *(f"warning: {warning}" for warning in plan["warnings"]),
        "nothing was written",
    ]


def _mixture(figures: Mapping[str, Any]) -> Iterator[str]:
    """Say what was done, and how."""
    tensors = figures["touched"]["tensors"]
    yield f"{tensors} tensors changed; the coefficients sum to {figures['sum_coefficients']:g}"
    options = "".join(f", {name} {value:g}" for name, value in figures["options"].items())
    yield f"method {figures['method']}{options}: {figures['source']}"
    if gap := figures.get("method_gap"):
        share = "" if gap["relative"] is None else f", {gap['relative']:.1%} of its norm"
        yield f"distance from the sum of the deltas: {gap['norm']:.4g}{share}"


def _expert(expert: Mapping[str, Any], tensors: int) -> str:
    """Say what one expert brought."""
    if expert["share"] is None:
        return f"{expert['label']}: {expert['coefficient']:g}, the start that the experts continue"
    rank = f" of rank {expert['rank']}" if expert["rank"] else ""
    reach = "all" if expert["coverage"] == 1.0 else f"{expert['coverage']:.0%}"
    return (
        f"{expert['label']}: {expert['coefficient']:g}, {expert['share']:.0%} of the change, "
        f"{expert['modules']} modules{rank}, in {reach} of the {tensors} tensors"
    )


def _measured(figures: Mapping[str, Any]) -> Iterator[str]:
    """Say what the figures of the experts are of."""
    if figures["relative_to"] == "init":
        yield "norms, shares and cosines are of what the experts added to their start"
    if remark := figures.get("remark"):
        yield remark
    if figures["sampled"]:
        yield "what is no factor was measured on a sample"


def _kept(figures: Mapping[str, Any]) -> Iterator[str]:
    """Say what writing kept and lost."""
    if "rank" in figures:
        rank = figures["rank"]
        yield (
            f"rank {rank['written']} of {rank['full']}, {rank['lost_energy']:.2%} of the energy lost; "
            f"{figures['survival']:.1%} survives"
        )
    elif figures["survival"] is not None:
        yield (
            f"rounding error {figures['rounding_error']:.2%} of the change; {figures['survival']:.1%} survives; "
            f"{figures['moved']:.1%} of the elements moved"
        )
