"""Coefficients from training mixtures: the mixture of the soup is the one that was asked for."""

import numpy as np
import pytest

from rshub.errors import InvalidInput
from rshub.preferences.mapping import Known, alternatives, map_preference
from rshub.preferences.mixture import by_mixture

BONES = {
    "a": {"a": 0.7, "b": 0.2, "c": 0.1},
    "b": {"a": 0.1, "b": 0.8, "c": 0.1},
    "c": {"a": 0.15, "b": 0.15, "c": 0.7},
}


def test_the_mixture_of_the_soup_is_the_preference():
    mu = {"a": 0.4, "b": 0.35, "c": 0.25}
    found = by_mixture(mu, BONES)
    table = np.array([[BONES[name][reward] for reward in "abc"] for name in "abc"])
    np.testing.assert_allclose(np.array(list(found.values())) @ table, list(mu.values()), atol=1e-12)
    assert sum(found.values()) == pytest.approx(1.0)


def test_pure_experts_make_it_the_identity_exactly():
    mu = {"b": 0.3, "a": 0.7}
    assert by_mixture(mu, {"a": {"a": 1.0}, "b": {"b": 1.0, "c": 0.0}}) == mu


def test_an_expert_reproduces_its_own_mixture():
    assert by_mixture(BONES["b"], BONES) == pytest.approx({"a": 0.0, "b": 1.0, "c": 0.0}, abs=1e-12)


def test_a_reward_that_was_trained_downwards_counts_as_wanted_downwards():
    mixtures = {"safe": {"safe": 0.9, "length": -0.1}, "length": {"length": -1.0}}
    found = by_mixture({"safe": 0.45, "length": 0.55}, mixtures)
    assert found == pytest.approx({"safe": 0.5, "length": 0.5})
    opposed = {"safe": {"safe": 0.9, "length": 0.1}, "length": {"length": -1.0}}
    with pytest.raises(InvalidInput, match=r"would sum to 1 where 0\.9 is wanted"):
        by_mixture({"safe": 0.45, "length": 0.45}, opposed)
    found = by_mixture({"safe": 0.45, "length": 0.45}, opposed, extrapolate=True)
    assert found == pytest.approx({"safe": 0.5, "length": 0.5})


@pytest.mark.parametrize("scale", [100.0, 1e-12, 1e300, float("inf"), float("nan")])
def test_shares_that_do_not_sum_to_one_are_refused(scale):
    mixtures = {"a": {"a": 0.7 * scale, "b": 0.3 * scale}, "b": {"a": 0.3, "b": 0.7}}
    for extrapolate in (False, True):
        with pytest.raises(InvalidInput, match=r"the expert for a was trained on sum to \S+, not to 1"):
            by_mixture({"a": 0.5, "b": 0.5}, mixtures, extrapolate=extrapolate)


def test_small_wishes_are_no_rounding():
    mixtures = {"a": {"a": 0.8, "b": 0.2}, "b": {"a": 0.4, "b": 0.6}}
    # .8 x + .4 y = .5 and .2 x + .6 y = .5, in units of 1e-12
    found = by_mixture({"a": 0.5e-12, "b": 0.5e-12}, mixtures)
    assert found == pytest.approx({"a": 0.25e-12, "b": 0.75e-12}, rel=1e-9, abs=0.0)


def test_outside_the_mixtures_it_takes_permission():
    mu = {"a": 0.05, "b": 0.9, "c": 0.05}
    with pytest.raises(InvalidInput, match="lambda of a would be -"):
        by_mixture(mu, BONES)
    found = by_mixture(mu, BONES, extrapolate=True)
    assert min(found.values()) < 0.0
    assert sum(found.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("mixtures", "why"),
    [
        ({"a": {"a": 1.0}}, "the expert for b does not say"),
        ({"a": {"a": 1.0}, "b": {}}, "the expert for b does not say"),
        ({"a": {"a": 1.0}, "b": {"a": 1.0}}, "the expert for b was not trained on b"),
        ({"a": {"a": 0.5, "b": 0.5}, "b": {"a": 0.5, "b": 0.5}}, "cannot be told apart"),
        ({"a": {"a": 0.5, "z": 0.5}, "b": {"b": 1.0}}, "the expert for a was trained on z too"),
    ],
)
def test_what_has_no_answer_is_refused_by_name(mixtures, why):
    with pytest.raises(InvalidInput, match=why) as caught:
        by_mixture({"a": 0.5, "b": 0.5}, mixtures)
    assert caught.value.remedy


def test_the_start_keeps_its_share_and_zeros_are_no_matter():
    known = Known(mixtures=BONES)
    mu = {"a": 0.3, "b": 0.3, "c": 0.2, "init": 0.2}
    found = map_preference(mu, mapping="mixture", known=known).coefficients
    assert list(found) == list(mu)
    assert found["init"] == 0.2
    assert sum(found.values()) == pytest.approx(1.0)
    assert map_preference({"init": 1.0}, mapping="mixture").coefficients == {"init": 1.0}
    assert alternatives(mu, known=known)["mixture"] == dict(found)
