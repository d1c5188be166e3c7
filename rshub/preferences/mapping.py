"""From what a person wants (mu, by reward) to what the arithmetic does (lambda, by the reward's expert).

``identity``   lambda = mu, the rule of rewarded soups.
``payoff``     lambda_i in proportion to m_i * range_i, from the payoff matrix V alone and without any evaluation, with

    span_k  = V[k,k] - min over j of V[j,k]           the whole reach of reward k among the named experts
    range_k = V[k,k] - mean over j != k of V[j,k]     what the own expert gains over the others
    m_i     = mu_i in raw units, mu_i / span_i in normalised ones

``mixture``    lambda = B^-1 mu, where experts were trained on mixtures B of the rewards; units do not matter.
``surrogate``  the lambda with the largest sum of m_k * R_k(lambda), each R_k a quadratic fitted to stored evaluations;
               a reward without an expert is welcome here, its span being that between the best and the worst expert.

Normalised units put 0 at the worst named expert and 1 at the reward's own; raw units are the reward's. ``init`` keeps
its share and the sum stays as it was (but surrogate has no share of the start, and sums to 1). For one reward, and for
two in normalised units, payoff is the identity. Where the quadratic does not describe a reward, surrogate falls back to
the best of the stored evaluations, and says so.

Refused by name: a cell that is missing, an expert that is no better on its own reward than the others, a negative
preference with payoff, a reward without an expert but with surrogate, and what ``mixture`` and ``surrogate`` refuse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rshub.errors import InvalidInput
from rshub.formats.fields import nearest
from rshub.preferences.mixture import by_mixture
from rshub.preferences.payoff import Payoff
from rshub.preferences.preference import INIT
from rshub.preferences.scores import Scores
from rshub.preferences.surrogate import LEAST_R2, Surrogate, fit_surrogate

MAPPINGS = ("identity", "payoff", "mixture", "surrogate")
UNITS = ("normalised", "raw")

_LEAST_SPAN = 1e-200  # below it, a number in units of the span is beyond float64


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of the experts, by the names of their rewards; each mapping takes what it needs.

    ``experts`` are those that may be mixed, None for those that the preference names; ``evaluations`` are stored scores
    whose coefficients go by the same names; ``mixtures`` says what experts were trained on.
    """

    payoff: Payoff | None = None
    evaluations: Scores | None = None
    mixtures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    experts: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """Coefficients, and how they came about.

    ``predicted`` gives rewards as (mean, standard error), where the mapping says something of them; ``r2`` says how
    well each is predicted for soups that were left out. ``fell_back`` is set where the mapping had to do with less than
    it promises; ``remark`` is what a reader should know.
    """

    coefficients: Mapping[str, float]
    remark: str
    predicted: Mapping[str, tuple[float, float | None]] | None = None
    r2: Mapping[str, float] | None = None
    fell_back: bool = False


def map_preference(
    mu: Mapping[str, float],
    *,
    mapping: str = "identity",
    units: str = "normalised",
    known: Known | None = None,
    extrapolate: bool = False,
) -> Mapped:
    """Map a preference over rewards to the coefficients of their experts.

    Args:
        mu: A value for each reward; ``init`` may be among the names.
        mapping: One of ``MAPPINGS``.
        units: What the numbers of ``mu`` count: ``normalised`` or ``raw`` reward units. Identity and mixture take both
            alike.
        known: What is known of the experts.
        extrapolate: Whether ``mixture`` may answer with negative coefficients.

    Returns:
        lambda for each name of ``mu``, in its order, or for each expert with ``surrogate``.

    Raises:
        InvalidInput: The mapping cannot be used, with the reason.
    """
    _known_name(mapping, MAPPINGS, "mapping")
    _known_name(units, UNITS, "unit")
    known = known or Known()
    wanted = _wanted(mu)
    if mapping == "surrogate":
        return _by_surrogate(mu, wanted, units, known)
    for name in wanted:
        if known.experts is not None and name not in known.experts:
            raise InvalidInput(
                f"mapping {mapping}: {name} has no expert here, it was only scored",
                where=name,
                remedy="use --mapping surrogate, which takes any scored reward",
            )
    if mapping == "mixture" and wanted:
        found = by_mixture(wanted, known.mixtures, extrapolate=extrapolate)
        return Mapped(
            coefficients={name: found.get(name, value) for name, value in mu.items()},
            remark="mixture: lambda = B^-1 mu, the mixture of what the experts were trained on",
        )
    if mapping == "payoff":
        return Mapped(coefficients=_by_payoff(mu, units, known.payoff), remark=_payoff_remark(wanted, units))
    return Mapped(coefficients=dict(mu), remark=f"{mapping}: lambda = mu")


def alternatives(
    mu: Mapping[str, float],
    *,
    units: str = "normalised",
    known: Known | None = None,
    used: str = "identity",
    extrapolate: bool = False,
) -> dict[str, dict[str, Any]]:
    """Say what the mappings that were not used would give, or ``{"reason": ...}`` where they cannot; never raises."""
    others: dict[str, dict[str, Any]] = {}
    for mapping in MAPPINGS:
        if mapping != used:
            try:
                found = map_preference(mu, mapping=mapping, units=units, known=known, extrapolate=extrapolate)
            except InvalidInput as fault:
                others[mapping] = {"reason": fault.message}
            else:
                others[mapping] = {"reason": found.remark} if found.fell_back else dict(found.coefficients)
    return others


def _payoff_remark(wanted: Mapping[str, float], units: str) -> str:
    if len(wanted) == 1:
        return "payoff: with one reward this is the identity, lambda = mu"
    if len(wanted) == 2 and units == "normalised":
        return "payoff: for two rewards in normalised units this is the identity, lambda = mu"
    return f"payoff: lambda in proportion to mu and to what each expert gains on its own reward ({units} units)"


def _by_surrogate(mu: Mapping[str, float], wanted: Mapping[str, float], units: str, known: Known) -> Mapped:
    experts = known.experts if known.experts is not None else tuple(wanted)
    if not wanted:
        return Mapped(coefficients=dict(mu), remark="surrogate: nothing is wanted but the start")
    if mu.get(INIT, 0.0) != 0.0:
        raise InvalidInput(
            "mapping surrogate: evaluations lie between the experts, and the preference asks for a share of the start",
            where=INIT,
            remedy="leave init out, or use --mapping identity",
        )
    if not experts:
        raise InvalidInput(
            "mapping surrogate: no expert is named that could be mixed",
            where=next(iter(wanted)),
            remedy="name the experts with 0: helpful=0, concise=0, meteor=1",
        )
    if len(experts) == 1:
        return Mapped(coefficients={experts[0]: 1.0}, remark=f"surrogate: {experts[0]} is the only expert")
    if known.evaluations is None:
        raise InvalidInput(
            "mapping surrogate: no evaluations are known",
            where="surrogate",
            remedy="give --scores FILE with soups of these experts, or use --mapping identity",
        )
    surrogate = fit_surrogate(known.evaluations, experts=experts, rewards=list(wanted))
    factors = {name: value / _span(surrogate, name, units) for name, value in wanted.items()}
    r2 = {name: fit.r2 for name, fit in surrogate.fits.items()}
    how = ", ".join(f"{name} {value:.2f}" for name, value in r2.items())
    if surrogate.misfits:
        bad = min(surrogate.misfits, key=lambda name: surrogate.misfits[name])
        coefficients, measured = surrogate.best_stored(factors)
        written = ", ".join(f"{name}={value:.4g}" for name, value in coefficients.items())
        return Mapped(
            coefficients=coefficients,
            remark=(
                f"surrogate: MISFIT, a quadratic does not describe {bad} (leave-one-out R2 {r2[bad]:.2f}, below "
                f"{LEAST_R2}); fell back to the best stored evaluation, {written}"
            ),
            predicted={name: (value, None) for name, value in measured.items()},
            r2=r2,
            fell_back=True,
        )
    coefficients = surrogate.best(factors)
    predicted = surrogate.predict(coefficients)
    values = ", ".join(f"{name} {mean:.4g} ± {error:.2g}" for name, (mean, error) in predicted.items())
    return Mapped(
        coefficients=coefficients,
        remark=(
            f"surrogate: the best of a quadratic fitted to {len(surrogate.evaluations)} stored evaluations ({units} "
            f"units; leave-one-out R2 {how}); predicts {values}"
        ),
        predicted=dict(predicted),
        r2=r2,
    )


def _span(surrogate: Surrogate, reward: str, units: str) -> float:
    """Give the unit of a reward: its own, or its reach from the worst of the experts to its own or the best one."""
    if units == "raw":
        return 1.0
    fit, count = surrogate.fits[reward], len(surrogate.experts)
    vertices = dict(zip(surrogate.experts, fit.mean[:count].tolist(), strict=True))
    span = vertices.get(reward, max(vertices.values())) - min(vertices.values())
    if span < _LEAST_SPAN:
        who = f"the expert for {reward} is no better" if reward in vertices else "no expert is better"
        raise InvalidInput(
            f"mapping surrogate: {who} on {reward} than the worst of the experts, so it has no normalised unit",
            where=reward,
            remedy="use --units raw",
        )
    return float(span)


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


def _known_name(name: str, valid: tuple[str, ...], what: str) -> None:
    if name not in valid:
        guess = nearest(name[:40], valid)
        raise InvalidInput(
            f"no {what} {name[:40]!r}" + (f"; did you mean {guess!r}?" if guess else ""),
            where=name[:40],
            remedy=f"one of {', '.join(valid)}",
        )
