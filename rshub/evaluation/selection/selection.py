"""What a selection answers: coefficients with what is predicted and measured of them, and everything against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rshub.evaluation.selection.rivals import Rival
from rshub.preferences.scores import RewardScore
from rshub.preferences.surrogate import LEAST_R2


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Evaluations: those that were known, those that this request has cost, this run's among them, and the budget."""

    known: int
    request: int
    new: int
    budget: int


@dataclass(frozen=True, kw_only=True)
class Regret:
    """How much better the best soup may be, in units of the wish: expected, and within which limits at 95 %."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The coefficients that were chosen, and what is known of them.

    ``mapping`` is the rule that decided in the end: ``surrogate``, ``measured`` (the best of what was measured), or the
    mapping that was asked for. ``soup`` is the preference that composes them. ``predicted`` gives mean and standard
    error in each reward's own direction; ``r2`` says how well a quadratic predicts soups that were left out;
    ``reasons`` says why something is absent.
    """

    preference: str
    units: str
    mapping: str
    coefficients: Mapping[str, float]
    predicted: Mapping[str, tuple[float, float]]
    measured: Mapping[str, RewardScore] | None
    r2: Mapping[str, float | None]
    misfit: tuple[str, ...]
    regret: Regret | None
    rivals: Sequence[Rival]
    spent: Spent
    reasons: Mapping[str, str]
    remarks: Sequence[str]
    soup: str | None = None
    out: Path | None = None

    @property
    def better(self) -> list[Rival]:
        """Those that are better than the chosen soup, beyond the errors."""
        return [rival for rival in self.rivals if rival.verdict == "better"]

    @property
    def ties(self) -> list[Rival]:
        """Those that cannot be told from it."""
        return [rival for rival in self.rivals if rival.verdict == "tie"]

    def to_json(self) -> dict[str, Any]:
        """Give the selection for a program."""
        return {
            "coefficients": dict(self.coefficients),
            "predicted": {name: mean for name, (mean, _) in self.predicted.items()},
            "measured": None if self.measured is None else {name: one.mean for name, one in self.measured.items()},
            "r2": dict(self.r2),
            "mapping": self.mapping,
            "preference": self.preference,
            "units": self.units,
            "predicted_stderr": {name: error for name, (_, error) in self.predicted.items()},
            "measured_stderr": None
            if self.measured is None
            else {name: one.stderr for name, one in self.measured.items()},
            "misfit": list(self.misfit),
            "regret": None if self.regret is None else vars(self.regret) | {},
            "rivals": [rival.to_json() for rival in self.rivals],
            "evaluations": vars(self.spent) | {},
            "reasons": dict(self.reasons),
            "remarks": list(self.remarks),
            "soup": self.soup,
            "out": None if self.out is None else str(self.out),
        }

    def lines(self) -> list[str]:
        """Describe the selection for a person."""
        shown = [f"{self.preference}  ({self.units} units)"]
        shown.append(f"  chosen    {written(self.coefficients)}  (by {self.mapping})")
        shown += [f"            {remark}" for remark in self.remarks]
        names = [*self.predicted, *(name for name in self.measured or {} if name not in self.predicted)]
        shown += [f"  reward    {self._reward(name)}" for name in names]
        if self.regret is not None:
            interval = f"{self.regret.low:.2g} to {self.regret.high:.2g}"
            shown.append(
                f"  regret    {self.regret.expected:.2g} expected, {interval} at 95 %: what the best soup may be better"
            )
        elif "regret" in self.reasons:
            shown.append(f"  regret    not known: {self.reasons['regret']}")
        shown += [f"  {rival.verdict:<8}  {_said(rival)}" for rival in self.rivals]
        shown += [f"  rivals    not compared: {self.reasons['rivals']}"] if "rivals" in self.reasons else []
        cost = self.spent
        shown.append(
            f"  cost      {cost.new} new evaluation{'' if cost.new == 1 else 's'} ({cost.request} of a budget of "
            f"{cost.budget} for this request), {cost.known} known before"
        )
        return shown

    def _reward(self, name: str) -> str:
        parts = [name]
        if name in self.predicted:
            mean, error = self.predicted[name]
            parts.append(f"predicted {mean:.4g} ± {error:.2g}")
        one = (self.measured or {}).get(name)
        if one is None:
            parts.append("not measured there")
        else:
            parts.append(f"measured {one.mean:.4g}" + ("" if one.stderr is None else f" ± {one.stderr:.2g}"))
        r2 = self.r2.get(name)
        if r2 is not None:
            low = " (a quadratic does not describe it)" if name in self.misfit else ""
            parts.append(f"leave-one-out R2 {r2:.2f}{low or (' (noise)' if r2 < LEAST_R2 else '')}")
        return ", ".join(parts)


def written(coefficients: Mapping[str, float]) -> str:
    """Write coefficients without zeros."""
    return ", ".join(f"{name}={value:.4g}" for name, value in coefficients.items() if value) or "init=1"


def _said(rival: Rival) -> str:
    """Say how a rival compares with the choice."""
    who = "the start alone" if rival.kind == "init" else f"{rival.kind} {rival.name}"
    by = f"{abs(rival.difference):.2g}" + ("" if rival.stderr is None else f" ± {rival.stderr:.2g}")
    how = {
        "better": f"is better than the chosen soup by {by}",
        "worse": f"is worse by {by}",
        "tie": f"cannot be told from the chosen soup ({rival.difference:+.2g}"
        + ("" if rival.stderr is None else f" ± {rival.stderr:.2g}")
        + ")",
    }[rival.verdict]
    return f"{who} {how}"
