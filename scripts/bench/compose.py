#!/usr/bin/env python3
"""Compose against cp: makes a bf16 base and experts, then copies and composes in turn and prints the ratios.

Each compose is a fresh process, imports included. Ratios mean something only within one run on a quiet machine; every
output is removed and the machine left to settle before the next.

    scripts/bench/compose.py --gigabytes 2 --rounds 5 --folder ./bench
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ml_dtypes
import numpy as np

from rshub.formats.header import render_header

HIDDEN, INNER, SHARD_LAYERS = 2048, 5632, 8
LINEAR = {
    "self_attn.q_proj": (HIDDEN, HIDDEN),
    "self_attn.k_proj": (HIDDEN // 4, HIDDEN),
    "self_attn.v_proj": (HIDDEN // 4, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INNER, HIDDEN),
    "mlp.up_proj": (INNER, HIDDEN),
    "mlp.down_proj": (HIDDEN, INNER),
}
LAYER_BYTES = 2 * sum(rows * columns for rows, columns in LINEAR.values())

COMPOSE = """
import json, sys
from pathlib import Path
from rshub.soups.build import write_soup
from rshub.soups.plan import Term, plan_soup
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.writer import fresh_folder
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
imports = peak()
base, out, digests, form, *experts = sys.argv[1:]
terms = [Term(label=e, folder=Path(e), coefficient=1 / len(experts)) for e in experts]
plan = plan_soup(base=Checkpoint.open(Path(base)), terms=terms, format=form)
with fresh_folder(Path(out)) as staging:
    report = write_soup(plan, staging, base_model=base, base_revision=None, digests=digests == "1")
print(json.dumps({"imports": imports / 1024, "peak": peak() / 1024, "figures": report.figures}))
"""


def write_tensors(path: Path, tensors: dict[str, tuple[int, ...]], dtype: str, scale: float, seed: int) -> None:
    """Write random tensors one by one."""
    rng = np.random.default_rng(seed)
    kind = ml_dtypes.bfloat16 if dtype == "BF16" else np.float32
    with path.open("wb") as file:
        file.write(render_header((name, dtype, shape) for name, shape in tensors.items()))
        for shape in tensors.values():
            file.write((scale * rng.standard_normal(shape, np.float32)).astype(kind).tobytes())


def make(folder: Path, gigabytes: float, experts: int, rank: int, targets: list[str]) -> tuple[Path, list[Path]]:
    """Write the base and the experts."""
    base = folder / "base"
    base.mkdir(parents=True)
    layers = max(1, round(gigabytes * 1e9 / LAYER_BYTES))
    count = -(-layers // SHARD_LAYERS)
    weight_map = {}
    for shard in range(count):
        name = f"model-{shard + 1:05d}-of-{count:05d}.safetensors"
        numbers = range(shard * SHARD_LAYERS, min(layers, (shard + 1) * SHARD_LAYERS))
        tensors = {f"model.layers.{n}.{module}.weight": shape for n in numbers for module, shape in LINEAR.items()}
        write_tensors(base / name, tensors, "BF16", 0.02, shard)
        weight_map |= dict.fromkeys(tensors, name)
    (base / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    (base / "config.json").write_text("{}")
    made = []
    for number in range(experts):
        expert = folder / f"expert-{number}"
        expert.mkdir()
        factors = {}
        for layer in range(layers):
            for module in targets:
                path = f"base_model.model.model.layers.{layer}.{module}.lora_"
                rows, columns = LINEAR[module]
                factors |= {path + "A.weight": (rank, columns), path + "B.weight": (rows, rank)}
        write_tensors(expert / "adapter_model.safetensors", factors, "F32", 0.01, 100 + number)
        config = {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank}
        (expert / "adapter_config.json").write_text(json.dumps(config))
        made.append(expert)
    return base, made


def timed(command: list[str]) -> tuple[float, float, str]:
    """Run a command; give wall and CPU seconds and its output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--experts", type=int, default=2)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--targets", nargs="*", default=list(LINEAR), choices=list(LINEAR))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settle", type=float, default=4.0, help="seconds between runs")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder if absent")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="bench-", dir=options.folder))
    rows: dict[str, list[tuple[float, float]]] = {}
    try:
        base, experts = make(root, options.gigabytes, options.experts, options.rank, options.targets)
        out = root / "out"
        compose = [sys.executable, "-c", COMPOSE, str(base), str(out)]
        names = [str(expert) for expert in experts]
        commands = {
            "cp": ["cp", "-r", str(base), str(out)],
            "cp and sync": ["sh", "-c", f"cp -r '{base}' '{out}' && sync '{out}'/*"],
            "compose": [*compose, "0", "checkpoint", *names],
            "compose with digests": [*compose, "1", "checkpoint", *names],
            "cp then sha256sum": ["sh", "-c", f"cp -r '{base}' '{out}' && sha256sum '{out}'/*.safetensors"],
            "adapter": [*compose, "1", "adapter", *names],
        }
        timed(["sh", "-c", f"cat '{base}'/* > /dev/null"])
        for _ in range(options.rounds):
            for name, command in commands.items():
                time.sleep(options.settle)
                wall, cpu, told = timed(command)
                rows.setdefault(name, []).append((wall, cpu))
                if name.startswith(("compose", "adapter")):
                    memory = json.loads(told)
                    print(f"  {name}: {memory['peak']:.0f} MiB, {memory['imports']:.0f} of them imports", flush=True)
                shutil.rmtree(out)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    wall_0, cpu_0 = (statistics.median(one[side] for one in rows["cp"]) for side in (0, 1))
    print(f"{'':22} {'wall s':>8} {'/ cp':>6} {'CPU s':>8} {'/ cp':>6}")
    for name, runs in rows.items():
        wall, cpu = (statistics.median(one[side] for one in runs) for side in (0, 1))
        print(f"{name:22} {wall:8.2f} {wall / wall_0:6.2f} {cpu:8.2f} {cpu / cpu_0:6.2f}")


if __name__ == "__main__":
    main()
