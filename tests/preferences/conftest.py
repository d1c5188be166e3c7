"""Scores typed by hand, as a person would from a paper's table."""

import json

import pytest

from rshub.preferences.scores import Scores


@pytest.fixture
def typed():
    def build(rewards, *points, **more):
        document = {
            "schema": "rshub.scores/1",
            "rewards": {name: {"direction": direction} for name, direction in rewards.items()},
            "points": list(points),
        } | more
        return Scores.parse(json.dumps(document).encode())

    return build


@pytest.fixture
def three(typed):
    """Three experts on three rewards, the last one to be minimised."""
    table = {"a": (10.0, 2.0, 5.0), "b": (4.0, 8.0, 4.0), "c": (1.0, 5.0, -3.0)}
    return typed(
        {"a": "max", "b": "max", "c": "min"},
        *(
            {"kind": "expert", "coefficients": {name: 1}, "rewards": dict(zip("abc", row, strict=True))}
            for name, row in table.items()
        ),
    )
