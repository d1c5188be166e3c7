"""From what a person wants (mu, by reward) to what the arithmetic does (lambda, by the reward's expert).

``identity``  lambda = mu, the rule of rewarded soups.
``payoff``    lambda_i in proportion to m_i * range_i, from the payoff matrix V alone and without any evaluation, with

    span_k  = V[k,k] - min over j of V[j,k]           the whole reach of reward k among the named experts
    range_k = V[k,k] - mean over j != k of V[j,k]     what the own expert gains over the others
    m_i     = mu_i in raw units, mu_i / span_i in normalised ones

Normalised units put 0 at the worst named expert and 1 at the reward's own; raw units are the reward's. ``init`` keeps
its share and the sum stays as it was. For one reward, and for two in normalised units, payoff is the identity.

Refused by name: a cell that is missing, an expert that is no better on its own reward than the others, a negative
preference with payoff, and the mappings ``mixture`` and ``surrogate``, whose inputs nothing records yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rshub.errors import InvalidInput
from rshub.formats.fields import nearest
from rshub.preferences.payoff import Payoff
from rshub.preferences.preference import INIT

MAPPINGS = ("identity", "payoff", "mixture", "surrogate")
UNITS = ("normalised", "raw")
_NOT_YET = {
    "mixture": "it needs experts that state the mixture of rewards they were trained on",
    "surrogate": "it needs a quadratic fitted to stored evaluations",
}


def coefficients(
    mu: Mapping[str, float],
    *,
    mapping: str = "identity",
    units: str = "normalised",
    payoff: Payoff | None = None,
) -> dict[str, float]:
    """Map a preference over rewards to the coefficients of their experts.

    Args:
        mu: A value for each reward; ``init`` may be among the names.
        mapping: ``identity`` or ``payoff``.
        units: What the numbers of ``mu`` count: ``normalised`` or ``raw`` reward units. Identity takes both alike.
        payoff: The matrix that ``payoff`` needs.

    Returns:
        lambda for each name of ``mu``, in its order.

    Raises:
        InvalidInput: The mapping cannot be used, with the reason.
    """
    _known(mapping, MAPPINGS, "mapping")
    _known(units, UNITS, "unit")
    if mapping in _NOT_YET:
        raise InvalidInput(
            f"mapping {mapping} is not there yet: {_NOT_YET[mapping]}",
            where=mapping,
            remedy="use --mapping identity or --mapping payoff",
        )
    if mapping == "identity":
        return dict(mu)
    return _by_payoff(mu, units, payoff)


def alternatives(
    mu: Mapping[str, float], *, units: str = "normalised", payoff: Payoff | None = None, used: str = "identity"
) -> dict[str, dict[str, Any]]:
    """Say what the mappings that were not used would give, or ``{"reason": ...}`` where they cannot; never raises."""
    others: dict[str, dict[str, Any]] = {}
    for mapping in MAPPINGS:
        if mapping != used:
            try:
                others[mapping] = dict(coefficients(mu, mapping=mapping, units=units, payoff=payoff))
            except InvalidInput as fault:
                others[mapping] = {"reason": fault.message}
    return others


def remark(mu: Mapping[str, float], *, mapping: str, units: str = "normalised") -> str:
    """Say in one line what a reader of the coefficients should know of the mapping."""
    count = len(_wanted(mu))
    if mapping == "payoff" and count == 1:
        return "payoff: with one reward this is the identity, lambda = mu"
    if mapping == "payoff" and count == 2 and units == "normalised":
        return "payoff: for two rewards in normalised units this is the identity, lambda = mu"
    if mapping == "payoff":
        return f"payoff: lambda in proportion to mu and to what each expert gains on its own reward ({units} units)"
    return f"{mapping}: lambda = mu" if mapping == "identity" else mapping


def _by_payoff(mu: Mapping[str, float], units: str, payoff: Payoff | None) -> dict[str, float]:
    wanted = _wanted(mu)
    negative = [name for name, value in wanted.items() if value < 0.0]
    if negative:
        raise InvalidInput(
            f"mapping payoff: {', '.join(negative)} is negative, and payoffs say nothing beyond the experts",
            where=negative[0],
            remedy="use --mapping identity to extrapolate",
        )
    if len(wanted) <= 1:
        return dict(mu)
    if payoff is None:
        raise InvalidInput(
            "mapping payoff: no payoff matrix is known",
            where="payoff",
            remedy="give --scores FILE with every expert measured on every reward, or use --mapping identity",
        )
    most = max(wanted.values())
    products = {name: value / most * _gain(name, list(wanted), units, payoff) for name, value in wanted.items()}
    if len(wanted) == 2 and units == "normalised":
        return dict(mu)  # range = span for two experts: exact, where the division would round
    largest = max(products.values())
    scale = math.fsum(value / largest for value in products.values())
    total = math.fsum(wanted.values())
    return {name: products[name] / largest / scale * total if name in products else value for name, value in mu.items()}


def _gain(own: str, names: list[str], units: str, payoff: Payoff) -> float:
    """Give range_k in raw units, or range_k / span_k in normalised ones."""
    best = payoff.cell(own, own)
    others = [payoff.cell(name, own) for name in names if name != own]
    span = best - min(others)
    reach = best - math.fsum(others) / len(others)
    if span <= 0.0 or reach <= 0.0:
        among = "the worst" if span <= 0.0 else "the average"
        raise InvalidInput(
            f"mapping payoff: the expert for {own} is no better on {own} than {among} of the other experts",
            where=own,
            remedy="use --mapping identity, or another expert for this reward",
        )
    return reach / span if units == "normalised" else reach


def _wanted(mu: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in mu.items() if value != 0.0 and name != INIT}


def _known(name: str, valid: tuple[str, ...], what: str) -> None:
    if name not in valid:
        guess = nearest(name[:40], valid)
        raise InvalidInput(
            f"no {what} {name[:40]!r}" + (f"; did you mean {guess!r}?" if guess else ""),
            where=name[:40],
            remedy=f"one of {', '.join(valid)}",
        )
