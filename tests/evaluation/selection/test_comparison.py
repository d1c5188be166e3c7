"""Selectors compared on landscapes drawn by seed, as ``scripts/bench/compare_selectors.py`` does at length."""

import importlib
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "bench" / "selecting"))
    return importlib.import_module("landscapes"), importlib.import_module("strategies")


def regrets(bench, families, count, budget, noise, repeats, names):
    """The regret of each selector in each trial; the landscapes are none of those that the script draws."""
    landscapes, strategies = bench
    rows = {name: [] for name in names}
    for family, number in itertools.product(families, range(repeats)):
        generator = np.random.default_rng([99, len(family), count, number])
        landscape = landscapes.draw(family, count, generator)
        trial = strategies.Trial(
            landscape=landscape,
            factors=generator.dirichlet(np.ones(count)),
            budget=budget,
            noise=noise * landscape.ranges,
            seed=number,
        )
        for name in names:
            chosen = strategies.SELECTORS[name](trial, trial.meter())
            rows[name].append(landscape.regret(chosen, trial.factors))
    return {name: np.array(row) for name, row in rows.items()}


@pytest.mark.parametrize("budget", [1, 3, 5, 8])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_for_two_experts_it_is_the_even_grid_and_the_experts(bench, budget, noise):
    found = regrets(bench, ("bowls", "s-shaped", "gentle"), 2, budget, noise, 3, ("grid+experts", "ours"))
    assert found["ours"] == pytest.approx(found["grid+experts"], abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "budget", "times"), [(3, 8, 3.0), (4, 8, 3.0), (6, 8, 2.0)])
def test_it_misses_far_less_than_random_soups_do(bench, count, budget, times):
    names = ("paper", "random+experts", "ours")
    found = regrets(bench, ("bowls", "tilted", "gentle"), count, budget, 0.04, 8, names)
    assert found["ours"].mean() * times < found["paper"].mean()
    assert found["ours"].mean() * 1.5 < found["random+experts"].mean()


@pytest.mark.slow
def test_on_s_curves_it_is_no_worse_than_random_soups_and_experts(bench):
    found = regrets(bench, ("s-shaped",), 3, 8, 0.04, 16, ("random+experts", "ours"))
    apart = found["ours"] - found["random+experts"]
    assert apart.mean() < apart.std(ddof=1) / len(apart) ** 0.5


@pytest.mark.slow
def test_it_is_no_worse_than_a_parzen_estimator(bench):
    pytest.importorskip("optuna", reason="optuna is a part of the extra dev")
    found = regrets(bench, ("bowls", "tilted"), 4, 8, 0.04, 8, ("tpe", "tpe+experts", "ours"))
    assert found["ours"].mean() < found["tpe"].mean()
    assert found["ours"].mean() < found["tpe+experts"].mean()


@pytest.mark.slow
def test_the_script_prints_its_table():
    words = ["--quick", "--no-tpe", "--repeats", "2", "--sizes", "2,3", "3,4", "--fronts", "./nowhere"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "bench" / "compare_selectors.py"), *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["bowls", "s-shaped", "bowls", "s-shaped"]
    assert "2 landscapes each" in lines[-1]
