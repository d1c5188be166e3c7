"""The facts that a page about a front needs beside the measurements: who made the experts, and what mixtures answer.

What an expert says of itself comes from its manifest, or from the summary and the log that lie beside it; nothing of it
is checked here. Answers come through the Evaluator, so that those which were measured are those which are shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rshub.errors import RshubError
from rshub.evaluation.trained_on import shares_beside
from rshub.experts.card import in_words
from rshub.experts.training_summary import LOG, training_beside
from rshub.fronts.report.render import render_report
from rshub.fronts.report.values import FILE_NAME, Example, ExpertSheet
from rshub.preferences.scores import Scores
from rshub.soups.choose import Candidate
from rshub.soups.known import shares_of
from rshub.tensors.plain_file import read_plain
from rshub.tensors.writer import write_whole

if TYPE_CHECKING:
    from rshub.evaluation.evaluator import Evaluator

SHOWN = ("method", "objective", "mixture", "dataset", "seed", "steps", "kl")
MOST_SETTINGS = 5
MOST_LINES = 5000


def write_report(
    folder: Path,
    scores: Scores,
    result: Mapping[str, Any],
    *,
    experts: Sequence[ExpertSheet] = (),
    examples: Sequence[Example] = (),
    title: str | None = None,
) -> Path:
    """Write the page as ``index.html`` of a folder, whole or not at all.

    Args:
        folder: Made if it is not there; a page that is there is replaced.
        scores: What was measured.
        result: What ``front`` says of it, with its checks.
        experts: What is known of the experts.
        examples: Answers side by side.
        title: The heading.

    Raises:
        OutputError: It cannot be written.
        MissingExtra: matplotlib is not installed.
    """
    page = folder / FILE_NAME
    write_whole(page, render_report(scores, result, experts=experts, examples=examples, title=title))
    return page


def sheet_of(label: str, candidate: Candidate) -> ExpertSheet:
    """Say what is known of an expert that was looked up."""
    manifest, folder = candidate.manifest, Path(candidate.place)
    at_home = candidate.commit is None
    training: Mapping[str, Any] = manifest.training if manifest else _summary(folder) if at_home else {}
    version = candidate.version.tag if candidate.version else None
    known = [part for part in (version, f"commit {candidate.commit[:8]}" if candidate.commit else None) if part]
    shares = shares_of(training)
    return ExpertSheet(
        label=label,
        place=candidate.place if not at_home else f"not published; the folder {folder.name}",
        version=", ".join(known) or None,
        made_by=None if at_home else f"{candidate.place.partition('/')[0]} (the account that published it)",
        reward=candidate.reward or (next(iter(shares)) if len(shares) == 1 else None),
        direction=manifest.reward.direction if manifest else None,
        spec=manifest.reward.spec if manifest else None,
        description=manifest.reward.description if manifest else None,
        licence=manifest.licence if manifest else None,
        trained=tuple((name, in_words(training[name])) for name in SHOWN if training.get(name) is not None),
        log=_log(folder) if at_home else (),
        trained_on=tuple(name for name, share in shares.items() if share),
    )


def examples_of(
    evaluator: Evaluator,
    settings: Mapping[str, Mapping[str, float]],
    prompts: Sequence[str],
) -> list[Example]:
    """Give what several settings answer to the first prompts, with the first of the random numbers.

    Args:
        evaluator: What measured them; what it remembers is not written again.
        settings: Name of a setting to its coefficients.
        prompts: What was asked; as many examples are made.
    """
    texts = {name: evaluator.completions(coefficients) for name, coefficients in settings.items()}
    return [
        Example(prompt=prompt, answers={name: column[number] for name, column in texts.items()})
        for number, prompt in enumerate(prompts)
    ]


def settings_of(labels: Sequence[str], grid: Sequence[Mapping[str, float]]) -> dict[str, Mapping[str, float]]:
    """Choose the settings whose answers are shown: along lambda for two experts, else each expert and equal parts."""
    if len(labels) == 2:
        last = len(grid) - 1
        places = sorted({round(last * step / (MOST_SETTINGS - 1)) for step in range(MOST_SETTINGS)})
        chosen: list[Mapping[str, float]] = [grid[place] for place in places]
    else:
        chosen = [*({label: 1.0} for label in labels[:MOST_SETTINGS]), dict.fromkeys(labels, 1.0 / len(labels))]
    named: dict[str, Mapping[str, float]] = {"start": {}}
    for coefficients in chosen:
        parts = [f"{label} {value:.3g}" for label, value in coefficients.items() if value]
        named[", ".join(parts) if len(parts) > 1 else f"only {parts[0].rpartition(' ')[0]}"] = coefficients
    return named


def _summary(folder: Path) -> Mapping[str, Any]:
    """Read the summary of a training beside a folder's weights; empty where there is none."""
    shares_beside(folder)  # refuses what is no summary
    return training_beside(folder) or {}


def _log(folder: Path) -> tuple[Mapping[str, Any], ...]:
    """Read the log of a training as far as it is one; a page is not refused for a line that is none.

    Of a long training lines are left out evenly, so that its end is shown too.
    """
    try:
        text = read_plain(folder / LOG).decode("utf-8", "replace")
    except (OSError, RshubError):
        return ()
    lines = []
    for line in _thinned(text.splitlines()):
        try:
            value = json.loads(line, parse_constant=lambda _: None)
        except ValueError:
            continue
        if isinstance(value, dict) and isinstance(value.get("rewards", {}), dict):
            lines.append(value)
    return tuple(lines)


def _thinned(lines: Sequence[str]) -> Sequence[str]:
    """Take ``MOST_LINES`` of more lines, evenly spaced, the first and the last among them."""
    if len(lines) <= MOST_LINES:
        return lines
    return [lines[round(number * (len(lines) - 1) / (MOST_LINES - 1))] for number in range(MOST_LINES)]
