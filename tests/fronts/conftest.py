"""Published fronts, where they are at hand, and scores typed by hand."""

import json
from pathlib import Path

import pytest

from rshub.preferences.scores import Scores
from tests.fronts.surface import lattice, surface

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "data" / "published_fronts"

NOISY_RECALL = (0.848, 0.837, 0.824, 0.792, 0.717, 0.642, 0.609, 0.563, 0.515)
NOISY_PRECISION = (0.667, 0.704, 0.736, 0.769, 0.822, 0.868, 0.883, 0.893, 0.901)


def document(rewards, points):
    return {
        "schema": "rshub.scores/1",
        "rewards": {name: {"direction": direction} for name, direction in rewards.items()},
        "points": points,
    }


@pytest.fixture(scope="session")
def typed():
    def build(rewards, *points):
        return Scores.parse(json.dumps(document(rewards, list(points))).encode())

    return build


@pytest.fixture(scope="session")
def published():
    """Give a published front by its name, as scores and as the file's own JSON."""

    def load(name, rewards, experts):
        path = PUBLISHED / f"{name}.json"
        if not path.exists():
            pytest.skip(f"the published front {name} is not beside this checkout")
        raw = json.loads(path.read_text())
        points = [
            {
                "kind": "soup",
                "coefficients": {experts[expert]: share for expert, share in point["lambda"].items()},
                "rewards": {reward: point["rewards"][reward] for reward in rewards},
            }
            for point in raw["soups"]
        ]
        points += [{"kind": "morl", "rewards": point["rewards"]} for point in raw.get("morl", [])]
        if "init" in raw:
            points.append({"kind": "init", "rewards": raw["init"]})
        return Scores.parse(json.dumps(document(dict.fromkeys(rewards, "max"), points)).encode()), raw

    return load


@pytest.fixture(scope="session")
def news(published):
    return published("news_summary", ("R1", "R2"), {"R1": "R1", "R2": "R2"})


@pytest.fixture(scope="session")
def captioning(published):
    return published("captioning", ("bleu_1", "rouge_l"), {"bleu1": "bleu_1", "rouge": "rouge_l"})


@pytest.fixture(scope="session")
def noisy(typed):
    """Nine points of which neighbours are close, one MORL run that no point beats, and error bars."""
    points = [
        {
            "kind": "expert" if number in {0, 8} else "soup",
            "coefficients": {"recall": 1 - number / 8, "precision": number / 8},
            "rewards": {
                "recall": {"mean": recall, "stderr": 0.006, "n": 400},
                "precision": {"mean": precision, "stderr": 0.005, "n": 400},
            },
        }
        for number, (recall, precision) in enumerate(zip(NOISY_RECALL, NOISY_PRECISION, strict=True))
    ]
    return typed(
        {"recall": "max", "precision": "max"},
        *points,
        {"kind": "morl", "rewards": {"recall": 0.812, "precision": 0.766}},
        {"kind": "init", "rewards": {"recall": 0.700, "precision": 0.755}},
    )


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
