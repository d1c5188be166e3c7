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
from scripts.reproduction.finding import Finding
from scripts.reproduction.judging import FAILS, HOLDS, OPEN, SLACK
from scripts.reproduction.workshop import Model

SCHEMA = "rshub.reproduction/1"
VERDICTS = (HOLDS, OPEN, FAILS)
TOOLS = ("torch", "transformers", "trl", "peft")


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One task: what its twin is, what was trained, and what came out."""

    task: str
    facts: tuple[str, ...]
    amount: str
    models: tuple[Model, ...]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Describe it for a program."""
        return {
            "task": self.task,
            "facts": list(self.facts),
            "amount": self.amount,
            "models": [asdict(model) for model in self.models],
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True, kw_only=True)
class Results:
    """The whole run; ``from_scratch`` is what all pieces cost when they were made (CPU seconds)."""

    out: Path
    chapters: tuple[Chapter, ...]
    fast: bool
    cpu_seconds: float
    from_scratch: float

    @property
    def page(self) -> Path:
        """The page."""
        return self.out / "index.html"

    @property
    def findings(self) -> list[Finding]:
        """All findings, task by task."""
        return [finding for chapter in self.chapters for finding in chapter.findings]

    def counted(self) -> dict[str, int]:
        """Say how many claims have which verdict."""
        found = Counter(finding.verdict for finding in self.findings)
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
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.counted().items())
        return [*said, "", f"{counts}. {self.costs}"]

    @property
    def costs(self) -> str:
        """Say what the run cost, in words."""
        return (
            f"This run took {self.cpu_seconds / 60:.1f} CPU-minutes; all pieces, when they were made, "
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
        results=results, slack=SLACK, draws=DRAWS, verdicts=VERDICTS, tools={tool: version(tool) for tool in TOOLS}
    )
