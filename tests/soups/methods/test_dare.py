"""``dare`` against its definition: which elements are kept is random, everything else is not."""

import numpy as np
import pytest

from rshub.errors import InvalidInput
from rshub.soups.methods.dare import mix_thinned
from rshub.soups.methods.method import Options, Setting, Share
from rshub.soups.writing.build_checkpoint import write_checkpoint
from rshub.tensors.tiles import Grid, Scratch
from tests.tiny_models import MODULES, load_folder

SHAPES = {"one.weight": (300, 200), "two.weight": (200, 100), "tall.weight": (1500, 300)}


def change(tiny, pot, base, terms, **options):
    got, theta = pot.checkpoint(base, terms, method="dare", **options), load_folder(base)
    return {name: got[name].astype(float) - theta[name] for name in got}


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_what_is_kept_is_divided_by_the_share_that_is_kept(tiny, pot, density):
    base = tiny.base(shapes=SHAPES, scale=0.0)
    adapter = tiny.adapter(shapes=SHAPES, modules=["one", "two", "tall"])
    moved = change(tiny, pot, base, [(adapter, 1.5)], density=density)
    for module in ("one", "two", "tall"):
        got, want = moved[module + ".weight"], 1.5 * adapter.delta(module)
        kept = got != 0
        np.testing.assert_allclose(got[kept], want[kept] / density, rtol=2e-6)
        spread = np.sqrt(density * (1 - density) / got.size)
        assert abs(kept.mean() - density) < 5 * spread


def test_experts_and_tensors_are_thinned_apart_and_by_the_seed(tiny, pot):
    shapes = {"one.weight": (200, 100), "two.weight": (200, 100)}
    base, modules = tiny.base(shapes=shapes, scale=0.0), ["one", "two"]
    one, two = (tiny.adapter(shapes=shapes, modules=modules, seed=seed) for seed in (1, 2))
    masks = [
        moved[name] != 0
        for moved in (
            change(tiny, pot, base, [(one, 1.0)]),
            change(tiny, pot, base, [(two, 1.0)]),
            change(tiny, pot, base, [(one, 1.0)], seed=1),
        )
        for name in shapes
    ]
    for number, mask in enumerate(masks):
        for other in masks[:number]:
            assert abs((mask & other).mean() - 0.25) < 0.02
    both = change(tiny, pot, base, [(one, 0.5), (two, 0.25)])["one.weight"]
    want = 0.5 * one.delta("one") * masks[0] + 0.25 * two.delta("one") * masks[2]
    np.testing.assert_allclose(both, want / 0.5, rtol=2e-6, atol=1e-9)


def test_with_everything_kept_it_is_the_sum_of_the_deltas(tiny, pot):
    base, terms = tiny.base(), [(tiny.adapter(seed=1), 0.7), (tiny.adapter(seed=2), -0.4)]
    got = pot.checkpoint(base, terms, method="dare", density=1.0)
    for name, values in pot.checkpoint(base, terms).items():
        np.testing.assert_allclose(got[name], values, rtol=2e-7, atol=1e-8)


def test_neither_windows_nor_threads_change_what_is_kept(tiny, pot):
    base = tiny.base(shapes=SHAPES, dtype="BF16")
    terms = [(tiny.adapter(shapes=SHAPES, modules=["one", "tall"], seed=seed), 0.5) for seed in (1, 2)]
    plan = pot.plan(base, terms, method="dare", seed=7)
    files = []
    for workers, window in ((1, 1 << 24), (4, 4096), (3, 70_000)):
        folder = tiny.path("out")
        write_checkpoint(plan, folder, workers=workers, window=window)
        files.append((folder / "model.safetensors").read_bytes())
    assert files[0] == files[1] == files[2]


def test_the_report_says_how_far_it_is_from_the_sum(tiny, pot):
    base, terms = tiny.base(), [(tiny.adapter(seed=1), 0.7), (tiny.adapter(seed=2), -0.4)]
    out, report = pot.cook(base, terms, method="dare")
    got, theta = load_folder(out), load_folder(base)
    gap = sum(
        np.sum((got[m + ".weight"] - theta[m + ".weight"].astype(float) - sum(c * a.delta(m) for a, c in terms)) ** 2)
        for m in MODULES
    )
    assert report.figures["method_gap"]["norm"] == pytest.approx(np.sqrt(gap), rel=1e-4)


class Ones:
    """A delta of ones."""

    label = "ones"

    def delta(self, tile, stored, scratch):
        return np.ones(tile.count, stored.dtype)


KEPT = "00011110000100000000000000010000"
"""Worked out apart from numpy: ten rounds of Philox 4x64 (Salmon et al., SC 2011) with the first 128 bits of the
sha256 of ``[7,"one.weight","aa...a"]``, little-endian, as key, and counters from 1 on; each 64-bit word is two draws,
the lower half first, and a draw below 0.25 * 2**32 is kept."""


def test_what_is_kept_never_changes():
    """Soups that were published must come out the same from every later version."""
    grid = Grid(rows=4, columns=8)
    setting = Setting(
        tensor="one.weight", grid=grid, stored=None, work=np.dtype(np.float32), total=1.0,
        options=Options(density=0.25, seed=7), memo={},
    )  # fmt: skip
    change = mix_thinned([Share(coefficient=1.0, part=Ones(), content="a" * 64)], setting)
    (tile,) = grid.tiles(0, 32)
    wanted = change.wanted(tile, np.zeros(32, np.float32), Scratch())
    assert "".join("1" if value else "0" for value in wanted) == KEPT
    assert set(wanted) == {0.0, 4.0}


@pytest.mark.parametrize("density", [2.0**-33, 1e-300])
def test_a_density_that_keeps_nothing_is_refused(tiny, pot, density):
    with pytest.raises(InvalidInput, match="keeps nothing") as caught:
        pot.plan(tiny.base(), [(tiny.adapter(), 1.0)], method="dare", density=density)
    assert caught.value.where == "density"
    assert caught.value.remedy
    assert pot.plan(tiny.base(), [(tiny.adapter(), 1.0)], method="dare", density=2.0**-32)
    assert pot.plan(tiny.base(), [(tiny.adapter(), 1.0)], method="ties", density=density)
