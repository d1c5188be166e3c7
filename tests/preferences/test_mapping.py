"""From preference to coefficients: the paper's rule, the payoff rule by its definition, and every refusal by name."""

import numpy as np
import pytest

from rshub.errors import InvalidInput
from rshub.preferences.mapping import Known, alternatives, map_preference
from rshub.preferences.payoff import Payoff

# oriented payoffs of the fixture `three`: rows are experts, columns rewards (the last was to be minimised)
V = np.array([[10.0, 2.0, -5.0], [4.0, 8.0, -4.0], [1.0, 5.0, 3.0]])


def coefficients(mu, *, payoff=None, **options):
    return dict(map_preference(mu, known=Known(payoff=payoff), **options).coefficients)


def by_definition(mu, units):
    own = np.diag(V)
    span = own - V.min(axis=0)
    reach = own - (V.sum(axis=0) - own) / (len(V) - 1)
    weights = np.array(mu) * reach / (span if units == "normalised" else 1.0)
    return weights / weights.sum()


def test_identity_passes_everything_through():
    mu = {"a": 1.4, "b": -0.6, "init": 0.2}
    assert coefficients(mu) == mu
    assert coefficients(mu, units="raw") == mu


@pytest.mark.parametrize("units", ["normalised", "raw"])
def test_payoff_follows_its_definition(three, units):
    mu = {"a": 0.5, "b": 0.3, "c": 0.2}
    found = coefficients(mu, mapping="payoff", units=units, payoff=Payoff.from_scores(three))
    np.testing.assert_allclose(list(found.values()), by_definition([0.5, 0.3, 0.2], units), rtol=1e-14)
    assert list(found) == ["a", "b", "c"]


def test_payoff_of_two_rewards_in_raw_units_looks_at_these_two_alone(three):
    found = coefficients({"a": 0.5, "b": 0.5}, mapping="payoff", units="raw", payoff=Payoff.from_scores(three))
    assert found == pytest.approx({"a": 0.5, "b": 0.5})  # both gain 6 over the other
    found = coefficients({"a": 0.5, "c": 0.5}, mapping="payoff", units="raw", payoff=Payoff.from_scores(three))
    assert found == pytest.approx({"a": 9 / 17, "c": 8 / 17})


def test_payoff_of_two_rewards_in_normalised_units_is_the_identity_and_says_so(three):
    mu = {"a": 0.3, "c": 0.7}
    assert coefficients(mu, mapping="payoff", payoff=Payoff.from_scores(three)) == mu
    known = Known(payoff=Payoff.from_scores(three))

    def remark(mu, **options):
        return map_preference(mu, mapping="payoff", known=known, **options).remark

    assert "identity" in remark(mu)
    assert "identity" not in remark(mu, units="raw")
    assert "identity" not in remark({**mu, "b": 0.1})
    assert "identity" in remark({"a": 1.0, "b": 0.0, "init": 0.0}, units="raw")


def test_payoff_finds_the_best_of_quadratic_rewards():
    """On rewards that fall with the square of the distance to their expert, raw payoff is the optimum (two rewards)."""
    drop = {"a": 3.0, "b": 7.0}
    payoff = Payoff(cells={("a", "a"): 0.0, ("b", "b"): 0.0, ("b", "a"): -drop["a"], ("a", "b"): -drop["b"]})
    for wish in (0.1, 0.5, 0.8):
        found = coefficients({"a": 1 - wish, "b": wish}, mapping="payoff", units="raw", payoff=payoff)
        grid = np.linspace(0, 1, 200_001)
        value = -(1 - wish) * drop["a"] * grid**2 - wish * drop["b"] * (1 - grid) ** 2
        assert found["b"] == pytest.approx(grid[value.argmax()], abs=1e-5)


def test_payoff_keeps_sum_and_start(three):
    mu = {"a": 0.4, "b": 0.3, "c": 0.1, "init": 0.2}
    found = coefficients(mu, mapping="payoff", units="raw", payoff=Payoff.from_scores(three))
    assert found["init"] == 0.2
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-15)
    assert found["a"] / found["c"] == pytest.approx(
        by_definition([4, 3, 1], "raw")[0] / by_definition([4, 3, 1], "raw")[2]
    )


def test_a_reward_that_is_not_wanted_changes_nothing(three):
    payoff = Payoff.from_scores(three)
    wide = coefficients({"a": 0.6, "b": 0.0, "c": 0.4}, mapping="payoff", units="raw", payoff=payoff)
    assert wide["b"] == 0.0
    assert wide == pytest.approx(
        coefficients({"a": 0.6, "c": 0.4}, mapping="payoff", units="raw", payoff=payoff) | {"b": 0.0}
    )


def test_one_reward_needs_no_payoff():
    assert coefficients({"a": 1.0}, mapping="payoff", units="raw") == {"a": 1.0}


@pytest.mark.parametrize("units", ["normalised", "raw"])
def test_an_expert_that_gains_nothing_is_refused_by_name(units):
    flat = Payoff(cells={("a", "a"): 1.0, ("b", "a"): 1.0, ("a", "b"): 0.0, ("b", "b"): 2.0})
    with pytest.raises(InvalidInput, match="expert for a is no better on a than the worst"):
        coefficients({"a": 0.5, "b": 0.5}, mapping="payoff", units=units, payoff=flat)


def test_an_expert_below_the_average_of_the_others_is_refused_by_name(three):
    cells = dict(Payoff.from_scores(three).cells) | {("b", "a"): 50.0}
    with pytest.raises(InvalidInput, match="expert for a is no better on a than the average"):
        coefficients({"a": 0.5, "b": 0.3, "c": 0.2}, mapping="payoff", payoff=Payoff(cells=cells))


@pytest.mark.parametrize(
    ("mu", "options", "why"),
    [
        ({"a": 0.5, "b": 0.5}, {"mapping": "payoff"}, "no payoff matrix"),
        ({"a": 0.5, "z": 0.5}, {"mapping": "payoff", "three": True}, "no a of the expert for z"),
        ({"a": -0.5, "b": 1.5}, {"mapping": "payoff", "three": True}, "a is negative"),
        ({"a": 1.0}, {"mapping": "mixture"}, "expert for a does not say on which mixture"),
        ({"a": 0.5, "b": 0.5}, {"mapping": "surrogate"}, "no evaluations are known"),
        ({"a": 1.0}, {"mapping": "identiti"}, "did you mean 'identity'"),
        ({"a": 1.0}, {"units": "raww"}, "did you mean 'raw'"),
    ],
)
def test_what_cannot_be_mapped_is_refused(three, mu, options, why):
    payoff = Payoff.from_scores(three) if options.pop("three", False) else None
    with pytest.raises(InvalidInput, match=why) as caught:
        coefficients(mu, payoff=payoff, **options)
    assert caught.value.remedy


def test_alternatives_give_numbers_or_the_reason(three):
    mu = {"a": 0.5, "b": 0.3, "c": 0.2}
    known = Known(payoff=Payoff.from_scores(three))
    found = alternatives(mu, known=known)
    assert list(found) == ["payoff", "mixture", "surrogate"]
    assert found["payoff"]["a"] == pytest.approx(by_definition([0.5, 0.3, 0.2], "normalised")[0])
    assert "does not say" in found["mixture"]["reason"]
    assert "no evaluations" in found["surrogate"]["reason"]
    assert "no payoff matrix" in alternatives(mu)["payoff"]["reason"]
    assert alternatives(mu, used="payoff")["identity"] == mu


def test_a_reward_without_an_expert_is_for_the_surrogate_alone(three):
    known = Known(payoff=Payoff.from_scores(three), experts=("a", "b"))
    for mapping in ("identity", "payoff", "mixture"):
        with pytest.raises(InvalidInput, match=f"mapping {mapping}: c has no expert here"):
            map_preference({"a": 0.5, "c": 0.5}, mapping=mapping, known=known)
