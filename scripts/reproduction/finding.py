"""What a claim came to: the claim in our words, how it is judged, the verdict with its numbers, and the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.reproduction.judging import Effect

BEFORE = "before"
"""In the place of a figure: what must be so before any figure means something."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture with what a reader needs to read it: its axes, its marks, how much was measured."""

    file: str
    title: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """A trained model for the page; ``kl`` is in nats per token at the end, from the start."""

    name: str
    mixture: Mapping[str, float]
    seed: int
    method: str
    artefact: str
    steps: int
    kl: float | None
    recipe: str
    cpu_seconds: float


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One claim on one task.

    ``rule`` is how it is judged, fixed beforehand; ``unit`` is that of the effects; ``details`` are lines for whoever
    wants more; ``scores`` are files with every number that went in.
    """

    figure: str
    task: str
    claim: str
    rule: str
    unit: str
    verdict: str
    effects: Sequence[Effect]
    summary: str
    details: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    scores: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Describe it for a program."""
        plain = {
            name: getattr(self, name) for name in ("figure", "task", "claim", "rule", "unit", "verdict", "summary")
        }
        return plain | {
            "effects": [effect.to_json() for effect in self.effects],
            "details": list(self.details),
            "pictures": [picture.file for picture in self.pictures],
            "scores": list(self.scores),
        }
