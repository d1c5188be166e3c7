"""The payoff matrix: each reward measured on each expert, the one table that the mappings and the lemmas stand on.

It is read from measured scores, or from what experts publish of themselves; numbers that were not measured alike are
never put into one column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rshub.errors import InvalidInput
from rshub.preferences.scores import Scores, oriented


@dataclass(frozen=True, kw_only=True)
class Payoff:
    """V[i, k]: reward k measured on the expert of reward i, larger always better.

    Rows and columns go by reward names. ``missing`` says why a cell is empty, where more is known than that nobody
    measured it.
    """

    cells: Mapping[tuple[str, str], float]
    missing: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def cell(self, expert: str, reward: str) -> float:
        """Give one cell.

        Raises:
            InvalidInput: The cell is empty; the message names expert and reward.
        """
        if (expert, reward) in self.cells:
            return self.cells[expert, reward]
        why = self.missing.get((expert, reward), "it was not measured")
        raise InvalidInput(
            f"payoff matrix: no {reward} of the expert for {expert}: {why}",
            where=f"{expert} -> {reward}",
            remedy="measure every expert on every reward (rshub evaluate), or use --mapping identity",
        )

    @classmethod
    def from_scores(cls, scores: Scores, *, serves: Mapping[str, str] | None = None) -> Payoff:
        """Take the matrix from the points with one-hot coefficients; points at the same expert are averaged.

        Args:
            scores: What was measured.
            serves: The reward of each expert, where coefficients go by other names (a repo, a directory).

        Raises:
            InvalidInput: Two different experts serve one reward.
        """
        serves = serves or {}
        who: dict[str, str] = {}
        values: dict[tuple[str, str], list[float]] = {}
        for point in scores.points:
            if point.vertex is None:
                continue
            expert = serves.get(point.vertex, point.vertex)
            if who.setdefault(expert, point.vertex) != point.vertex:
                raise InvalidInput(
                    f"payoff matrix: {who[expert]} and {point.vertex} both serve {expert}",
                    where=expert,
                    remedy="keep the points of one of them",
                )
            for reward, score in point.rewards.items():
                values.setdefault((expert, reward), []).append(oriented(score.mean, scores.rewards[reward]))
        return cls(cells={cell: math.fsum(measured) / len(measured) for cell, measured in values.items()})

    @classmethod
    def from_published(
        cls, rows: Mapping[str, Sequence[Mapping[str, Any]]], *, directions: Mapping[str, str]
    ) -> Payoff:
        """Take the matrix from the scores that experts publish of themselves.

        Scores of one reward compare only when split and prompts agree, so each column uses the protocol that most
        experts share; what was measured otherwise is missing, with that reason.

        Args:
            rows: For the expert of each reward its published scores: mappings with ``reward``, ``value`` and, where
                known, ``split``, ``prompts_digest`` and ``n``.
            directions: max or min for each reward; a reward without one is left out.
        """
        measured: dict[str, dict[tuple[str, str], dict[str, tuple[int, float]]]] = {}
        for expert, scores in rows.items():
            for score in scores:
                protocol = (str(score.get("split")), str(score.get("prompts_digest")))
                shared = measured.setdefault(str(score["reward"]), {}).setdefault(protocol, {})
                candidate = (int(score.get("n") or 0), float(score["value"]))
                if expert not in shared or candidate[0] > shared[expert][0]:
                    shared[expert] = candidate
        cells: dict[tuple[str, str], float] = {}
        missing: dict[tuple[str, str], str] = {}
        for reward, protocols in measured.items():
            if reward not in directions:
                continue
            _, best = min(protocols.items(), key=lambda item: (-len(item[1]), item[0]))
            for expert in {expert for shared in protocols.values() for expert in shared}:
                if expert in best:
                    cells[expert, reward] = oriented(best[expert][1], directions[reward])
                else:
                    missing[expert, reward] = "it was measured on other prompts or another split than the others"
        return cls(cells=cells, missing=missing)
