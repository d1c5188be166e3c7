"""From evaluations to the answer: the choice, what is predicted and measured of it, what speaks against it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rshub.errors import InvalidInput
from rshub.evaluation.selection.rivals import Chosen, compare
from rshub.evaluation.selection.rule import are_shares, mapped_shares
from rshub.evaluation.selection.search import Goal
from rshub.evaluation.selection.selection import Regret, Selection, Spent
from rshub.evaluation.selection.strategy import Choice, choose, misfits, regret
from rshub.preferences.belief import LEAST_SOUPS
from rshub.preferences.evidence import Evidence, gather
from rshub.preferences.scores import SOUPS, Scores, oriented
from rshub.preferences.simplex import Array
from rshub.preferences.surrogate import LEAST_R2
from rshub.preferences.wish import Wish, make_wish


def answer(scores: Scores, goal: Goal, spent: Spent, *, rule: tuple[str, Array] | None = None) -> Selection:
    """Choose, and say all that is known of the choice.

    Args:
        scores: Everything that was measured.
        goal: What is looked for.
        spent: What it cost.
        rule: The mapping that gives the coefficients, and what it gives; None to choose by the evaluations.

    Raises:
        InvalidInput: The evaluations say nothing of what is wanted.
    """
    evidence = gather(scores, goal.space.corners)
    wish = make_wish(goal.mu, goal.units, evidence, scores)
    remarks: list[str] = []
    if rule is not None:
        row = evidence.row_at(rule[1], list(wish.factors))
        choice = Choice(shares=rule[1], row=row, rule=rule[0])
    else:
        choice, said = _choice(scores, goal, evidence, wish, measured_only=bool(spent.budget))
        remarks += said
    reasons: dict[str, str] = {}
    point = None if choice.row is None else scores.points[evidence.points[choice.row]]
    if point is None:
        reasons["measured"] = "no evaluation was made at these coefficients"
    bad = misfits(evidence, wish.factors)
    remarks += [
        f"MISFIT: a quadratic does not describe {name} (leave-one-out R2 {r2:.2f}, below {LEAST_R2})"
        for name, r2 in bad.items()
    ]
    r2 = {}
    for name, column in evidence.columns.items():
        r2[name] = None if column.description is None else column.description.r2
        if column.description is None:
            reasons[f"r2.{name}"] = f"fewer than {LEAST_SOUPS} soups have it measured"
    expected = None
    if bad:
        reasons["regret"] = f"no prediction of {', '.join(bad)} can be trusted"
    elif not set(wish.factors) <= set(evidence.columns):
        reasons["regret"] = "not every wanted reward was measured on these experts"
    else:
        low, mean, high = regret(goal.space, evidence, wish, choice.shares)
        expected = Regret(low=low, expected=mean, high=high)
    predicted = _predicted(evidence, scores, choice.shares)
    value, error = _wished(evidence, wish, choice)
    chosen = None if value is None else Chosen(point=point, value=value, stderr=error)
    if chosen is None:
        missing = [name for name in wish.factors if name not in evidence.columns]
        reasons["rivals"] = f"no soup of these experts was measured on {', '.join(missing)}"
    remarks += [*_unused(scores, evidence), *evidence.notes]
    return Selection(
        preference="",
        units=goal.units,
        mapping=choice.rule,
        coefficients=goal.space.coefficients(choice.shares),
        predicted=predicted,
        measured=None if point is None else point.rewards,
        r2=r2,
        misfit=tuple(bad),
        regret=expected,
        rivals=compare(scores, chosen, wish) if chosen is not None else [],
        spent=spent,
        reasons=reasons,
        remarks=remarks,
    )


def _unused(scores: Scores, evidence: Evidence) -> list[str]:
    """Say how many stored soups count for nothing here, since they are none of these experts."""
    soups = [number for number, point in enumerate(scores.points) if point.kind in SOUPS]
    others = len(set(soups) - set(evidence.points))
    if not others:
        return []
    are = "is no soup" if others == 1 else "are no soups"
    return [f"{others} of {len(soups)} evaluations {are} of {', '.join(evidence.corners)} and did not count"]


def _choice(
    scores: Scores, goal: Goal, evidence: Evidence, wish: Wish, *, measured_only: bool
) -> tuple[Choice, list[str]]:
    """Choose by what was measured; before any soup was, by the payoffs of the experts if that can be done."""
    said: list[str] = []
    soups = int(((evidence.shares > 0.0).sum(axis=1) > 1).sum())
    if not soups and len(goal.space.corners) > 1:
        try:
            return _by_payoff(scores, goal, evidence, wish)
        except InvalidInput as fault:
            said.append(f"no soup was measured, and payoffs alone do not tell: {fault.message}")
    choice = choose(goal.space, evidence, wish, measured_only=measured_only)
    if choice is None:
        missing = next(name for name in wish.factors if name not in evidence.columns)
        raise InvalidInput(
            f"select: no soup of {', '.join(goal.space.corners)} was measured on {missing}",
            where=missing,
            remedy="measure the experts on every wanted reward (rshub evaluate)",
        )
    if choice.rule == "measured":
        said.append("the best of what was measured")
    elif choice.row is None:
        said.append(f"the best prediction from {len(evidence.points)} evaluations; it was not measured itself")
    else:
        said.append(f"the measured point that {len(evidence.points)} evaluations together speak for most")
    if soups and (choice.shares == 1.0).any():
        alone = goal.space.corners[int(choice.shares.argmax())]
        said.append(f"{alone} alone: for this preference no soup that is known of does better")
    return choice, said


def _by_payoff(scores: Scores, goal: Goal, evidence: Evidence, wish: Wish) -> tuple[Choice, list[str]]:
    """Take lambda in proportion to mu and to what each expert gains on its own reward.

    Raises:
        InvalidInput: That cannot be done, with the reason.
    """
    shares, mapped = mapped_shares(scores, goal, "payoff")
    if not are_shares(shares) or not goal.space.may(shares):
        raise InvalidInput("what they give may not be used", where="payoff", remedy="measure soups")
    choice = Choice(shares=shares, row=evidence.row_at(shares, list(wish.factors)), rule="payoff")
    return choice, [f"no soup was measured; {mapped.remark}"]


def _predicted(evidence: Evidence, scores: Scores, shares: Array) -> dict[str, tuple[float, float]]:
    at = shares[None]
    return {
        name: (
            oriented(float(column.belief.mean(at)[0]), scores.rewards[name]),
            math.sqrt(float(column.belief.variance(at)[0])),
        )
        for name, column in evidence.columns.items()
    }


def _wished(evidence: Evidence, wish: Wish, choice: Choice) -> tuple[float | None, float | None]:
    """Give what the wish makes of the choice, as measured or else as predicted, and how far that may err.

    It is None where a wanted reward was measured on no soup of these experts.
    """
    measured: Mapping[str, float] = {} if choice.row is None else evidence.values(choice.row)
    value = wish.of(measured)
    if value is not None:
        return value, None
    if not set(wish.factors) <= set(evidence.columns):
        return None, None
    at = choice.shares[None]
    beliefs = {name: evidence.columns[name].belief for name in wish.factors}
    total = math.fsum(factor * float(beliefs[name].mean(at)[0]) for name, factor in wish.factors.items())
    spread = math.fsum(factor**2 * float(beliefs[name].variance(at)[0]) for name, factor in wish.factors.items())
    return total, math.sqrt(spread)
