"""The payoff matrix: each reward measured on each expert, the one table that the mappings and the lemmas stand on.

It is read from measured scores, or from what people say of single experts; numbers that were not measured alike are
never put into one column, and whose numbers a column takes goes by trust before it goes by how many there are.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from rshub.errors import InvalidInput
from rshub.preferences.scores import Scores, oriented


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One reward of one expert, as somebody says.

    Args:
        expert: The expert, by its reward.
        reward: What was measured.
        value: The number, in the reward's own direction.
        protocol: How it was measured; only numbers with the same one compare.
        tier: How far whoever says it is trusted: 0 most.
    """

    expert: str
    reward: str
    value: float
    protocol: tuple[str, ...]
    tier: int = 0


@dataclass(frozen=True, kw_only=True)
class Payoff:
    """V[i, k]: reward k measured on the expert of reward i, larger always better.

    Rows and columns go by reward names. ``missing`` says why a cell is empty, where more is known than that nobody
    measured it; ``protocols`` says how each column was measured, where that was chosen among several.
    """

    cells: Mapping[tuple[str, str], float]
    missing: Mapping[tuple[str, str], str] = field(default_factory=dict)
    protocols: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

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
    def from_claims(cls, claims: Iterable[Claim], *, experts: Collection[str], directions: Mapping[str, str]) -> Payoff:
        """Take the matrix from what people say of single experts.

        A column takes one protocol: of those that cover all experts the one whose least trusted number is trusted most.
        Where none covers them all it is the one with the most experts, and the cells of the others are missing, with
        that reason. What is left equal goes by who comes first.

        Args:
            claims: What is said, the most trusted first; of two numbers for one cell the first counts.
            experts: Those that a column has to cover.
            directions: max or min for each reward; a reward without one is left out.
        """
        columns: dict[str, dict[tuple[str, ...], dict[str, Claim]]] = {}
        for claim in claims:
            if claim.reward in directions:
                column = columns.setdefault(claim.reward, {})
                column.setdefault(claim.protocol, {}).setdefault(claim.expert, claim)

        def worth(column: Mapping[str, Claim]) -> tuple[bool, int, int]:
            partial = not set(experts) <= set(column)
            return partial, -len(column) if partial else 0, max(claim.tier for claim in column.values())

        chosen = {reward: min(column, key=lambda how: worth(column[how])) for reward, column in columns.items()}
        cells: dict[tuple[str, str], float] = {}
        missing: dict[tuple[str, str], str] = {}
        for reward, column in columns.items():
            best = column[chosen[reward]]
            for expert in {expert for shared in column.values() for expert in shared}:
                if expert in best:
                    cells[expert, reward] = oriented(best[expert].value, directions[reward])
                else:
                    missing[expert, reward] = "it was measured on other prompts or another split than the others"
        return cls(cells=cells, missing=missing, protocols=chosen)
