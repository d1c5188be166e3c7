"""Published fronts and random ones through the whole of ``front``, against moocore and numpy; nothing of ours counts.

The curves are those of Rame et al., 2023 (figures 1b, 2a, 3a, 4 and 10).
"""

from itertools import combinations

import moocore
import numpy as np
import pytest

from rshub.errors import InvalidInput
from rshub.fronts.front import front
from rshub.preferences.scores import Scores

METRICS = ("cider", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "spice", "meteor")
QUADRATIC = {  # how much of each curve of Rame et al., 2023, a quadratic in lambda explains
    ("news", "R1"): 0.998, ("news", "R2"): 0.957, ("captioning", "bleu_1"): 0.999, ("captioning", "rouge_l"): 0.964,
    ("captioning", "cider"): 0.969, ("captioning", "bleu_2"): 0.994, ("captioning", "bleu_3"): 0.977,
    ("captioning", "bleu_4"): 0.990, ("captioning", "spice"): 0.968, ("captioning", "meteor"): 0.961,
}  # fmt: skip


def unit(points, box):
    low, high = box.min(axis=0), box.max(axis=0)
    return (points - low) / (high - low)


def over_polyline(points):
    """Integrate the drawn front of two rewards: level to its first point, straight on, nothing right of its last."""
    best = np.unique(points[moocore.is_nondominated(points, maximise=True)], axis=0)
    grid = np.linspace(0, 1, 400_001)
    return 1 - float(np.trapezoid(np.interp(grid, best[:, 0], best[:, 1], right=0.0), grid))


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6])
def test_the_captioning_metrics_in_every_choice_of_them(published, size):
    for number, rewards in enumerate(combinations(METRICS, size)):
        scores, raw = published("captioning", rewards, {"bleu1": "bleu_1", "rouge": "rouge_l"})
        points = np.array([[row["rewards"][name] for name in rewards] for row in raw["soups"]])
        result = front(scores=scores)
        expected = moocore.hypervolume(unit(points, points), ref=np.zeros(size), maximise=True)
        assert result["hypervolume"] == pytest.approx(expected, abs=1e-12), rewards
        best = moocore.is_nondominated(points, maximise=True, keep_weakly=True)
        assert result["front"] == np.flatnonzero(best).tolist(), rewards
        if size == 2 and number < 8:
            assert result["over_polyline"] == pytest.approx(over_polyline(unit(points, points)), abs=2e-5), rewards


def test_the_line_between_the_experts_in_every_captioning_metric(published):
    scores, raw = published("captioning", METRICS, {"bleu1": "bleu_1", "rouge": "rouge_l"})
    found = front(scores=scores)["connectivity"]
    share = np.array([row["lambda"]["bleu1"] for row in raw["soups"]])
    inside = (share > 0) & (share < 1)
    for name in METRICS:
        value = np.array([row["rewards"][name] for row in raw["soups"]])
        margin = (value - share * value[share == 1] - (1 - share) * value[share == 0])[inside]
        assert found[name]["worst_margin"] == pytest.approx(margin.min(), abs=1e-12)
        assert found[name]["at"] == pytest.approx(
            {"bleu_1": share[inside][margin.argmin()], "rouge_l": 1 - share[inside][margin.argmin()]}
        )
        assert found[name]["share_holding"] == (margin >= -1e-12).mean() == 1.0


@pytest.mark.parametrize("curve", QUADRATIC, ids=" ".join)
def test_a_quadratic_describes_every_published_curve(published, news, curve):
    from rshub.fronts.curvature import bends

    task, reward = curve
    experts = {"bleu1": "bleu_1", "rouge": "rouge_l"}
    scores, raw = news if task == "news" else published("captioning", METRICS, experts)
    leader = "R1" if task == "news" else "bleu1"
    share = np.array([row["lambda"][leader] for row in raw["soups"]])
    value = np.array([row["rewards"][reward] for row in raw["soups"]])
    fitted = np.polynomial.Polynomial.fit(share, value, 2)
    explained = 1 - float(((value - fitted(share)) ** 2).sum() / ((value - value.mean()) ** 2).sum())
    assert explained == pytest.approx(QUADRATIC[curve], abs=6e-4)
    # our own interaction: least squares of the margin on lambda (1 - lambda)
    mixed = share * (1 - share)
    margin = value - share * value[share == 1] - (1 - share) * value[share == 0]
    (bend,) = [bend for bend in bends(scores) if bend.reward == reward]
    assert bend.value == pytest.approx(float(np.linalg.lstsq(mixed[:, None], margin, rcond=None)[0][0]), rel=1e-9)


def test_the_news_front_against_its_morl_run_by_the_measures_of_moocore(news):
    scores, raw = news
    found = front(scores=scores, checks=True)["checks"]["coverage"]
    ours = np.array([[row["rewards"][name] for name in ("R1", "R2")] for row in raw["soups"]])
    theirs = np.array([[row["rewards"][name] for name in ("R1", "R2")] for row in raw["morl"]])
    box = np.concatenate([ours, theirs])
    ours, theirs = unit(ours, box), unit(theirs, box)
    assert found["epsilon"] == pytest.approx(moocore.epsilon_additive(ours, ref=theirs, maximise=True), abs=1e-12)
    assert found["igd_plus"] == pytest.approx(moocore.igd_plus(ours, ref=theirs, maximise=True), abs=1e-12)
    volumes = [moocore.hypervolume(rows, ref=np.zeros(2), maximise=True) for rows in (ours, theirs)]
    assert found["hypervolume_ratio"] == pytest.approx(volumes[0] / volumes[1], rel=1e-12)
    assert volumes == pytest.approx([0.6448, 0.2829], abs=5e-5)


@pytest.mark.parametrize("seed", range(40))
def test_random_fronts_of_up_to_six_rewards_in_either_direction(typed, seed):
    """Some with ties, some with points that lack a reward, all with MORL runs and a start far outside."""
    rng = np.random.default_rng(seed)
    rewards = {f"r{number}": rng.choice(["max", "min"]) for number in range(1 + seed % 6)}
    signs = np.array([1.0 if way == "max" else -1.0 for way in rewards.values()])
    count = int(rng.integers(3, 60))
    table = rng.normal(size=(count, len(rewards))) * 10 ** rng.uniform(-3, 3, size=len(rewards))
    if seed % 3 == 0:
        table = np.round(table / np.abs(table).max(axis=0) * 4)  # many ties
    kinds = rng.choice(["soup", "expert", "morl"], size=count, p=[0.6, 0.2, 0.2])
    kinds[:2] = "soup", "morl"
    lacking = rng.random(count) < (0.2 if seed % 2 else 0.0)
    lacking[:2] = False
    points = [
        {
            "kind": str(kind),
            "rewards": {
                name: value for place, (name, value) in enumerate(zip(rewards, row, strict=True)) if place or not gone
            },
        }
        for kind, row, gone in zip(kinds, table.tolist(), lacking, strict=True)
    ]
    points.append({"kind": "init", "rewards": dict.fromkeys(rewards, 1e6)})
    result = front(scores=typed(rewards, *points))
    better = table * signs
    ours = (kinds != "morl") & ~lacking
    theirs = (kinds == "morl") & ~lacking
    box = better[ours | theirs]
    best = moocore.is_nondominated(better[ours], maximise=True, keep_weakly=True)
    assert result["front"] == np.flatnonzero(ours)[best].tolist()
    if (box.max(axis=0) > box.min(axis=0)).all():
        zero = np.zeros(len(rewards))
        expected = [moocore.hypervolume(unit(better[rows], box), ref=zero, maximise=True) for rows in (ours, theirs)]
        assert result["hypervolume"] == pytest.approx(expected[0], abs=1e-11)
        assert result["morl"]["hypervolume"] == pytest.approx(expected[1], abs=1e-11)
    else:
        assert "has no extent" in result["reasons"]["hypervolume"]
    soups = better[(kinds == "soup") & ~lacking]
    beaten = [bool(((soups >= row).all(axis=1) & (soups > row).any(axis=1)).any()) for row in better[theirs]]
    assert result["morl"]["dominated_share"] == pytest.approx(np.mean(beaten))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", '"1"', "true", "[1]"])
def test_what_is_no_measurement_is_refused_by_its_path(value):
    text = (
        f'{{"rewards": {{"a": {{"direction": "max"}}}}, "points": [{{"kind": "soup", "rewards": {{"a": {value}}}}}]}}'
    )
    with pytest.raises(InvalidInput):
        Scores.parse(text.encode())
