"""``select``: close to the best of a fine grid with few evaluations, honest about what it does not know."""

import json
import math

import numpy as np
import pytest

import rshub
from rshub.errors import Incompatible, InvalidInput, NotFound, RshubError
from rshub.evaluation.selection.select import select
from rshub.preferences.scores import Point, RewardScore, Scores

CONTRACT = {"coefficients", "predicted", "measured", "r2", "mapping"}
RAW = {"a": 0.5, "b": 0.02, "c": 0.48}
TEXT = "a=0.5, b=0.02, c=0.48"


def test_it_comes_close_to_the_best_of_a_fine_grid(kitchen3):
    found = select(TEXT, scores=kitchen3.scores(), measure=kitchen3.taste, budget=6, units="raw")
    assert len(kitchen3.asked) == 6
    assert kitchen3.regret(found.coefficients, RAW) < 0.005
    assert found.mapping == "surrogate"
    assert found.measured is not None
    for name, (mean, error) in found.predicted.items():
        assert found.measured[name].mean == pytest.approx(mean, abs=3 * error + 1e-3 * abs(mean))
    assert found.regret.low >= 0
    assert found.spent.new == 6


@pytest.mark.parametrize("direction", ["max", "min"])
def test_the_contract(kitchen3, direction):
    kitchen3.direction = direction
    found = select(TEXT, scores=kitchen3.scores(), measure=kitchen3.taste, budget=5, units="raw")
    value = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert set(value) >= CONTRACT
    assert set(value["coefficients"]) == {"a", "b", "c"}
    assert math.fsum(value["coefficients"].values()) == pytest.approx(1.0, abs=1e-9)
    assert set(value["predicted"]) == set(value["measured"]) == set(value["r2"]) == {"a", "b", "c"}
    assert (value["measured"]["b"] < 0) == (direction == "max")
    assert kitchen3.regret(value["coefficients"], RAW) < 0.01


def test_new_preferences_cost_nothing_after_the_first_fit(kitchen3, tmp_path):
    out = tmp_path / "scores.json"
    select(TEXT, scores=kitchen3.scores(), measure=kitchen3.taste, budget=8, units="raw", out=out)
    stored = out.read_bytes()
    for factors in ({"a": 0.9, "b": 0.01, "c": 0.09}, {"a": 0.2, "b": 0.05, "c": 0.75}):
        text = ", ".join(f"{name}={value}" for name, value in factors.items())
        found = select(text, scores=out, units="raw")
        assert kitchen3.regret(found.coefficients, factors) < 0.01
        assert found.spent.new == 0
        if found.measured is None:
            assert "measured" in found.reasons
    assert out.read_bytes() == stored


def test_two_experts_are_met_by_an_even_grid_and_the_best_of_it_is_chosen(kitchen2):
    found = select("a=0.45, b=0.55", scores=kitchen2.scores(), measure=kitchen2.taste, budget=4)
    shares = [asked.get("b", 0.0) for asked in kitchen2.asked]
    assert shares == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert found.mapping == "measured"
    own = {name: kitchen2.rewards(np.eye(2))[:, number] for number, name in enumerate("ab")}
    factors = {name: mu / np.ptp(own[name]) for name, mu in (("a", 0.45), ("b", 0.55))}
    best = min([0.0, *shares, 1.0], key=lambda share: kitchen2.regret({"a": 1 - share, "b": share}, factors))
    assert found.coefficients["b"] == pytest.approx(best)


def test_experts_that_were_not_measured_come_first_and_count(kitchen3):
    nothing = Scores(rewards=dict.fromkeys("abc", "max"), points=())
    select("a=0.2, b=0.5, c=0.3", scores=nothing, experts="abc", measure=kitchen3.taste, budget=5)
    assert kitchen3.asked[:3] == [{"b": 1.0}, {"c": 1.0}, {"a": 1.0}]
    assert len(kitchen3.asked) == 5
    assert kitchen3.asked[3] == pytest.approx(dict.fromkeys("abc", 1 / 3), abs=1e-5)


def test_the_same_evaluations_lead_to_the_same_next_one(kitchen3):
    for _ in range(2):
        select(TEXT, scores=kitchen3.scores(), measure=kitchen3.taste, budget=5, units="raw")
    assert kitchen3.asked[:5] == kitchen3.asked[5:]


def test_without_a_soup_the_payoffs_decide_and_no_evaluation_is_made(kitchen3):
    scores = kitchen3.scores()
    found = select("a=0.2, b=0.5, c=0.3", scores=scores)
    table = kitchen3.rewards(np.eye(3))
    weights = []
    for own, mu in enumerate((0.2, 0.5, 0.3)):
        others = np.delete(table[:, own], own)
        weights.append(mu * (table[own, own] - others.mean()) / (table[own, own] - others.min()))
    assert found.mapping == "payoff"
    assert list(found.coefficients.values()) == pytest.approx(np.array(weights) / sum(weights), abs=1e-9)
    assert found.measured is None
    assert found.r2 == {"a": None, "b": None, "c": None}
    assert "r2.a" in found.reasons
    assert "no soup was measured" in found.remarks[0]


@pytest.mark.parametrize(("mapping", "expected"), [("identity", {"a": 0.5, "b": 0.02, "c": 0.48}), ("payoff", None)])
def test_other_mappings_go_by_their_rule_and_are_measured_once(kitchen3, mapping, expected):
    found = select(TEXT, scores=kitchen3.scores(), measure=kitchen3.taste, budget=4, mapping=mapping, units="raw")
    assert found.mapping == mapping
    assert len(kitchen3.asked) == 1
    assert kitchen3.asked[0] == pytest.approx({name: value for name, value in found.coefficients.items() if value})
    assert found.measured is not None
    if expected:
        assert found.coefficients == pytest.approx(expected)


def test_an_s_is_seen_and_random_points_and_experts_are_fallen_back_to(kitchen3):
    mu = {"a": 0.4, "b": 0.35, "c": 0.25}

    def steep(coefficients):
        shares = np.array([coefficients.get(name, 0.0) for name in "abc"])
        values = 1 / (1 + np.exp(-80 * (shares - 0.45)))
        scored = {name: RewardScore(mean=float(value)) for name, value in zip("abc", values, strict=True)}
        return Point(kind="soup", coefficients=dict(coefficients), rewards=scored)

    def taste(coefficients):
        kitchen3.asked.append(dict(coefficients))
        return steep(coefficients)

    stored = Scores(rewards=dict.fromkeys("abc", "max"), points=tuple(steep({name: 1.0}) for name in "abc"))
    found = select("a=0.4, b=0.35, c=0.25", scores=stored, measure=taste, budget=14)
    assert found.misfit
    assert min(found.r2[name] for name in found.misfit) < 0.8
    assert found.mapping == "measured"
    assert found.regret is None
    assert "can be trusted" in found.reasons["regret"]
    assert any("MISFIT" in remark for remark in found.remarks)
    tried = [*({name: 1.0} for name in "abc"), *kitchen3.asked]
    best = max(tried, key=lambda at: sum(mu[name] * steep(at).rewards[name].mean for name in "abc"))
    assert {name: value for name, value in found.coefficients.items() if value} == pytest.approx(best)


def test_among_equals_the_choice_is_the_simplest(written):
    """Two S-curves whose sum is flat: nothing is gained by mixing."""
    points = []
    for share in np.linspace(0, 1, 11):
        value = float(1 / (1 + np.exp(-25 * (share - 0.5))))
        points.append(
            {
                "kind": "soup",
                "coefficients": {"a": 1 - float(share), "b": float(share)},
                "rewards": {"a": 1 - value, "b": value},
            }
        )
    found = select("a=0.5, b=0.5", scores=written(points, {"a": "max", "b": "max"}))
    assert set(found.misfit) == {"a", "b"}
    assert sorted(found.coefficients.values()) == [0.0, 1.0]
    assert [rival.verdict for rival in found.rivals] == ["tie"]


def test_any_scored_reward_may_be_wanted_also_one_that_nobody_was_trained_for(written):
    share = np.linspace(0, 1, 6)
    points = [
        {
            "kind": "soup",
            "coefficients": {"a": 1 - t, "b": t},
            "rewards": {"a": 1 - t**2, "b": 1 - (1 - t) ** 2, "mid": -((t - 0.35) ** 2)},
        }
        for t in share.tolist()
    ]
    path = written(points, {"a": "max", "b": "max", "mid": "max"})
    found = select("mid=1", scores=path)
    assert found.coefficients["b"] == pytest.approx(0.35, abs=0.03)
    assert set(found.predicted) == {"a", "b", "mid"}


def test_bounds_are_kept(kitchen3, tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"schema": "rshub.policy/1", "bounds": {"c": {"min": 0.3}, "a": {"max": 0.2}}}))
    found = select(TEXT, scores=kitchen3.scores(), measure=kitchen3.taste, budget=6, units="raw", policy=policy)
    assert len(kitchen3.asked) == 6
    for asked in [*kitchen3.asked, found.coefficients]:
        assert asked.get("c", 0.0) >= 0.3 - 1e-6
        assert asked.get("a", 0.0) <= 0.2 + 1e-6
    grid = [(i / 50, 1 - i / 50 - j / 50, j / 50) for i in range(11) for j in range(15, 51 - i)]
    best = max(kitchen3.rewards(at)[0] @ [0.5, 0.02, 0.48] for at in grid)
    got = kitchen3.rewards(list(found.coefficients.values()))[0] @ [0.5, 0.02, 0.48]
    assert got >= best - 0.02
    none = tmp_path / "none.json"
    none.write_text(json.dumps({"schema": "rshub.policy/1", "bounds": {name: {"max": 0.2} for name in "abc"}}))
    with pytest.raises(Incompatible, match="leave no soup"):
        select(TEXT, scores=kitchen3.scores(), measure=kitchen3.taste, budget=6, units="raw", policy=none)
    with pytest.raises(Incompatible, match="forbid what identity gives"):
        select(TEXT, scores=kitchen3.scores(), mapping="identity", policy=policy)


def test_bounds_narrow_the_grid_of_two(kitchen2, tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"schema": "rshub.policy/1", "bounds": {"b": {"min": 0.5}}}))
    select("a=0.9, b=0.1", scores=kitchen2.scores(), measure=kitchen2.taste, budget=3, policy=policy)
    assert [asked["b"] for asked in kitchen2.asked] == pytest.approx([0.5, 2 / 3, 5 / 6], abs=1e-5)


def test_a_share_of_the_start_stays_with_the_start(kitchen2):
    """The start counts as a corner of its own: here its rewards are those of no expert at all."""

    def taste(coefficients):
        kitchen2.asked.append(dict(coefficients))
        shares = np.array([coefficients.get(name, 0.0) for name in "ab"])
        values = kitchen2.rewards(shares)[0]
        return Point(
            kind="soup",
            coefficients=dict(coefficients),
            rewards={name: RewardScore(mean=float(value)) for name, value in zip("ab", values, strict=True)},
        )

    found = select("a=0.4, b=0.4, init=0.2", scores=kitchen2.scores(), measure=taste, budget=6)
    assert found.coefficients["init"] == pytest.approx(0.2)
    assert math.fsum(found.coefficients.values()) == pytest.approx(1.0)
    assert kitchen2.asked[0] == {"init": 1.0}
    for asked in kitchen2.asked[1:]:
        assert asked["init"] == pytest.approx(0.2)


def test_one_expert_is_the_only_choice(kitchen2):
    scores = kitchen2.scores()
    found = select("a=0.3, b=0.7", scores=scores, experts=["a"])
    assert found.coefficients == {"a": 1.0}
    assert found.measured["b"].mean == scores.points[0].rewards["b"].mean


def test_one_point_alone_is_the_answer_with_its_reasons(written):
    path = written(
        [{"kind": "soup", "coefficients": {"a": 0.5, "b": 0.5}, "rewards": {"a": 1.0}}], {"a": "max", "b": "max"}
    )
    found = select("a=1", scores=path, units="raw")
    assert math.fsum(found.coefficients.values()) == pytest.approx(1.0)
    json.dumps(found.to_json(), allow_nan=False)
    with pytest.raises(InvalidInput, match="no normalised unit"):
        select("a=1", scores=path)
    with pytest.raises(InvalidInput, match="was measured on b"):
        select("b=1", scores=path, units="raw")


def test_missing_cells_are_measured_or_borne(kitchen3):
    scores = kitchen3.scores()
    lame = Point(kind="expert", coefficients={"b": 1.0}, rewards={"a": scores.points[1].rewards["a"]})
    known = Scores(rewards=scores.rewards, points=(scores.points[0], lame, scores.points[2]))
    select(TEXT, scores=known, measure=kitchen3.taste, budget=1, units="raw")
    assert kitchen3.asked == [{"b": 1.0}]
    found = select(TEXT, scores=known, units="raw")
    assert "payoffs alone do not tell" in found.remarks[0]
    assert "no b of the expert for b" in found.remarks[0]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, InvalidInput, "nothing to choose from"),
        ({"scores": "missing.json"}, NotFound, "missing.json"),
        ({"base": "org/base"}, InvalidInput, "EXPERT..., --reward, --prompts"),
        ({"units": "metric"}, InvalidInput, "no units 'metric'"),
        ({"mapping": "magic"}, InvalidInput, "no mapping 'magic'"),
    ],
)
def test_what_cannot_be_done_is_refused(options, error, said):
    with pytest.raises(error, match=said):
        select("a=1", **options)


@pytest.mark.parametrize(
    ("preference", "said"),
    [
        ("init=1", "nothing is wanted but the start"),
        ("org/a=1", "is no reward"),
        ("a=0.5, d=0.5", "d is not among the scores"),
        ("a=0.5", "sum to 0.5"),
    ],
)
def test_preferences_that_make_no_sense_are_refused(kitchen2, preference, said):
    with pytest.raises(InvalidInput, match=said):
        select(preference, scores=kitchen2.scores())


def test_what_is_misspelt_is_refused_before_anything_is_measured(kitchen2):
    nothing = Scores(rewards=dict.fromkeys("ab", "max"), points=())
    with pytest.raises(InvalidInput, match="not among the scores"):
        select("aa=0.5, b=0.5", scores=nothing, experts="ab", measure=kitchen2.taste, budget=3)
    assert kitchen2.asked == []
    with pytest.raises(InvalidInput, match="no soup of 'aa' is among the scores"):
        select("a=0.5, b=0.5", scores=kitchen2.scores(), experts=["aa", "b"])


def test_a_budget_without_anything_to_measure_is_refused(kitchen2):
    with pytest.raises(InvalidInput, match="nothing to measure new soups with"):
        select("a=0.5, b=0.5", scores=kitchen2.scores(), budget=3)


def test_a_measurement_without_a_wanted_reward_is_an_error(kitchen2):
    def half(coefficients):
        point = kitchen2.taste(coefficients)
        return Point(kind="soup", coefficients=point.coefficients, rewards={"a": point.rewards["a"]})

    with pytest.raises(RshubError, match="says nothing of b"):
        select("a=0.5, b=0.5", scores=kitchen2.scores(), measure=half, budget=3)


def test_people_read_lines(kitchen3):
    found = select(TEXT, scores=kitchen3.scores(), measure=kitchen3.taste, budget=5, units="raw")
    text = "\n".join(found.lines())
    for said in ("chosen", "regret", "predicted", "measured", "expert a", "5 new evaluations"):
        assert said in text


def test_the_public_door_is_this_function():
    assert rshub.select is select


def test_what_only_others_were_measured_on_is_compared_with_nothing(kitchen2, written):
    points = [point.to_json() for point in kitchen2.scores((1, 0), (0.5, 0.5), (0, 1)).points]
    for point in points:
        del point["rewards"]["b"]
    points += [{"kind": kind, "rewards": {"a": 1.0, "b": 2.0}} for kind in ("morl", "init")]
    scores = written(points, dict.fromkeys("ab", "max"))
    found = select("a=0.5, b=0.5", scores=scores, mapping="identity", units="raw")
    assert found.rivals == []
    assert found.reasons["rivals"] == "no soup of these experts was measured on b"
    json.dumps(found.to_json(), allow_nan=False)
    assert any("not compared" in line for line in found.lines())


def test_stored_soups_of_other_experts_are_counted(kitchen3):
    scores = kitchen3.scores((1, 0, 0), (0, 1, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0, 1))
    some, all_of_them = (
        [remark for remark in select("a=1", scores=scores, experts=names, units="raw").remarks if "count" in remark]
        for names in (["a", "b"], [])
    )
    assert some == ["2 of 5 evaluations are no soups of a, b and did not count"]
    assert all_of_them == []


@pytest.mark.parametrize("most", [(0.1, 0.1, 0.85), (0.2, 0.3, 0.5), (0.5, 0.3, 0.2), (0.05, 0.05, 0.91)])
def test_a_policy_that_barely_leaves_a_soup_is_met(kitchen3, tmp_path, most):
    policy = tmp_path / "policy.json"
    bounds = {name: {"max": share} for name, share in zip("abc", most, strict=True)}
    policy.write_text(json.dumps({"schema": "rshub.policy/1", "bounds": bounds}))
    rows = [(i / 4, j / 4, 1 - i / 4 - j / 4) for i in range(5) for j in range(5 - i)]
    found = select(TEXT, scores=kitchen3.scores(*rows), units="raw", policy=policy)
    shares = np.array([found.coefficients.get(name, 0.0) for name in "abc"])
    assert (shares <= np.array(most) + 1e-9).all()
    grid = [(i / 200, j / 200, 1 - i / 200 - j / 200) for i in range(201) for j in range(201 - i)]
    inside = [at for at in grid if all(share <= end + 1e-9 for share, end in zip(at, most, strict=True))]
    best = max(kitchen3.rewards(at)[0] @ [0.5, 0.02, 0.48] for at in inside)
    assert kitchen3.rewards(shares)[0] @ [0.5, 0.02, 0.48] >= best - 0.005


def test_soups_whose_coefficients_do_not_sum_to_one_are_told(kitchen2):
    found = select("a=0.5, b=0.5", scores=kitchen2.scores((1, 0), (0, 1), (0.5, 0.5), (0.33, 0.66)))
    assert "left out of the selection, 1 soup, whose coefficients do not sum to 1: point 3" in found.remarks


def test_an_expert_that_no_soup_beats_is_named():
    spoiled = [("expert", {"a": 1.0}, 1.0), ("expert", {"b": 1.0}, 0.0), ("soup", {"a": 0.5, "b": 0.5}, 0.1)]
    points = tuple(
        Point(kind=kind, coefficients=shares, rewards={"a": RewardScore(mean=value), "b": RewardScore(mean=-value)})
        for kind, shares, value in spoiled
    )
    found = select("a=0.9, b=0.1", scores=Scores(rewards={"a": "max", "b": "max"}, points=points), units="raw")
    assert found.coefficients == {"a": 1.0, "b": 0.0}
    assert any(remark.startswith("a alone: ") for remark in found.remarks)
