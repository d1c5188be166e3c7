"""``front``: what a set of measured points shows, in figures, in words (``lines``) and in one picture.

Nothing is judged unless ``require`` asks for it, and nothing is drawn unless ``plot`` names a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rshub.errors import Incompatible, InvalidInput
from rshub.formats.fields import nearest
from rshub.fronts import words
from rshub.fronts.check_words import check_lines
from rshub.fronts.checks import check
from rshub.fronts.figures import describe, shortfalls
from rshub.fronts.pictures.front import plot_front
from rshub.preferences.scores import Scores

__all__ = ["check_requirements", "demand", "describe", "front", "lines", "shortfalls"]

REQUIREMENTS = ("connectivity", "coverage")


def front(
    *,
    scores: Path | str | Scores,
    plot: Path | str | None = None,
    require: Sequence[str] = (),
    reference: Path | str | Scores | None = None,
    checks: bool = False,
    x: str | None = None,
    y: str | None = None,
    title: str | None = None,
) -> dict[str, Any]:
    """Describe the front that soups and experts make.

    Args:
        scores: Measured points, or the ``scores.json`` that holds them.
        plot: Where to draw the picture (.png, .svg or .pdf).
        require: ``connectivity`` (no soup below the line between its experts, in any reward) and ``coverage`` (every
            MORL point is matched or beaten in all rewards by one soup or expert).
        reference: Other points, measured on the same rewards, to judge coverage against instead of the MORL points;
            the checks, which say how it went, are then made too.
        checks: Hold the points against every hypothesis and lemma too; the answers come under ``checks``.
        x: The reward on the horizontal axis of the picture (the first one).
        y: The reward on the vertical axis (the second one).
        title: The picture's title.

    Returns:
        box {nadir, ideal}, front, hypervolume, over_staircase, over_polyline, connectivity, morl, and with them rewards
        (directions), points (how many of each kind), reasons and notes; ``checks`` where they were made.

    Raises:
        NotFound: There is no such file.
        InvalidInput: The file, or a name, is wrong.
        Incompatible: A requirement is not met; the figures are fine and the picture is drawn.
    """
    check_requirements(require)
    if not isinstance(scores, Scores):
        scores = Scores.load(scores)
    if reference is not None and not isinstance(reference, Scores):
        reference = Scores.load(reference)
    result = describe(scores)
    if checks or reference is not None:
        result["checks"] = check(scores, reference)
    if plot is not None:
        result["notes"] += plot_front(scores, Path(plot), x=x, y=y, title=title)
    demand(scores, result, require, reference)
    return result


def check_requirements(require: Sequence[str]) -> None:
    """Refuse requirements that are none.

    Raises:
        InvalidInput: A name is not known.
    """
    for name in require:
        if name not in REQUIREMENTS:
            guess = nearest(name[:40], REQUIREMENTS)
            raise InvalidInput(
                f"no requirement {name[:40]!r}" + (f"; did you mean {guess!r}?" if guess else ""),
                where="require",
                remedy=f"one of {', '.join(REQUIREMENTS)}",
            )


def lines(result: Mapping[str, Any]) -> list[str]:
    """Say in plain lines what ``front`` found, the checks included where they were made."""
    return words.lines(result) + list(check_lines(result.get("checks", {}), result["rewards"]))


def demand(scores: Scores, result: Mapping[str, Any], require: Sequence[str], reference: Scores | None = None) -> None:
    """Hold the figures of a front against requirements.

    Args:
        scores: Measured points.
        result: What ``front`` said of them.
        require: See ``front``.
        reference: See ``front``.

    Raises:
        Incompatible: A requirement is not met.
    """
    unmet = shortfalls(scores, result, require, reference)
    if unmet:
        raise Incompatible(
            "front: " + "; ".join(reason["message"] for reason in unmet),
            where=", ".join(reason["code"] for reason in unmet),
            remedy="leave --require out to see the figures alone",
            verdicts=[{"repo": None, "commit": None, "reasons": unmet}],
        )
