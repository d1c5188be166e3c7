"""Timing of commands in turns: each in a process of its own, paired with the copies of the same round."""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one command took: seconds, and what it printed last as JSON, with its peak memory (MiB)."""

    wall: float
    cpu: float
    told: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table: what is run into ``out``, and what it is compared with.

    ``against`` names another row; without it, the fastest copy of the round is meant, ``copies`` times. ``inverse``
    turns the ratio around: how many times less we take than the other.
    """

    name: str
    command: Sequence[str]
    target: str = ""
    copies: float = 1.0
    against: str | None = None
    inverse: bool = False


@dataclass(kw_only=True)
class Bench:
    """Runs rows in rounds, and keeps what they took."""

    out: Path
    settle: float
    say: Callable[[str], None] = print
    runs: dict[str, list[Run]] = field(default_factory=dict)
    fastest: list[Run] = field(default_factory=list)

    def rounds(self, count: int, copies: Mapping[str, Sequence[str]], rows: Sequence[Row]) -> None:
        """Run the copies and then the rows, so many times; every output is removed, and the machine left to settle."""
        for _ in range(count):
            done = {name: self.run(name, command) for name, command in copies.items()}
            self.fastest.append(min(done.values(), key=lambda run: run.wall))
            for row in rows:
                self.run(row.name, row.command)

    def run(self, name: str, command: Sequence[str]) -> Run:
        """Run one command and forget its output."""
        shutil.rmtree(self.out, ignore_errors=True)
        time.sleep(self.settle)
        run = timed(command)
        shutil.rmtree(self.out, ignore_errors=True)
        self.runs.setdefault(name, []).append(run)
        seen = "".join(f", {key} {value:.0f} MiB" for key, value in run.told.items() if key in {"peak", "imports"})
        self.say(f"  {name}: {run.wall:.2f} s, {run.cpu:.2f} s of CPU{seen}, load {os.getloadavg()[0]:.1f}")
        return run

    def lines(self, rows: Sequence[Row]) -> list[str]:
        """Write the rows of the table: medians of the ratios within each round."""
        return [self._line(row) for row in rows]

    def _line(self, row: Row) -> str:
        mine = self.runs[row.name]
        others = self.fastest if row.against is None else self.runs[row.against]
        what = "the fastest copy" if row.against is None else row.against
        if row.copies != 1:
            what = f"{row.copies:g} copies"
        walls, cpus = (
            [getattr(one, side) / getattr(other, side) / row.copies for one, other in zip(mine, others, strict=True)]
            for side in ("wall", "cpu")
        )
        ratios = [statistics.median(walls), statistics.median(cpus)]
        if row.against is not None and all(run.told.get("peak") for run in (*mine, *others)):
            peaks = [one.told["peak"] / other.told["peak"] for one, other in zip(mine, others, strict=True)]
            ratios.append(statistics.median(peaks))
        shown = [f"1/{1 / ratio:.1f}" if row.inverse and ratio < 1 else f"{ratio:.2f}" for ratio in ratios]
        shown += [""] * (3 - len(shown))
        return f"| {row.name} | {what} | {' | '.join(shown)} | {row.target} |"


def timed(command: Sequence[str]) -> Run:
    """Run a command to its end.

    Raises:
        RuntimeError: When it fails, with the end of what it said.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, errors):
            file.seek(0)
        said, complaint = out.read().decode(), errors.read().decode()
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed: {complaint[-2000:]}")
    last = said.strip().rpartition("\n")[2]
    told = json.loads(last) if last.startswith("{") else {}
    if used.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:  # else it is ours, from before the exec
        told = {"peak": used.ru_maxrss / 1024} | told
    return Run(wall=wall, cpu=used.ru_utime + used.ru_stime, told=told)
