"""The results page: one HTML file beside its pictures, and the same as JSON and as a table for a README.

Everything on it is a value of the findings; nothing is judged here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rshub.fronts.bootstrap import DRAWS
from scripts.reproduction.finding import BEFORE, Finding, Model
from scripts.reproduction.judging import FAILS, HOLDS, OPEN, SLACK

SCHEMA = "rshub.reproduction/1"
VERDICTS = (HOLDS, OPEN, FAILS)
TOOLS = ("torch", "transformers", "trl", "peft")


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One task: what its twin is, what was trained, and what came out.

    ``made`` is what its pieces cost when they were made, ``spent`` what they took in this run (CPU seconds).
    """

    task: str
    facts: tuple[str, ...]
    amount: str
    models: tuple[Model, ...]
    findings: tuple[Finding, ...]
    made: float
    spent: float

    def to_json(self) -> dict[str, Any]:
        """Describe it for a program."""
        return {
            "task": self.task,
            "facts": list(self.facts),
            "amount": self.amount,
            "cpu_seconds_of_pieces": round(self.made, 1),
            "models": [asdict(model) for model in self.models],
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True, kw_only=True)
class Results:
    """The whole run; ``cpu_seconds`` is what it took, this process and its children."""

    out: Path
    chapters: tuple[Chapter, ...]
    fast: bool
    cpu_seconds: float

    @property
    def page(self) -> Path:
        """The page."""
        return self.out / "index.html"

    @property
    def findings(self) -> list[Finding]:
        """All findings, task by task."""
        return [finding for chapter in self.chapters for finding in chapter.findings]

    @property
    def from_scratch(self) -> float:
        """Give what the run would have taken with nothing kept: its pieces when they were made, and all else."""
        return self.cpu_seconds + sum(chapter.made - chapter.spent for chapter in self.chapters)

    @property
    def claims(self) -> list[Finding]:
        """The findings that are claims of the paper: all but what has to be so before they mean anything."""
        return [finding for finding in self.findings if finding.figure != BEFORE]

    def counted(self) -> dict[str, int]:
        """Say how many claims have which verdict."""
        found = Counter(finding.verdict for finding in self.claims)
        return {verdict: found[verdict] for verdict in VERDICTS}

    def to_json(self) -> dict[str, Any]:
        """Describe it for a program."""
        return {
            "schema": SCHEMA,
            "fast": self.fast,
            "cpu_seconds": round(self.cpu_seconds, 1),
            "cpu_seconds_from_scratch": round(self.from_scratch, 1),
            "verdicts": self.counted(),
            "slack": SLACK,
            "tools": {tool: version(tool) for tool in TOOLS},
            "chapters": [chapter.to_json() for chapter in self.chapters],
        }

    def lines(self) -> list[str]:
        """Give the claims as a Markdown table, and the costs."""
        said = ["| figure | task | claim | verdict | measured |", "|---|---|---|---|---|"]
        said += [
            f"| {finding.figure} | {finding.task} | {finding.claim} | {finding.verdict} | {finding.summary} |"
            for finding in self.findings
        ]
        return [*said, "", f"{self.tally} {self.costs}"]

    @property
    def tally(self) -> str:
        """Say how many claims came out how, in words."""
        counts = self.counted()
        learned = [finding.verdict == HOLDS for finding in self.findings if finding.figure == BEFORE]
        return (
            f"Of {len(self.claims)} claims {counts[HOLDS]} hold, {counts[FAILS]} do not hold here, and {counts[OPEN]} "
            f"cannot be decided. Every expert has learned its reward in {sum(learned)} of {len(learned)} tasks."
        )

    @property
    def costs(self) -> str:
        """Say what the run cost, in words."""
        return (
            f"This run took {self.cpu_seconds / 60:.1f} CPU-minutes; from nothing, with nothing kept, it takes "
            f"{self.from_scratch / 60:.1f}."
        )


def render(results: Results) -> str:
    """Write the page."""
    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["mark"] = lambda verdict: {HOLDS: "holds", FAILS: "fails", OPEN: "open"}[verdict]
    return environment.get_template("page.html.j2").render(
        results=results, before=BEFORE, slack=SLACK, draws=DRAWS, tools={tool: version(tool) for tool in TOOLS}
    )
