"""Experts that were trained on mixtures of rewards: which coefficients make the mixture that a person wants.

Expert i was trained on sum_k B[i, k] R_k, so a soup stands for sum_i lambda_i B[i, k] of reward k, and lambda solves
B^T lambda = mu. A reward counts in the direction in which its own expert was trained. Refused by name: experts that do
not say what they were trained on, shares whose sizes do not sum to 1, mixtures so much alike that they cannot be told
apart, rewards that experts were trained on and the preference does not name, and, unless extrapolation is allowed,
wishes outside the mixtures, for which lambda is negative or sums to something else than what is wanted.

Source: Xie et al., 2025, Bone Soups, section 4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from rshub.errors import InvalidInput
from rshub.preferences.preference import SUM_TOLERANCE

_WORST_CONDITION = 1e6
_ROUNDING = 1e-9
_SUMS_ALIKE = 1e-6  # of the largest lambda: what SUM_TOLERANCE and the solving leave stays far below


def by_mixture(
    wanted: Mapping[str, float], mixtures: Mapping[str, Mapping[str, float]], *, extrapolate: bool = False
) -> dict[str, float]:
    """Solve for the coefficients.

    Args:
        wanted: mu for each reward that has an expert.
        mixtures: For the expert of each reward the share of every reward in its training.
        extrapolate: Whether coefficients may be negative, or sum to something else than is wanted.

    Raises:
        InvalidInput: There is no such soup, with the reason.
    """
    silent = [name for name in wanted if not mixtures.get(name)]
    if silent:
        raise InvalidInput(
            f"mapping mixture: the expert for {silent[0]} does not say on which mixture of rewards it was trained",
            where=silent[0],
            remedy="publish it with training.mixture, give the mixture in --scores, or use --mapping identity",
        )
    names = list(wanted)
    for name in names:
        _refuse_odd_shares(name, mixtures[name])
    signs = {}
    for name in names:
        own = mixtures[name].get(name, 0.0)
        if own == 0.0:
            raise InvalidInput(
                f"mapping mixture: the expert for {name} was not trained on {name}",
                where=name,
                remedy="use --mapping identity, or another expert for this reward",
            )
        signs[name] = 1.0 if own > 0.0 else -1.0
    for name in names:
        for reward, share in mixtures[name].items():
            if reward not in signs and share != 0.0:
                raise InvalidInput(
                    f"mapping mixture: the expert for {name} was trained on {reward} too, which the preference leaves "
                    "out",
                    where=f"{name} -> {reward}",
                    remedy=f"say how much of {reward} is wanted, or use --mapping identity",
                )
    matrix = np.array([[signs[reward] * mixtures[name].get(reward, 0.0) for name in names] for reward in names])
    if np.linalg.cond(matrix) > _WORST_CONDITION:
        raise InvalidInput(
            f"mapping mixture: {', '.join(names)} were trained on mixtures that cannot be told apart",
            where="mixture",
            remedy="use --mapping identity, or experts of different mixtures",
        )
    solved = np.linalg.solve(matrix, np.array([wanted[name] for name in names]))
    least = _ROUNDING * float(np.abs(solved).max())
    found = {name: 0.0 if abs(value) < least else float(value) for name, value in zip(names, solved, strict=True)}
    negative = [name for name, value in found.items() if value < 0.0]
    if negative and not extrapolate:
        raise InvalidInput(
            f"mapping mixture: no experts were trained on that little: lambda of {negative[0]} would be "
            f"{found[negative[0]]:.4g}",
            where=negative[0],
            remedy="allow it with --extrapolate, or ask for a mixture between those of the experts",
        )
    total, asked = math.fsum(found.values()), math.fsum(wanted.values())
    if abs(total - asked) > _SUMS_ALIKE * max(map(abs, found.values())) and not extrapolate:
        raise InvalidInput(
            f"mapping mixture: the coefficients would sum to {total:.4g} where {asked:.4g} is wanted, for some experts "
            "were trained against what others were trained for",
            where="mixture",
            remedy="allow it with --extrapolate, or use --mapping identity",
        )
    return found


def _refuse_odd_shares(name: str, shares: Mapping[str, float]) -> None:
    """Refuse shares of another scale: they would scale the coefficients, and with these how far the soup goes."""
    total = sum(map(abs, shares.values()))
    if not abs(total - 1.0) <= SUM_TOLERANCE:
        raise InvalidInput(
            f"mapping mixture: the shares that the expert for {name} was trained on sum to {total:.10g}, not to 1",
            where=name,
            remedy="give each reward's part of 1 in training.mixture or in --scores, or use --mapping identity",
        )
