"""Fronts of three experts, with a surface that is known."""

import itertools

import numpy as np
import pytest

CORNERS = np.array([[1.0, 0.2, 0.1], [0.3, 0.9, 0.2], [0.1, 0.3, 0.8]])  # rewards of the experts, row by expert
PAIRS = {(0, 1): 0.4, (0, 2): 0.5, (1, 2): 0.3}


def surface(shares):
    """The quadratic that every reward of ``three`` lies on, larger better."""
    shares = np.asarray(shares, dtype=float)
    bend = sum(factor * shares[i] * shares[j] for (i, j), factor in PAIRS.items())
    return shares @ CORNERS + bend


def lattice(steps):
    return [
        (a / steps, b / steps, (steps - a - b) / steps)
        for a, b in itertools.product(range(steps + 1), repeat=2)
        if a + b <= steps
    ]


@pytest.fixture(scope="session")
def three(typed):
    """Three experts for x, y and z; z is to be small. The middle is there twice: measured, and as a MORL run."""

    def rewards(shares, gain=0.0):
        x, y, z = (surface(shares) + gain).tolist()
        return {"x": x, "y": {"mean": y, "stderr": 0.01}, "z": -z}

    points = [
        {
            "kind": "expert" if max(shares) == 1 else "soup",
            "coefficients": dict(zip("xyz", shares, strict=True)),
            "rewards": rewards(shares),
        }
        for shares in [*lattice(4), (1 / 3, 1 / 3, 1 / 3)]
    ]
    points.append({"kind": "morl", "preference": "x=0.5, y=0.5", "rewards": rewards((0.5, 0.5, 0.0), 0.05)})
    points.append({"kind": "init", "coefficients": {}, "rewards": {"x": 0.0, "y": 0.0, "z": 0.0}})
    return typed({"x": "max", "y": "max", "z": "min"}, *points)
