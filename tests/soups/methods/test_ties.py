"""``ties`` against the definition in float64, and its thresholds against a sorted array."""

import tracemalloc
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rshub.errors import IntegrityError
from rshub.soups.methods.method import Options, Setting
from rshub.soups.methods.ties import least_kept
from rshub.tensors.tiles import Grid
from tests.tiny_models import MODULES, dump, load_folder


@dataclass
class Known:
    """A part whose whole delta is at hand."""

    values: np.ndarray
    label: str = "known"

    def delta(self, tile, stored, scratch):
        return self.values[tile.low : tile.high].astype(stored.dtype)


def setting(shape, density, work=np.float32):
    return Setting(
        tensor="t", grid=Grid(rows=shape[0], columns=shape[1]), stored=None, work=np.dtype(work), total=1.0,
        options=Options(density=density), memo={},
    )  # fmt: skip


def trimmed(delta, density):
    count = max(1, int(Decimal(str(density)) * delta.size))
    return np.where(np.abs(delta) >= np.sort(np.abs(delta), axis=None)[-count], delta, 0.0)


def elected(deltas, coefficients, density):
    """Follow the definition: trim, vote with the coefficients, average what agrees, scale."""
    votes = np.stack([c * trimmed(delta, density) for c, delta in zip(coefficients, deltas, strict=True)])
    sign = np.sign(votes.sum(axis=0))
    agree = (np.sign(votes) == sign) & (sign != 0)
    shares = np.abs(np.array(coefficients)).reshape(-1, *([1] * sign.ndim))
    mean = np.where(agree, votes, 0).sum(axis=0) / np.maximum((agree * shares).sum(axis=0), 1e-300)
    return np.abs(coefficients).sum() * mean


@pytest.mark.parametrize("coefficients", [(1 / 3, 1 / 3, 1 / 3), (0.7, 0.2, 0.4), (1.5, -0.4, 0.2)])
@pytest.mark.parametrize("density", [0.2, 0.55, 1.0])
def test_the_mixture_is_as_defined(tiny, pot, coefficients, density):
    base = tiny.base()
    terms = [(tiny.adapter(seed=seed, rank=seed + 1), c) for seed, c in enumerate(coefficients, start=1)]
    out, report = pot.cook(base, terms, method="ties", density=density)
    got, theta, squared, gap = load_folder(out), load_folder(base), 0.0, 0.0
    for module in MODULES:
        name = module + ".weight"
        want = elected([adapter.delta(module) for adapter, _ in terms], coefficients, density)
        np.testing.assert_allclose(got[name], theta[name] + want, rtol=2e-7, atol=1e-7)
        squared += np.sum(want**2)
        gap += np.sum((want - sum(c * adapter.delta(module) for adapter, c in terms)) ** 2)
    assert report.figures["norm"] == pytest.approx(np.sqrt(squared), rel=1e-5)
    assert report.figures["method_gap"]["norm"] == pytest.approx(np.sqrt(gap), rel=1e-5)


def test_an_expert_that_leaves_a_tensor_alone_counts_in_the_scale_only(tiny, pot):
    base, one, two = tiny.base(), tiny.adapter(seed=1), tiny.adapter(seed=2, modules=MODULES[:1])
    got = pot.checkpoint(base, [(one, 0.25), (two, 0.75)], method="ties", density=1.0)
    name = MODULES[1] + ".weight"
    np.testing.assert_allclose(got[name], load_folder(base)[name] + one.delta(MODULES[1]), atol=1e-6)


def test_opposite_coefficients_give_the_opposite_change(tiny, pot):
    base, one, two = tiny.base(), tiny.adapter(seed=1), tiny.adapter(seed=2)
    up, down = (pot.checkpoint(base, [(one, s * 0.6), (two, s * 0.5)], method="ties") for s in (1, -1))
    for name, theta in load_folder(base).items():
        np.testing.assert_allclose(up[name] - theta.astype(float), theta.astype(float) - down[name], atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 300), columns=st.integers(1, 40), density=st.floats(0.001, 1.0), seed=st.integers(0, 2**32 - 1),
    work=st.sampled_from([np.float32, np.float64]), levels=st.sampled_from([1, 3, 50, 10**9]),
)  # fmt: skip
def test_the_threshold_is_the_one_of_a_sorted_array(rows, columns, density, seed, work, levels):
    rng = np.random.default_rng(seed)
    values = (rng.integers(-levels, levels + 1, rows * columns) * 10.0 ** rng.integers(-40, 3)).astype(work)
    count = max(1, int(Decimal(str(density)) * values.size))
    want = np.sort(np.abs(values))[-count] if count < values.size else 0.0
    assert least_kept(Known(values), setting((rows, columns), density, work)) == want


@pytest.mark.parametrize(("density", "kept"), [(0.29, 29), (0.57, 57), (0.58, 58), (0.2, 20), (0.001, 1), (1.0, 100)])
def test_the_share_that_is_kept_is_that_of_the_decimal(density, kept):
    """As floats, 0.29 * 100 is 28.999999999999996."""
    values = np.arange(1.0, 101.0, dtype=np.float32)
    least = least_kept(Known(values), setting((10, 10), density))
    assert np.count_nonzero(values >= least) == kept


def test_the_threshold_of_many_tiles_is_exact():
    values = np.random.default_rng(5).standard_normal(3 << 18).astype(np.float32)
    want = np.sort(np.abs(values))[-int(0.2 * values.size)]
    assert least_kept(Known(values), setting((3 << 8, 1 << 10), 0.2)) == want


def test_what_is_not_finite_is_refused_before_it_is_ranked():
    with pytest.raises(IntegrityError, match="known holds NaN"):
        least_kept(Known(np.array([1.0, np.nan, 2.0])), setting((1, 3), 0.5))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_named_without_trimming_too(tiny, pot, bad):
    """With density one no threshold is looked for."""
    adapter = tiny.adapter(dtype="F16")
    tensors = {}
    for module, (a, b) in adapter.factors.items():
        tensors |= {f"base_model.model.{module}.lora_{side}.weight": v for side, v in (("A", a), ("B", b))}
    adapter.factors[MODULES[2]][1][0, 0] = bad
    dump(adapter.folder / "adapter_model.safetensors", tensors)
    with pytest.raises(IntegrityError, match="expert-0"):
        pot.cook(tiny.base(), [(adapter, 0.5), (tiny.adapter(seed=2), 0.5)], method="ties", density=1.0)


def test_the_threshold_needs_memory_that_does_not_grow_with_the_tensor():
    class Made:
        label = "made"

        def delta(self, tile, stored, scratch):
            return np.sin(np.arange(tile.low, tile.high, dtype=np.float64)).astype(stored.dtype)

    peaks = []
    for rows in (1 << 9, 1 << 12):
        tracemalloc.start()
        least = least_kept(Made(), setting((rows, 1 << 10), 0.2))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert least == pytest.approx(np.cos(0.1 * np.pi), abs=1e-3)
    assert peaks[1] < 1.2 * peaks[0] < 16 << 20
