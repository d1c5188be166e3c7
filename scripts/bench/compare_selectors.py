#!/usr/bin/env python3
"""Selectors compared: how much of what could be had does each miss, with the same number of evaluations?

The mean regret, as a share of what lies between the worst and the best soup, with its standard error, over landscapes
and preferences that are drawn by seed: families of synthetic rewards (``landscapes.py``) with preferences in raw units,
drawn evenly from the simplex, and published fronts, straight between their lambdas, with 21 preferences in normalised
units. The last columns give the paper's regret over ours, and by how much ours is less than that of TPE.

    scripts/bench/compare_selectors.py --quick
    scripts/bench/compare_selectors.py --repeats 100 --noise 0 0.05 0.1 --families bowls s-shaped
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE / "selecting")]

import numpy as np  # noqa: E402 - after the number of threads
from landscapes import FAMILIES, Landscape, draw, published  # noqa: E402 - in the folder of this script
from strategies import SELECTORS, Trial  # noqa: E402

from rshub.fronts.pictures.regret import plot_regret  # noqa: E402

FRONTS = HERE.parents[2] / "shared" / "data" / "published_fronts"
SIZES = ((2, 3), (2, 5), (2, 8), (3, 8), (4, 8), (6, 8), (6, 16))
QUICK = ((2, 3), (3, 8), (4, 8))
PREFERENCES = np.linspace(0.0, 1.0, 21)

Rows = dict[str, list[float]]
Picture = dict[str, dict[int, tuple[float, float]]]


def main() -> None:
    options = _options()
    names = [name for name in SELECTORS if options.tpe or "tpe" not in name]
    print(_line("", "noise", "N", "M", *names, "paper/ours", "tpe - ours"))
    started = time.monotonic()
    pictures: dict[str, Picture] = {}
    for noise in options.noise:
        for count, budget in options.sizes:
            if count == 2 and options.fronts.is_dir():
                trials = _on_fronts(options.fronts, budget, noise, options)
                rows = _compared(trials, names, count)
                _show("published fronts", noise, count, budget, rows)
                _remember(pictures, f"published-{count}-{noise:g}", budget, rows)
            for family in options.families:
                trials = _drawn(family, count, budget, noise, options)
                rows = _compared(trials, names, count)
                _show(family, noise, count, budget, rows)
                _remember(pictures, f"{family}-{count}-{noise:g}", budget, rows)
    for name, table in pictures.items() if options.pictures else ():
        options.pictures.mkdir(parents=True, exist_ok=True)
        plot_regret(table, options.pictures / f"{name}.svg", title=f"Regret of selectors: {name}")
    print(f"{options.repeats} landscapes each, seed {options.seed}, {time.monotonic() - started:.0f} s")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=["bowls", "s-shaped"])
    parser.add_argument("--all-families", action="store_true", help="every family that there is")
    parser.add_argument("--noise", nargs="+", type=float, default=[0.04], help="as a share of the experts' range")
    parser.add_argument("--unstated", action="store_true", help="let our selector find the noise itself")
    parser.add_argument("--repeats", type=int, help="landscapes of each family (60; 10 with --quick)")
    parser.add_argument("--sizes", nargs="+", type=_size, help="N,M: experts and evaluations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-tpe", dest="tpe", action="store_false", help="leave optuna out")
    parser.add_argument("--fronts", type=Path, default=FRONTS, help="a folder of published fronts of two experts")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw regret against evaluations there")
    parser.add_argument("--quick", action="store_true", help="a minute instead of a quarter of an hour")
    options = parser.parse_args()
    options.families = list(FAMILIES) if options.all_families else options.families
    options.sizes = options.sizes or (QUICK if options.quick else SIZES)
    options.repeats = options.repeats or (10 if options.quick else 60)
    return options


def _size(text: str) -> tuple[int, int]:
    count, budget = text.split(",")
    return int(count), int(budget)


def _drawn(family: str, count: int, budget: int, noise: float, options: argparse.Namespace) -> Iterator[Trial]:
    """Draw landscapes with a preference in raw units each; the same ones for every budget and noise."""
    for number in range(options.repeats):
        generator = np.random.default_rng([options.seed, list(FAMILIES).index(family), count, number])
        landscape = draw(family, count, generator)
        yield Trial(
            landscape=landscape,
            factors=generator.dirichlet(np.ones(count)),
            budget=budget,
            noise=noise * landscape.ranges,
            seed=int(generator.integers(2**31)),
            stated=not options.unstated,
        )


def _on_fronts(folder: Path, budget: int, noise: float, options: argparse.Namespace) -> Iterator[Trial]:
    for place, front in enumerate(published(folder).values()):
        for number, share in enumerate(PREFERENCES):
            yield Trial(
                landscape=front,
                factors=np.array([1.0 - share, share]),
                budget=budget,
                noise=noise * front.ranges,
                seed=int(np.random.default_rng([options.seed, place, number, budget]).integers(2**31)),
                stated=not options.unstated,
            )


def _compared(trials: Iterator[Trial], names: Sequence[str], count: int) -> Rows:
    """Let every selector choose in every trial, and take its regret."""
    rows: Rows = {name: [] for name in names if count == 2 or name != "grid+experts"}
    for trial in trials:
        for name in rows:
            chosen = SELECTORS[name](trial, trial.meter())
            rows[name].append(_regret(trial.landscape, chosen, trial))
    return rows


def _regret(landscape: Landscape, chosen: object, trial: Trial) -> float:
    return landscape.regret(np.asarray(chosen, dtype=np.float64), trial.factors)


def _show(what: str, noise: float, count: int, budget: int, rows: Mapping[str, Sequence[float]]) -> None:
    cells = [f"{np.mean(row):.4f}±{_error(row):.4f}" for row in rows.values()]
    if "grid+experts" not in rows:
        cells.insert(2, "-")
    ratio = float(np.mean(rows["paper"])) / max(float(np.mean(rows["ours"])), 1e-12)
    gain = "-"
    if "tpe" in rows:
        apart = np.array(rows["tpe"]) - np.array(rows["ours"])
        gain = f"{apart.mean():+.4f}±{_error(apart.tolist()):.4f}"
    print(_line(what, f"{noise:g}", str(count), str(budget), *cells, f"{ratio:.1f}", gain), flush=True)


def _remember(pictures: dict[str, Picture], name: str, budget: int, rows: Mapping[str, Sequence[float]]) -> None:
    for selector, row in rows.items():
        pictures.setdefault(name, {}).setdefault(selector, {})[budget] = (float(np.mean(row)), _error(row))


def _error(row: Sequence[float]) -> float:
    return float(np.std(row, ddof=1)) / len(row) ** 0.5 if len(row) > 1 else float("nan")


def _line(what: str, *cells: str) -> str:
    widths = (6, 3, 3)
    first = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=False))
    return f"{what:<17}{first}  " + "  ".join(f"{cell:>15}" for cell in cells[len(widths) :])


if __name__ == "__main__":
    main()
