"""The quadratic of stored evaluations: exact where rewards are quadratic, honest where they are not."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rshub.errors import InvalidInput
from rshub.preferences.mapping import Known, alternatives, map_preference
from rshub.preferences.scores import Point, RewardScore, Scores
from rshub.preferences.surrogate import fit_surrogate

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "data" / "published_fronts"


def measured(reward, rows, names="ab", *, direction="max", stderr=None):
    """Evaluate a function of lambda at rows of shares; it gives one value for each column of ``reward``."""
    columns = list(reward(np.eye(len(names))[0]))
    points = []
    for row in rows:
        values = {name: float(value) for name, value in reward(np.array(row, dtype=float)).items()}
        scored = values if stderr is None else {n: {"mean": v, "stderr": stderr} for n, v in values.items()}
        points.append(
            {"kind": "soup", "coefficients": dict(zip(names, map(float, row), strict=True)), "rewards": scored}
        )
    document = {"rewards": {name: {"direction": direction} for name in columns}, "points": points}
    return Scores.parse(json.dumps(document).encode())


def line(*shares):
    return [(1.0, 0.0), (0.0, 1.0), *((1 - share, share) for share in shares)]


def bowl(row):
    """Two rewards with one optimum each, and a third that nobody was trained for, best in between."""
    t = row[1]
    return {"a": 1 - t**2, "b": 10 * (1 - (1 - t) ** 2), "mid": -((t - 0.3) ** 2)}


def triangle(row):
    x, y, z = row
    return {
        "a": 3 * x + y + 2 * x * y + 0.5 * x * z,
        "b": 2 * y - z + x * y + 1.5 * y * z,
        "c": z + 0.25 * x * z - 0.75 * y * z,
    }


TRIANGLE = [
    *np.eye(3), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5), (1 / 3, 1 / 3, 1 / 3), (0.6, 0.2, 0.2), (0.2, 0.2, 0.6),
]  # fmt: skip


def test_a_quadratic_is_learned_and_its_optimum_found():
    scores = measured(bowl, line(0.2, 0.5, 0.8))
    surrogate = fit_surrogate(scores, experts="ab", rewards=["a", "b", "mid"])
    for share in np.linspace(0, 1, 11):
        found = surrogate.predict({"a": 1 - share, "b": share})
        for name, value in bowl(np.array([1 - share, share])).items():
            assert found[name][0] == pytest.approx(value, abs=0.005 * 10)
            assert found[name][1] >= 0.0
    assert min(fit.r2 for fit in surrogate.fits.values()) > 0.99
    mapped = map_preference({"mid": 1.0}, mapping="surrogate", known=Known(evaluations=scores, experts=("a", "b")))
    assert mapped.coefficients == pytest.approx({"a": 0.7, "b": 0.3}, abs=0.005)
    assert "predicts mid" in mapped.remark


@pytest.mark.parametrize("mu", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("units", ["raw", "normalised"])
def test_units_decide_what_the_numbers_of_a_preference_mean(mu, units):
    known = Known(evaluations=measured(bowl, line(0.1, 0.3, 0.5, 0.7, 0.9)))
    found = map_preference({"a": 1 - mu, "b": mu}, mapping="surrogate", units=units, known=known).coefficients
    share = np.linspace(0, 1, 100_001)
    values = bowl(np.stack([1 - share, share]))
    wish = (1 - mu) * values["a"] + mu * values["b"] / (10.0 if units == "normalised" else 1.0)
    assert found["b"] == pytest.approx(share[wish.argmax()], abs=0.01)


def test_three_experts_and_a_dislike():
    known = Known(evaluations=measured(triangle, TRIANGLE, "abc"), experts=("a", "b", "c"))
    grid = np.array([(i, j, 60 - i - j) for i in range(61) for j in range(61 - i)]) / 60
    for mu in ({"a": 0.2, "b": 0.3, "c": 0.5}, {"b": 1.0}, {"a": 0.9, "c": -0.4, "b": 0.5}):
        found = map_preference(mu, mapping="surrogate", units="raw", known=known)
        values = triangle(grid.T)
        wish = sum(value * values[name] for name, value in mu.items())
        here = triangle(np.array([found.coefficients[name] for name in "abc"]))
        assert sum(value * here[name] for name, value in mu.items()) >= wish.max() - 0.02
        assert sum(found.coefficients.values()) == pytest.approx(1.0, abs=1e-12)
        assert set(found.predicted) == set(mu)


def test_min_rewards_are_wanted_low_and_predicted_as_they_are():
    scores = measured(
        lambda row: {name: -value for name, value in bowl(row).items()}, line(0.2, 0.5, 0.8), direction="min"
    )
    known = Known(evaluations=scores, experts=("a", "b"))
    mapped = map_preference({"mid": 1.0}, mapping="surrogate", known=known)
    assert mapped.coefficients["b"] == pytest.approx(0.3, abs=0.005)
    assert mapped.predicted["mid"][0] == pytest.approx(0.0, abs=0.005)


def test_noise_widens_predictions_and_is_not_followed():
    generator = np.random.default_rng(4)
    shares = np.linspace(0.05, 0.95, 19)

    def noisy(row):
        return {"a": 1 - row[1] ** 2 + generator.normal(scale=0.05)}

    quiet = fit_surrogate(measured(lambda row: {"a": 1 - row[1] ** 2}, line(*shares)), experts="ab", rewards=["a"])
    loud = fit_surrogate(measured(noisy, line(*shares), stderr=0.05), experts="ab", rewards=["a"])
    assert loud.predict({"a": 0.5, "b": 0.5})["a"][0] == pytest.approx(0.75, abs=0.04)
    assert loud.predict({"a": 0.5, "b": 0.5})["a"][1] > 3 * quiet.predict({"a": 0.5, "b": 0.5})["a"][1]
    assert 0.8 < loud.fits["a"].r2 < quiet.fits["a"].r2


def test_leaving_out_by_formula_is_leaving_out_by_hand():
    """With the noise given by errors and no misfit worth speaking of, refit without each soup and predict it."""
    generator = np.random.default_rng(1)
    shares = (0.1, 0.25, 0.4, 0.6, 0.75, 0.9)

    def noisy(row):
        return {"a": row[0] + 0.8 * row[0] * row[1] + generator.normal(scale=0.1)}

    scores = measured(noisy, line(*shares), stderr=0.1)
    fit = fit_surrogate(scores, experts="ab", rewards=["a"]).fits["a"]
    values = scores.oriented()[:, 0]
    terms = np.array([[1 - s, s, s * (1 - s)] for s in (0, 1, *shares)])
    scale, centre = values.max() - values.min(), values[:2].mean()
    prior = np.array([values[0] - centre, values[1] - centre, 0.5 * abs(values[0] - values[1])]) / scale
    closest = np.inf
    for misfit in (0.003, 0.01, 0.03, 0.1, 0.3):
        noise = (0.1 / scale) ** 2 + misfit**2
        missed = []
        for out in range(2, 8):
            keep = np.arange(8) != out
            precision = np.eye(3) / 4.0 + terms[keep].T @ terms[keep] / noise
            seen = (values[keep] - centre) / scale - terms[keep] @ prior
            mean = prior + np.linalg.solve(precision, terms[keep].T @ seen / noise)
            missed.append((values[out] - centre) / scale - terms[out] @ mean)
        by_hand = 1 - np.mean(np.square(missed)) / np.var((values - centre) / scale)
        closest = min(closest, abs(by_hand - fit.r2))
    assert closest < 1e-9


def test_an_s_shaped_reward_is_a_misfit_and_the_best_stored_soup_is_taken():
    def step(row):
        return {"a": 1 / (1 + np.exp(40 * (row[1] - 0.5))), "b": row[1] ** 2}

    known = Known(evaluations=measured(step, line(*np.arange(0.1, 0.95, 0.1))))
    mu = {"a": 0.6, "b": 0.4}
    mapped = map_preference(mu, mapping="surrogate", known=known)
    assert mapped.fell_back
    assert mapped.r2["a"] < 0.8 < mapped.r2["b"]
    assert mapped.coefficients == pytest.approx({"a": 0.6, "b": 0.4})  # the last one before the step counts most
    assert mapped.predicted["a"] == (pytest.approx(step([0.6, 0.4])["a"]), None)
    assert "MISFIT" in mapped.remark
    assert "does not describe a " in mapped.remark
    assert alternatives(mu, known=known)["surrogate"] == {"reason": mapped.remark}


@pytest.fixture(scope="module")
def published():
    def load(name, rewards, experts):
        path = PUBLISHED / f"{name}.json"
        if not path.exists():
            pytest.skip(f"the published front {name} is not beside this checkout")
        points = [
            {
                "kind": "soup",
                "coefficients": {experts[key]: share for key, share in point["lambda"].items()},
                "rewards": {reward: point["rewards"][reward] for reward in rewards},
            }
            for point in json.loads(path.read_text())["soups"]
        ]
        document = {"rewards": {name: {"direction": "max"} for name in rewards}, "points": points}
        return Scores.parse(json.dumps(document).encode())

    return load


CAPTIONS = ("cider", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "spice", "meteor")


@pytest.mark.parametrize(
    ("name", "rewards", "experts"),
    [
        ("news_summary", ("R1", "R2"), {"R1": "R1", "R2": "R2"}),
        ("captioning", CAPTIONS, {"bleu1": "bleu_1", "rouge": "rouge_l"}),
    ],
)
def test_every_published_curve_is_described_and_predicted(published, name, rewards, experts):
    scores = published(name, rewards, experts)
    surrogate = fit_surrogate(scores, experts=list(experts.values()), rewards=rewards)
    shares = np.array([[point.coefficients[name] for name in surrogate.experts] for point in scores.points])
    terms = np.column_stack([shares, shares[:, 0] * shares[:, 1]])
    for reward, value in zip(rewards, scores.oriented().T, strict=True):
        least, *_ = np.linalg.lstsq(terms, value, rcond=None)
        plain = 1 - np.var(value - terms @ least) / np.var(value)
        assert 0.85 < surrogate.fits[reward].r2 <= plain + 0.02
        middle = surrogate.predict(dict.fromkeys(surrogate.experts, 0.5))[reward][0]
        assert middle == pytest.approx(least @ [0.5, 0.5, 0.25], abs=0.05 * np.ptp(value))


def test_a_published_metric_that_nobody_trained_for_peaks_between_the_experts(published):
    scores = published("captioning", CAPTIONS, {"bleu1": "bleu_1", "rouge": "rouge_l"})
    known = Known(evaluations=scores, experts=("bleu_1", "rouge_l"))
    mapped = map_preference({"cider": 1.0}, mapping="surrogate", known=known)
    best = max(scores.points, key=lambda point: point.rewards["cider"].mean)
    assert not mapped.fell_back
    assert mapped.coefficients["bleu_1"] == pytest.approx(best.coefficients["bleu_1"], abs=0.1)
    assert mapped.predicted["cider"][0] == pytest.approx(best.rewards["cider"].mean, abs=0.003)


def test_the_optimum_on_the_published_news_front_beats_lambda_equal_to_mu(published):
    scores = published("news_summary", ("R1", "R2"), {"R1": "R1", "R2": "R2"})
    table = scores.oriented()
    unit = (table - table[[0, -1]].min(axis=0)) / np.ptp(table[[0, -1]], axis=0)
    share = np.array([point.coefficients["R1"] for point in scores.points])
    regret = {"identity": [], "surrogate": []}
    for mu in np.linspace(0.05, 0.95, 19):
        wish = mu * unit[:, 0] + (1 - mu) * unit[:, 1]
        for mapping, lost in regret.items():
            found = map_preference(
                {"R1": mu, "R2": 1 - mu}, mapping=mapping, known=Known(evaluations=scores)
            ).coefficients
            lost.append(wish.max() - np.interp(found["R1"], share, wish))
    assert np.mean(regret["surrogate"]) < 0.75 * np.mean(regret["identity"])


@pytest.mark.parametrize(
    ("rows", "rewards", "why"),
    [
        (line(0.5), ["a"], "1 soup of a, b with a measured is too few: it takes 2"),
        (line(), ["a"], "0 soups of a, b"),
        (line(0.5, 0.6), ["z"], "z is not among the scores"),
        ([(1.0, 0.0), (0.4, 0.6), (0.5, 0.5)], ["a"], "the expert for b was not measured on a"),
    ],
)
def test_what_was_not_measured_is_refused_by_name(rows, rewards, why):
    with pytest.raises(InvalidInput, match=why) as caught:
        fit_surrogate(measured(bowl, rows), experts="ab", rewards=rewards)
    assert caught.value.remedy


def test_a_pair_without_a_soup_is_refused_by_name():
    rows = [*np.eye(3), *((1 - s, s, 0) for s in (0.2, 0.5, 0.8)), *((0, 1 - s, s) for s in (0.2, 0.5, 0.8))]
    with pytest.raises(InvalidInput, match="no soup of a and c has b measured"):
        fit_surrogate(measured(triangle, rows, "abc"), experts="abc", rewards=["b"])


def test_points_that_are_no_soups_of_these_experts_take_no_part():
    rows = [*line(0.2, 0.5, 0.8)]
    plain = measured(bowl, rows)
    strange = [
        {"kind": "morl", "coefficients": {"a": 0.5, "b": 0.5}},
        {"kind": "soup", "coefficients": {"a": 0.5, "b": 0.3, "init": 0.2}},
        {"kind": "soup", "coefficients": {"a": 0.5, "c": 0.5}},
        {"kind": "soup", "coefficients": {"a": 1.5, "b": -0.5}},
        {"kind": "soup", "coefficients": {"a": 0.5, "b": 0.6}},
        {"kind": "soup", "coefficients": {}},
        {"kind": "init"},
    ]
    document = plain.to_json()
    document["points"] += [point | {"rewards": {"a": 99.0, "b": -99.0}} for point in strange]
    more = Scores.parse(json.dumps(document).encode())
    first, second = (fit_surrogate(scores, experts="ab", rewards=["a", "b"]) for scores in (plain, more))
    assert first.predict({"a": 0.4, "b": 0.6}) == second.predict({"a": 0.4, "b": 0.6})
    assert len(second.evaluations) == 5


shares = st.sampled_from([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.5, 0.5, 0.0), (0.0, 0.3, 0.7),
                          (0.4, 0.0, 0.6), (0.2, 0.3, 0.5), (0.9, 0.1, 0.0), (1e-12, 1 - 1e-12, 0.0)])  # fmt: skip
numbers = st.one_of(st.integers(-2, 2).map(float), st.floats(-1e100, 1e100))
scored = st.builds(RewardScore, mean=numbers, stderr=st.none() | st.floats(0, 1e100))


@given(
    st.lists(st.tuples(shares, scored, scored), min_size=9, max_size=14),
    st.sampled_from(("raw", "normalised")),
    st.booleans(),
)
def test_no_table_breaks_the_mapping(rows, units, whole):
    if whole:
        rows += [(tuple(row), *rows[0][1:]) for row in np.eye(3)]
        rows += [(row, *rows[1][1:]) for row in ((0.5, 0.5, 0.0), (0.0, 0.3, 0.7), (0.4, 0.0, 0.6), (0.2, 0.3, 0.5))]
    points = tuple(
        Point(kind="soup", coefficients=dict(zip("abc", row, strict=True)), rewards={"a": first, "b": second})
        for row, first, second in rows
    )
    known = Known(evaluations=Scores(rewards={"a": "max", "b": "min"}, points=points), experts=("a", "b", "c"))
    try:
        mapped = map_preference({"a": 0.3, "b": 0.7}, mapping="surrogate", units=units, known=known)
    except InvalidInput:
        return
    assert sum(mapped.coefficients.values()) == pytest.approx(1.0, abs=1e-9)
    assert min(mapped.coefficients.values()) >= 0.0
    assert all(np.isfinite(value) for value, _ in mapped.predicted.values())
    assert all(np.isfinite(value) for value in mapped.r2.values())


@pytest.mark.parametrize(("spread", "error"), [(1e-300, 1e100), (5e-324, 1.0), (1.0, 1e100), (1e100, 1e100)])
def test_errors_beyond_all_measure_break_nothing(spread, error):
    scores = measured(lambda row: {"a": spread * row[0], "b": spread * row[1]}, line(0.2, 0.5, 0.9), stderr=error)
    known = Known(evaluations=scores)
    mapped = map_preference({"a": 0.5, "b": 0.5}, mapping="surrogate", units="raw", known=known)
    assert sum(mapped.coefficients.values()) == pytest.approx(1.0)
    assert all(np.isfinite(value) for value, _ in mapped.predicted.values())
    if spread < 1e-200:
        with pytest.raises(InvalidInput, match="no normalised unit"):
            map_preference({"a": 0.5, "b": 0.5}, mapping="surrogate", known=known)


def test_a_reward_that_never_changes_is_predicted_and_has_no_unit():
    scores = measured(lambda row: {"a": row[0], "flat": 2.0}, line(0.3, 0.6))
    known = Known(evaluations=scores, experts=("a", "b"))
    assert fit_surrogate(scores, experts="ab", rewards=["flat"]).predict({"a": 1.0})["flat"] == (2.0, 0.0)
    mapped = map_preference({"a": 0.5, "flat": 0.5}, mapping="surrogate", units="raw", known=known)
    assert mapped.coefficients == {"a": 1.0, "b": 0.0}
    with pytest.raises(InvalidInput, match="no expert is better on flat") as caught:
        map_preference({"a": 0.5, "flat": 0.5}, mapping="surrogate", known=known)
    assert caught.value.remedy == "use --units raw"


def test_what_the_surrogate_has_no_answer_for():
    known = Known(evaluations=measured(bowl, line(0.2, 0.5, 0.8)))
    with pytest.raises(InvalidInput, match="share of the start"):
        map_preference({"a": 0.5, "b": 0.3, "init": 0.2}, mapping="surrogate", known=known)
    with pytest.raises(InvalidInput, match="no expert is named"):
        map_preference({"mid": 1.0}, mapping="surrogate", known=Known(experts=()))
    assert map_preference({"a": 1.0}, mapping="surrogate").coefficients == {"a": 1.0}
    assert map_preference({"init": 1.0}, mapping="surrogate").coefficients == {"init": 1.0}
