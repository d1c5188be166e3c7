"""What ``train`` gives back, for a program and for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rshub.experts.base_identity import BaseIdentity
from rshub.experts.publish import Published
from rshub.training.summary import in_words, shown


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """An expert that was trained.

    Args:
        folder: Holds the adapter or the weights, ``training.json`` and ``training_log.jsonl``.
        training: The summary, as it stands in ``training.json`` and in the manifest of a published expert.
        log: The lines of the log.
        reward: What it was trained for: the reward's name, the joined names of a mixture, or the method's.
        spec: That reward as a string.
        base: What it was trained on.
        scores: The payoff row that was measured at the end.
        published: What became of it on the hub, if it was pushed.
    """

    folder: Path
    training: Mapping[str, Any]
    log: Sequence[Mapping[str, Any]]
    reward: str
    spec: str | None
    base: BaseIdentity
    scores: Sequence[Mapping[str, Any]] = ()
    published: Published | None = None
    notes: Sequence[str] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Describe the result for a program."""
        return {
            "folder": str(self.folder),
            "training": dict(self.training),
            "scores": [dict(score) for score in self.scores],
            "published": self.published.to_json() if self.published else None,
        }

    def lines(self) -> list[str]:
        """Describe the result for a person."""
        training = self.training
        divergence = f", kl {shown(training['kl'])}" if training["objective"] == "rl" else ""
        said = [f"{self.folder}  {training['method']}, {training['steps']} steps{divergence}"]
        said += in_words(training, tuple(self.log))
        said += [f"  {name:<12} is {spec}" for name, spec in training["rewards"].items() if "@" in spec]
        said += [f"  {score['reward']:<12} measured {shown(score['value'])}, n {score['n']}" for score in self.scores]
        said += [f"  {note}" for note in self.notes]
        if self.published:
            said.append(f"  published   {self.published.repo} {self.published.tag or ''}".rstrip())
        return said
