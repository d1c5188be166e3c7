"""``slerp`` against the arc in float64."""

import numpy as np
import pytest

from rshub.errors import Incompatible
from tests.tiny_models import MODULES, load_folder


def arc(first, second, t):
    """Walk from one matrix to the other by rotating in the plane of both: another way to write the formula."""
    one, two = np.linalg.norm(first), np.linalg.norm(second)
    u = first / one
    v = second / two - np.sum(u * second / two) * u
    v /= np.linalg.norm(v)
    angle = np.arctan2(np.sum(v * second), np.sum(u * second))
    share = np.sin(t * angle) / np.sin(angle)
    rest = np.sin((1 - t) * angle) / np.sin(angle)
    return rest * one * u + share * two * (np.cos(angle) * u + np.sin(angle) * v)


@pytest.mark.parametrize("t", [0.3, 0.5, 1.4])
@pytest.mark.parametrize("ranks", [(4, 4), (2, 5)])
def test_the_mixture_lies_on_the_arc_and_keeps_its_factors(tiny, pot, t, ranks):
    base = tiny.base()
    one, two = (tiny.adapter(seed=seed, rank=rank) for seed, rank in zip((1, 2), ranks, strict=True))
    out, report = pot.cook(base, [(one, 1 - t), (two, t)], method="slerp")
    got, theta = load_folder(out), load_folder(base)
    gap = 0.0
    for module in MODULES:
        want = arc(one.delta(module), two.delta(module), t)
        name = module + ".weight"
        np.testing.assert_allclose(got[name], theta[name] + want, rtol=2e-7, atol=1e-7)
        gap += np.sum((want - (1 - t) * one.delta(module) - t * two.delta(module)) ** 2)
    assert report.figures["method_gap"]["norm"] == pytest.approx(np.sqrt(gap), rel=1e-6)
    tensors = pot.adapter(base, [(one, 1 - t), (two, t)], method="slerp")
    assert {values.shape[0] for name, values in tensors.items() if "lora_A" in name} == {sum(ranks)}


@pytest.mark.parametrize("factor", [2.0, -0.5])
def test_parallel_deltas_are_joined_by_the_straight_line(tiny, pot, factor):
    base, one = tiny.base(), tiny.adapter(seed=1)
    two = tiny.adapter(factors={module: (a, (factor * b).astype(b.dtype)) for module, (a, b) in one.factors.items()})
    terms = [(one, 0.25), (two, 0.75)]
    got, want = (pot.checkpoint(base, terms, method=method) for method in ("slerp", "delta"))
    for name, values in got.items():
        np.testing.assert_allclose(values, want[name], atol=1e-7)


def test_a_tensor_that_one_expert_leaves_alone_is_on_the_straight_line(tiny, pot):
    base, one, two = tiny.base(), tiny.adapter(seed=1), tiny.adapter(seed=2, modules=MODULES[:1])
    got = pot.checkpoint(base, [(one, 0.25), (two, 0.75)], method="slerp")
    name = MODULES[1] + ".weight"
    np.testing.assert_allclose(got[name], load_folder(base)[name] + 0.25 * one.delta(MODULES[1]), atol=1e-7)


def test_slerp_is_for_two_experts_whose_coefficients_sum_to_one(tiny, pot):
    three = [(tiny.adapter(seed=seed), 1 / 3) for seed in (1, 2, 3)]
    with pytest.raises(Incompatible, match="joins two experts, and there are 3"):
        pot.plan(tiny.base(), three, method="slerp")
    with pytest.raises(Incompatible, match="sum to 1"):
        pot.plan(tiny.base(), three[:2], method="slerp")
