"""The whole of ``front``: the published fronts against independent sums, degenerate tables, words and requirements."""

import json

import moocore
import numpy as np
import pytest

from rshub.errors import Incompatible, InvalidInput, NotFound
from rshub.fronts.front import front, lines


def soup(a, b, kind="soup", coefficients=None):
    point = {"kind": kind, "rewards": {"a": a, "b": b}}
    return point if coefficients is None else point | {"coefficients": coefficients}


def unit(points, box):
    low, high = box.min(axis=0), box.max(axis=0)
    return (points - low) / (high - low)


def under_polyline(points):
    """Integrate the drawn front numerically: level to its first point, straight on, nothing right of its last."""
    best = points[moocore.is_nondominated(points, maximise=True)]
    best = best[np.argsort(best[:, 0])]
    grid = np.linspace(0, 1, 2_000_001)
    height = np.interp(grid, best[:, 0], best[:, 1], right=0.0)
    return float(np.trapezoid(height, grid))


def test_the_published_news_front(news):
    scores, raw = news
    result = front(scores=scores)
    soups = np.array([[point["rewards"]["R1"], point["rewards"]["R2"]] for point in raw["soups"]])
    morl = np.array([[point["rewards"]["R1"], point["rewards"]["R2"]] for point in raw["morl"]])
    box = np.concatenate([soups, morl])
    expected = moocore.hypervolume(unit(soups, box), ref=np.zeros(2), maximise=True)
    assert result["hypervolume"] == pytest.approx(expected, abs=1e-12)
    assert result["hypervolume"] == pytest.approx(0.6448, abs=5e-5)
    assert result["over_staircase"] == pytest.approx(1 - expected, abs=1e-12)
    assert result["over_polyline"] == pytest.approx(1 - under_polyline(unit(soups, box)), abs=1e-5)
    expected = moocore.hypervolume(unit(morl, box), ref=np.zeros(2), maximise=True)
    assert result["morl"] == {"hypervolume": pytest.approx(expected, abs=1e-12), "dominated_share": 1.0}
    assert result["morl"]["hypervolume"] == pytest.approx(0.2829, abs=5e-5)
    assert result["front"] == np.flatnonzero(moocore.is_nondominated(soups, maximise=True)).tolist()
    assert result["box"] == {
        "nadir": {"R1": box[:, 0].min(), "R2": box[:, 1].min()},
        "ideal": {"R1": box[:, 0].max(), "R2": box[:, 1].max()},
    }
    assert (result["reasons"], result["notes"]) == ({}, [])
    assert front(scores=scores, require=["connectivity", "coverage"]) == result


@pytest.mark.parametrize("name", ["news", "captioning"])
def test_the_first_hypothesis_holds_on_the_published_fronts(name, request):
    scores, raw = request.getfixturevalue(name)
    result = front(scores=scores)
    first, second = scores.rewards
    share = np.array([next(iter(point["lambda"].values())) for point in raw["soups"]])
    inside = (share > 0) & (share < 1)
    for reward in (first, second):
        value = np.array([point["rewards"][reward] for point in raw["soups"]])
        chord = share * value[share == 1] + (1 - share) * value[share == 0]
        margin = (value - chord)[inside]
        found = result["connectivity"][reward]
        assert found["worst_margin"] == pytest.approx(margin.min(), abs=1e-12)
        assert found["at"][first] == share[inside][margin.argmin()]
        assert found["share_holding"] == 1.0


def test_the_published_captioning_front(captioning):
    scores, raw = captioning
    points = np.array([[point["rewards"]["bleu_1"], point["rewards"]["rouge_l"]] for point in raw["soups"]])
    result = front(scores=scores)
    expected = moocore.hypervolume(unit(points, points), ref=np.zeros(2), maximise=True)
    assert result["hypervolume"] == pytest.approx(expected, abs=1e-12)
    assert result["over_polyline"] == pytest.approx(1 - under_polyline(unit(points, points)), abs=1e-5)
    assert result["morl"] == {"hypervolume": None, "dominated_share": None}
    assert result["reasons"]["morl.hypervolume"] == "there is no MORL point"


@pytest.mark.parametrize(
    "rewards",
    [
        ("cider", "bleu_1", "bleu_4", "rouge_l", "spice", "meteor"),
        ("cider", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "spice", "meteor"),
    ],
    ids=len,
)
def test_many_published_rewards_at_once(published, rewards):
    scores, raw = published("captioning", rewards, {"bleu1": "bleu_1", "rouge": "rouge_l"})
    points = np.array([[point["rewards"][reward] for reward in rewards] for point in raw["soups"]])
    result = front(scores=scores)
    expected = moocore.hypervolume(unit(points, points), ref=np.zeros(len(rewards)), maximise=True)
    assert result["hypervolume"] == pytest.approx(expected, abs=1e-12)
    assert result["over_polyline"] is None
    assert "two rewards" in result["reasons"]["over_polyline"]
    assert set(result["connectivity"]) == set(rewards)


def test_box_takes_soups_experts_and_morl_but_never_init(typed):
    scores = typed(
        {"a": "max", "b": "min"},
        soup(1, 5),
        soup(2, 7, kind="expert"),
        soup(0, 9, kind="morl"),
        soup(-9, 99, kind="init"),
    )
    result = front(scores=scores)
    assert result["box"] == {"nadir": {"a": 0.0, "b": -9.0}, "ideal": {"a": 2.0, "b": -5.0}}
    # in the box: (0.5, 1) and (1, 0.5); the MORL point is the nadir
    assert result["hypervolume"] == 0.75
    assert result["over_polyline"] == pytest.approx(0.125)
    assert result["front"] == [0, 1]
    assert result["morl"] == {"hypervolume": 0.0, "dominated_share": 1.0}
    assert result["points"] == {"soup": 1, "expert": 1, "init": 1, "morl": 1, "ensemble": 0}


def test_an_equal_soup_does_not_dominate_but_covers(typed):
    scores = typed({"a": "max", "b": "max"}, soup(1, 2), soup(2, 1), soup(1, 2, kind="morl"))
    assert front(scores=scores)["morl"]["dominated_share"] == 0.0
    front(scores=scores, require=["coverage"])


def test_only_soups_dominate_morl_points_while_experts_cover_too(typed):
    scores = typed({"a": "max", "b": "max"}, soup(0, 9), soup(3, 3, kind="expert"), soup(2, 2, kind="morl"))
    assert front(scores=scores)["morl"]["dominated_share"] == 0.0
    front(scores=scores, require=["coverage"])


def test_ties_are_all_listed(typed):
    assert front(scores=typed({"a": "max", "b": "max"}, soup(1, 2), soup(1, 2), soup(2, 1)))["front"] == [0, 1, 2]


def test_points_that_lack_a_reward_take_no_part(typed):
    scores = typed(
        {"a": "max", "b": "max"},
        soup(1, 2),
        soup(2, 1),
        {"kind": "soup", "rewards": {"a": 99}},
        {"kind": "morl", "rewards": {"b": 99}},
        {"kind": "init", "rewards": {}},
    )
    result = front(scores=scores)
    assert result["box"]["ideal"] == {"a": 2.0, "b": 2.0}
    assert result["front"] == [0, 1]
    assert result["notes"] == ["left out of front and box, for want of a reward: points 2, 3"]
    assert result["reasons"]["morl.hypervolume"] == "no MORL point has every reward measured"


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([], "no soup, expert or MORL point"),
        ([soup(1, 1, kind="init")], "no soup, expert or MORL point"),
        ([soup(1, 1)], "every point has the same a, b"),
        ([soup(1, 1), soup(1, 2)], "every point has the same a,"),
        ([soup(1, 1, kind="morl"), soup(2, 2, kind="morl")], "no soup or expert has every reward"),
    ],
)
def test_what_has_no_volume_says_why(typed, points, why):
    result = front(scores=typed({"a": "max", "b": "max"}, *points))
    assert (result["hypervolume"], result["over_staircase"], result["over_polyline"]) == (None, None, None)
    for figure in ("hypervolume", "over_staircase", "over_polyline"):
        assert result["reasons"][figure].startswith(why)
    assert any(why in line for line in lines(result))


def test_one_reward_alone(typed):
    points = [{"kind": "soup", "rewards": {"a": value}} for value in (1, 3, 2)]
    result = front(scores=typed({"a": "max"}, *points))
    assert (result["hypervolume"], result["front"], result["over_polyline"]) == (1.0, [1], None)


def test_a_file_on_disk(tmp_path, noisy):
    path = tmp_path / "scores.json"
    path.write_bytes(noisy.to_bytes())
    assert front(scores=path) == front(scores=noisy)
    assert front(scores=str(path)) == front(scores=noisy)
    with pytest.raises(NotFound):
        front(scores=tmp_path / "none.json")


def test_words_for_a_front_that_a_morl_run_escapes(noisy):
    said = "\n".join(lines(front(scores=noisy)))
    assert "recall: 0.515 (worst) to 0.848 (best); higher is better" in said
    assert "front: 9 of 9 soup and expert points dominated by no other" in said
    assert "hypervolume: 0.6337 of the box (1 is best); over the staircase 0.3663, over the polyline 0.2980" in said
    assert "connectivity of precision: holds at every soup" in said
    assert "MORL: soups dominate none of 1 point" in said


@pytest.fixture
def sagging(typed):
    """A front whose middle sags below the line between its experts in the reward that is to be minimised."""

    def score(mean):
        return {"mean": mean, "stderr": 0.05, "n": 10}

    return typed(
        {"a": "max", "b": "min"},
        soup(0, score(1), "expert", {"x": 1}),
        soup(1, score(3), "expert", {"y": 1}),
        soup(0.5, score(1.8), "soup", {"x": 0.5, "y": 0.5}),
        soup(0.8, score(3.25), "soup", {"x": 0.25, "y": 0.75}),
    )


def test_words_where_the_first_hypothesis_fails(sagging):
    result = front(scores=sagging)
    assert result["connectivity"]["b"] == {
        "worst_margin": pytest.approx(-0.75),
        "at": {"x": 0.25, "y": 0.75},
        "share_holding": 0.5,
    }
    said = lines(result)
    assert "b: 3.25 (worst) to 1 (best); lower is better" in said
    fails = next(line for line in said if "connectivity of b" in line)
    assert "FAILS" in fails
    assert "50%" in fails
    assert "0.75 worse" in fails
    assert "x=0.25, y=0.75" in fails
    assert any("beyond two of them" in line for line in said)


def test_requirements(sagging, noisy, typed):
    with pytest.raises(Incompatible, match="connectivity of b: FAILS") as caught:
        front(scores=sagging, require=["connectivity"])
    assert caught.value.verdicts[0]["reasons"][0]["code"] == "connectivity"
    with pytest.raises(Incompatible, match="coverage is not shown"):
        front(scores=sagging, require=["coverage"])
    with pytest.raises(Incompatible, match="1 of 1 MORL points are matched by no soup or expert: point 9"):
        front(scores=noisy, require=["connectivity", "coverage"])
    with pytest.raises(Incompatible, match="connectivity of a is not shown"):
        front(scores=typed({"a": "max", "b": "max"}, soup(1, 2), soup(2, 1)), require=["connectivity"])
    with pytest.raises(InvalidInput, match="did you mean 'coverage'"):
        front(scores=noisy, require=["covrage"])


def test_everything_is_json(noisy, sagging):
    for scores in (noisy, sagging):
        json.dumps(front(scores=scores), allow_nan=False)


def test_ensembles_are_counted_too(typed):
    scores = typed({"a": "max", "b": "max"}, soup(1, 2), soup(2, 2, kind="ensemble"), soup(3, 1, kind="ensemble"))
    counted = front(scores=scores)["points"]
    assert counted == {"soup": 1, "expert": 0, "init": 0, "morl": 0, "ensemble": 2}
    assert sum(counted.values()) == len(scores.points)


def test_a_reference_brings_the_checks_that_stand_on_it(typed):
    scores = typed({"a": "max", "b": "max"}, soup(1, 2), soup(2, 1))
    other = typed({"a": "max", "b": "max"}, soup(1, 2), soup(3, 3))
    assert "checks" not in front(scores=scores)
    found = front(scores=scores, reference=other)["checks"]["coverage"]
    assert (found["against"], found["points"], found["escaping"]) == ("the reference", 2, [1])


@pytest.mark.parametrize(("error", "said"), [(0.505, "beyond"), (0.515, "within")])
def test_a_worst_margin_is_beyond_its_error_where_every_other_difference_is(typed, error, said):
    # 1 / 1.96 = 0.5102
    scores = typed(
        {"a": "max"},
        {"kind": "expert", "coefficients": {"x": 1.0}, "rewards": {"a": {"mean": 1.0, "stderr": 0.0}}},
        {"kind": "expert", "coefficients": {"y": 1.0}, "rewards": {"a": {"mean": 1.0, "stderr": 0.0}}},
        {"kind": "soup", "coefficients": {"x": 0.5, "y": 0.5}, "rewards": {"a": {"mean": 0.0, "stderr": error}}},
    )
    (note,) = front(scores=scores)["notes"]
    assert note.endswith(f"{said} two of them")
