"""``factor`` against dense algebra."""

import numpy as np
import pytest

from rshub.errors import Incompatible
from tests.tiny_models import MODULES, load_folder


def test_factor_mixes_the_factors_one_by_one_and_measures_the_gap(tiny, pot):
    base = tiny.base()
    terms = [(tiny.adapter(seed=n), weight) for n, weight in ((1, 0.6), (2, 0.7), (3, -0.3))]
    out, report = pot.cook(base, terms, method="factor")
    got, gap, exact_norm, norm = load_folder(out), 0.0, 0.0, 0.0
    for module in MODULES:
        a = sum(weight * adapter.factors[module][0].astype(float) for adapter, weight in terms)
        b = sum(weight * adapter.factors[module][1].astype(float) for adapter, weight in terms)
        mixed = 2.0 * (b @ a)
        exact = sum(weight * adapter.delta(module) for adapter, weight in terms)
        theta = load_folder(base)[module + ".weight"].astype(float)
        np.testing.assert_allclose(got[module + ".weight"], theta + mixed, atol=1e-6)
        gap += np.sum((mixed - exact) ** 2)
        exact_norm += np.sum(exact**2)
        norm += np.sum(mixed**2)
    assert report.figures["factor_gap"]["norm"] == pytest.approx(np.sqrt(gap), rel=1e-6)
    assert report.figures["factor_gap"]["relative"] == pytest.approx(np.sqrt(gap / exact_norm), rel=1e-6)
    assert report.figures["norm"] == pytest.approx(np.sqrt(norm), rel=1e-6)


def test_factor_keeps_the_rank_of_its_experts(tiny, pot):
    terms = [(tiny.adapter(seed=n), 0.5) for n in (1, 2)]
    tensors = pot.adapter(tiny.base(), terms, method="factor")
    assert {values.shape[0] for name, values in tensors.items() if "lora_A" in name} == {4}


def test_factor_and_delta_agree_on_one_expert(tiny, pot):
    base, adapter = tiny.base(), tiny.adapter()
    one, two = (pot.checkpoint(base, [(adapter, 1.0)], method=method) for method in ("factor", "delta"))
    for name, values in one.items():
        np.testing.assert_allclose(values, two[name], atol=1e-7)
    _, report = pot.cook(base, [(adapter, 1.0)], method="factor")
    assert report.figures["factor_gap"]["norm"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("weights", [(0.5, 0.6), (1.0, -0.5)])
def test_factor_needs_coefficients_that_sum_to_one(tiny, pot, weights):
    terms = [(tiny.adapter(seed=n), weight) for n, weight in enumerate(weights)]
    with pytest.raises(Incompatible, match="sum to 1") as caught:
        pot.plan(tiny.base(), terms, method="factor")
    assert "delta" in caught.value.remedy


@pytest.mark.parametrize("other", [{"rank": 5}, {"alpha": 9}, {"modules": MODULES[:2]}, {"rslora": True}])
def test_factor_needs_experts_of_one_build(tiny, pot, other):
    terms = [(tiny.adapter(seed=1), 0.5), (tiny.adapter(seed=2, **other), 0.5)]
    with pytest.raises(Incompatible, match="equal modules, ranks and scales"):
        pot.plan(tiny.base(), terms, method="factor")
