"""What the theory says of two experts whose rewards are quadratic: the best lambda, and what a soup can lose.

With each expert at the optimum of its own reward, Delta_1 = R_1(theta_1) - R_1(theta_2) and Delta_2 likewise, along
theta = (1 - lambda) theta_1 + lambda theta_2 the rewards fall as R_1 = R_1(theta_1) - lambda^2 Delta_1 and
R_2 = R_2(theta_2) - (1 - lambda)^2 Delta_2. The user wants (1 - mu) R_1 + mu R_2. How much better the best model
anywhere is depends on M, the largest ratio between the two rewards' eigenvalues in one direction: 1 means that the soup
is optimal (Lemma 2), and Delta_1 / Delta_2 never lies outside 1 / M to M.

Source: Rame et al., 2023, Lemmas 2 and 3 with their proofs, and Figure 8.
"""

from __future__ import annotations

import math

from rshub.errors import InvalidInput


def best_share(mu: float, first: float, second: float) -> float:
    """Give the lambda of the second expert that serves mu best; ``first`` and ``second`` are Delta_1 and Delta_2."""
    _check(mu, first, second)
    return mu * second / ((1.0 - mu) * first + mu * second)


def soup_loss(mu: float, first: float, second: float) -> float:
    """Give what the best soup lacks of (1 - mu) R_1(theta_1) + mu R_2(theta_2), both rewards at their best at once."""
    _check(mu, first, second)
    return mu * (1.0 - mu) * first * second / ((1.0 - mu) * first + mu * second)


def gap_bound(mu: float, first: float, second: float, *, ratio: float) -> float:
    """Bound by how much the best model anywhere exceeds the best soup, in units of the wanted sum.

    Args:
        mu: What is wanted of the second reward; the first has 1 - mu.
        first: Delta_1.
        second: Delta_2.
        ratio: M, at least 1.

    Raises:
        InvalidInput: M contradicts the two Deltas, or a number has no meaning here.
    """
    _check(mu, first, second)
    least = max(first / second, second / first)
    if not least * (1.0 - 1e-12) <= ratio < math.inf:
        raise InvalidInput(
            f"bounds: experts that gain {first:g} and {second:g} need a ratio of eigenvalues of {least:g} or more",
            where="ratio",
            remedy="assume a larger ratio",
        )
    both = max(0.0, ratio * first - second) * max(0.0, ratio * second - first)
    mixed = mu * (1.0 - mu)
    return mixed**2 * both / ((mixed * (ratio - 1.0) ** 2 + ratio) * ((1.0 - mu) * first + mu * second))


def _check(mu: float, first: float, second: float) -> None:
    if not (0.0 <= mu <= 1.0 and 0.0 < first < math.inf and 0.0 < second < math.inf):
        raise InvalidInput(
            "bounds: mu is within 0 to 1, and each expert is the better one on its own reward", where="mu"
        )
