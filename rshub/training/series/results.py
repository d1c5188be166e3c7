"""What became of the runs of a series, for a program and for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rshub.training.series.plan import Run

State = Literal["trained", "skipped", "failed"]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What became of one run.

    Args:
        run: What it was to do.
        folder: Where its expert is, or would be.
        log: What it said.
        state: ``skipped``: it was there already, by the same recipe.
        seconds: How long it took now.
        final: Its rewards at the end.
        repo: Where it is published, if that was asked for.
        message: Why it failed.
        remedy: What can be done about it.
    """

    run: Run
    folder: Path
    log: Path
    state: State
    seconds: float = 0.0
    final: Mapping[str, float | None] = field(default_factory=dict)
    repo: str | None = None
    message: str = ""
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """Describe it for a program."""
        return {
            "name": self.run.name,
            "kind": self.run.kind,
            "mixture": dict(self.run.mixture),
            "seed": self.run.seed,
            "state": self.state,
            "folder": str(self.folder),
            "log": str(self.log),
            "seconds": round(self.seconds, 1),
            "final": dict(self.final),
            "repo": self.repo,
            "message": self.message,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, kw_only=True)
class TrainAllResult:
    """What became of all runs.

    Args:
        output: Holds their folders, recipes and logs.
        runs: In the order in which they were planned.
    """

    output: Path
    runs: Sequence[RunResult]

    @property
    def failed(self) -> list[RunResult]:
        """The runs that failed."""
        return [run for run in self.runs if run.state == "failed"]

    def folders(self, kind: str = "expert") -> dict[str, Path]:
        """Give the folders of the experts, or of the mixtures, that are there: name to folder."""
        return {run.run.name: run.folder for run in self.runs if run.run.kind == kind and run.state != "failed"}

    def to_json(self) -> dict[str, Any]:
        """Describe them for a program."""
        return {
            "output": str(self.output),
            "failed": len(self.failed),
            "runs": [run.to_json() for run in self.runs],
        }

    def lines(self) -> list[str]:
        """Describe them for a person."""
        width = max(len(run.run.name) for run in self.runs)
        return [f"{run.run.name:{width}}  {run.state:7}  {_told(run)}".rstrip() for run in self.runs]


def _told(run: RunResult) -> str:
    if run.state == "failed":
        return run.message
    rewards = ", ".join(f"{name} {value:.3f}" for name, value in run.final.items() if value is not None)
    return "  ".join(filter(None, [str(run.folder), rewards, run.repo]))
