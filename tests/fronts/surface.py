"""A quadratic surface over three experts, known in closed form."""

import itertools

import numpy as np

CORNERS = np.array([[1.0, 0.2, 0.1], [0.3, 0.9, 0.2], [0.1, 0.3, 0.8]])  # rewards of the experts, row by expert
PAIRS = {(0, 1): 0.4, (0, 2): 0.5, (1, 2): 0.3}


def surface(shares):
    """The rewards at some shares, larger better."""
    shares = np.asarray(shares, dtype=float)
    bend = sum(factor * shares[i] * shares[j] for (i, j), factor in PAIRS.items())
    return shares @ CORNERS + bend


def lattice(steps):
    """All ways to deal so many steps to three experts."""
    return [
        (a / steps, b / steps, (steps - a - b) / steps)
        for a, b in itertools.product(range(steps + 1), repeat=2)
        if a + b <= steps
    ]
