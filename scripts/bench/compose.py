#!/usr/bin/env python3
"""Composing against plain copies, PEFT and mergekit: makes its checkpoints, runs all in turn, prints ratios.

Every compose is a fresh process through the public function, imports, finite checks and figures of honesty included;
digests of the inputs are remembered from a first run that is not timed, and ``--hash`` takes them afresh once. The copy
that counts is the faster of ``cp`` and of ``dd`` past the page cache in the same round. Ratios mean something only
within one run, on a machine that does nothing else.

    scripts/bench/compose.py --gigabytes 2 --rounds 5 --folder ./bench --only lora adapter
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from checkpoints import LINEAR, Size, folder_bytes, make_adapter, make_model  # noqa: E402 - beside this script
from peers import PEAK, copies, mergekit, peft  # noqa: E402
from timing import Bench, Row, timed  # noqa: E402

COMPOSE = (
    PEAK
    + """
import json, sys
import rshub
compose = rshub.compose
def moved():
    counts = dict(line.split(": ") for line in open("/proc/self/io"))
    return int(counts["rchar"]) + int(counts["wchar"])
imports, before = peak(), moved()
compose(sys.argv[1], **json.loads(sys.argv[2]))
print(json.dumps({"imports": imports, "peak": peak(), "moved": moved() - before}))
"""
)
QUERY_VALUE = ("self_attn.q_proj", "self_attn.v_proj")


@dataclass(kw_only=True)
class World:
    """The options, and the checkpoints that were made so far."""

    options: argparse.Namespace
    root: Path
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def out(self) -> Path:
        """Where every output goes."""
        return self.root / "out"

    def base(self, gigabytes: float | None = None) -> Path:
        """Make the base of a size, once."""
        size = self._size(gigabytes)
        folder = self.root / f"base-{size.layers}"
        return folder if folder.exists() else make_model(folder, size, seed=0)

    def adapters(
        self, count: int, targets: Sequence[str] = tuple(LINEAR), gigabytes: float | None = None
    ) -> list[Path]:
        """Make adapters, once."""
        size = self._size(gigabytes)
        folders = [self.root / f"adapter-{size.layers}-{len(targets)}-{number}" for number in range(count)]
        for number, folder in enumerate(folders):
            if not folder.exists():
                make_adapter(folder, size, rank=self.options.rank, targets=targets, seed=number)
        return folders

    def models(self, count: int) -> list[Path]:
        """Make whole fine-tuned models, once."""
        folders = [self.root / f"model-{number}" for number in range(count)]
        for number, folder in enumerate(folders):
            if not folder.exists():
                make_model(folder, self._size(None), seed=100 + number, near=0)
        return folders

    def compose(self, base: Path, experts: Sequence[Path], shares: Sequence[float] = (), **options: Any) -> list[str]:
        """Give the command that composes; equal shares if absent."""
        shares = shares or [1 / len(experts)] * len(experts)
        terms = ", ".join(f'"{expert}"={share!r}' for expert, share in zip(experts, shares, strict=True))
        options = {"base": str(base), "out": str(self.out), "digests": False} | options
        return [sys.executable, "-c", COMPOSE, terms, json.dumps(options)]

    def measure(self, rows: Sequence[Row], source: Path | None = None) -> Bench:
        """Run rows beside the copies of a folder, the base if absent, and add them to the table."""
        source = source or self.base()
        bench = Bench(out=self.out, settle=self.options.settle)
        timed(["sh", "-c", f"cat '{source}'/* > /dev/null"])
        ours = [row for row in rows if COMPOSE in row.command]
        for row in ours[:1]:
            shutil.rmtree(self.out, ignore_errors=True)
            timed(row.command)
        bench.rounds(self.options.rounds, copies(source, self.out), rows)
        self.lines += bench.lines(rows)
        return bench

    def _size(self, gigabytes: float | None) -> Size:
        return Size.of(gigabytes or self.options.gigabytes)


def lora(world: World) -> None:
    """Adapters on all linear layers, to a whole checkpoint."""
    base, experts = world.base(), world.adapters(world.options.experts)
    name = f"N = {len(experts)}, r = {world.options.rank}, all linear"
    rows = [
        Row(name=name, command=world.compose(base, experts), target="1.5, 4"),
        Row(name=f"{name}, digests of the output", command=world.compose(base, experts, digests=True)),
        Row(name=f"{name}, --hash", command=world.compose(base, experts, digests=True, hash=True)),
    ]
    run = world.measure(rows).runs[name][-1].told
    least = 2 * folder_bytes(base) + sum(map(folder_bytes, experts))
    world.notes.append(f"{name}: bytes moved {run['moved'] / least:.3f} of base + experts + output")
    world.notes.append(f"{name}: peak memory imports + {run['peak'] - run['imports']:.0f} MiB")


def against_peft(world: World) -> None:
    """The same with PEFT: load, ``cat``, merge, save."""
    base, experts = world.base(), world.adapters(world.options.experts)
    command = peft(base, world.out, experts, way="cat", whole=True)
    if command is None:
        world.notes.append("PEFT: skipped, it is not installed here")
        return
    rows = [
        Row(name="PEFT cat, merge and save", command=command),
        Row(
            name="the same soup here", command=world.compose(base, experts), against="PEFT cat, merge and save",
            inverse=True, target="1/8, 1/9, 1/40",
        ),
    ]  # fmt: skip
    world.measure(rows)


def against_mergekit(world: World) -> None:
    """The same with mergekit, whose adapters are merged into a model each first."""
    if world.options.mergekit is None:
        world.notes.append("mergekit: skipped, no --mergekit was given")
        return
    base, experts = world.base(), world.adapters(world.options.experts)
    recipe = world.root / "recipe.yaml"
    command = mergekit(world.options.mergekit, recipe, base, world.out, experts)
    rows = [
        Row(name="mergekit task_arithmetic", command=command),
        Row(
            name="the same instead of mergekit", command=world.compose(base, experts),
            against="mergekit task_arithmetic", inverse=True,
        ),
    ]  # fmt: skip
    world.measure(rows)


def average(world: World) -> None:
    """Whole models averaged: reading N and writing one is (N + 1) / 2 copies."""
    base = world.base()
    rows = [
        Row(
            name=f"average of {count} whole models", command=world.compose(base, world.models(count)),
            copies=(count + 1) / 2, target="1.3",
        )
        for count in (2, 4)
    ]  # fmt: skip
    experts = world.models(2)
    shares = (0.3, 0.7)
    rows.append(Row(name="0.3 and 0.7 of 2 models", command=world.compose(base, experts, shares), copies=1.5))
    world.measure(rows)


def split(world: World) -> None:
    """Another lambda for adapters on q and v, when what they do not touch lies in files of its own."""
    base, experts = world.base(), world.adapters(2, QUERY_VALUE)
    earlier = world.root / "earlier"
    shutil.rmtree(earlier, ignore_errors=True)
    timed(world.compose(base, experts, (0.2, 0.8), layout="split", out=str(earlier), digests=True))
    again = world.compose(base, experts, (0.6, 0.4), layout="split", reuse=str(earlier), digests=True)
    rows = [
        Row(name="q and v for another lambda, split layout", command=again, target="0.25"),
        Row(name="q and v, the base's layout", command=world.compose(base, experts)),
    ]
    world.measure(rows)


def adapter(world: World) -> None:
    """One adapter as the result, against what PEFT needs for the same."""
    base, experts = world.base(), world.adapters(2, QUERY_VALUE)
    rows = []
    for way, target, options in (("cat", "CPU 1/10", {}), ("svd", "CPU 1/25", {"rank": world.options.rank})):
        command = peft(base, world.out, experts, way=way, whole=False)
        if command is None:
            world.notes.append("PEFT adapters: skipped, it is not installed here")
            return
        ours = world.compose(base, experts, format="adapter", **options)
        rows += [
            Row(name=f"PEFT {way}, an adapter", command=command),
            Row(
                name=f"an adapter instead of {way}", command=ours, against=f"PEFT {way}, an adapter",
                inverse=True, target=target,
            ),
        ]  # fmt: skip
    world.measure(rows)


def memory(world: World) -> None:
    """Peak memory when the base doubles."""
    whole = world.options.gigabytes
    peaks = []
    for gigabytes in (whole / 2, whole):
        base, experts = world.base(gigabytes), world.adapters(2, gigabytes=gigabytes)
        shutil.rmtree(world.out, ignore_errors=True)
        peaks.append(timed(world.compose(base, experts)).told)
    shutil.rmtree(world.out, ignore_errors=True)
    once, twice = (told["peak"] - told["imports"] for told in peaks)
    grown = peaks[1]["peak"] / peaks[0]["peak"] - 1
    world.notes.append(
        f"memory beside imports: {once:.0f} MiB, on twice the base {twice:.0f} MiB ({grown:+.1%} of all)"
    )


SCENARIOS: Mapping[str, Callable[[World], None]] = {
    "lora": lora,
    "peft": against_peft,
    "mergekit": against_mergekit,
    "average": average,
    "split": split,
    "adapter": adapter,
    "memory": memory,
}


def machine() -> str:
    """Describe the machine in words."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{len(os.sched_getaffinity(0))} cores ({model}), {memory_gib:.0f} GiB of memory"


def installed(root: Path) -> Path:
    """Put the package where its bytecode lies beside it, as that of the peers does, whatever the environment says."""
    package = root / "installed" / "rshub"
    shutil.copytree(Path(__file__).parents[2] / "rshub", package, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(package, quiet=1)
    return package.parent


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(SCENARIOS), choices=list(SCENARIOS))
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--experts", type=int, default=2)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settle", type=float, default=4.0, help="seconds between runs")
    parser.add_argument("--mergekit", type=Path, help="the path of mergekit-yaml, where that peer is wanted")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder if absent")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="bench-", dir=options.folder)).resolve()
    os.environ |= {"HF_HOME": str(root / "home"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(installed(root))}
    world = World(options=options, root=root)
    try:
        for name in options.only:
            print(f"{name}: {SCENARIOS[name].__doc__}", flush=True)
            SCENARIOS[name](world)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(f"\nA bf16 base of {options.gigabytes:g} GB on {machine()}; medians of {options.rounds} rounds.\n")
    print("| what | against | wall | CPU | memory | wanted |\n| --- | --- | --- | --- | --- | --- |")
    print("\n".join(world.lines))
    print("".join(f"\n- {note}" for note in world.notes))


if __name__ == "__main__":
    main()
