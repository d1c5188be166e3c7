"""The page of a front: one HTML file for people who decide, without being specialists, which mixture to use.

Everything is in the one file: pictures are SVG in data addresses, the style is inline and pinned by its digest in the
content security policy, which allows nothing else; there is no script, no font, no link to load. What others wrote
(names, descriptions, prompts, answers) is text and stays text: it is escaped, and marks that turn or hide what a reader
sees are written out. The same input gives the same bytes.

Refused: nothing of what was measured; a picture that cannot be drawn is left out, and the page says why.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from rshub.fronts.front import lines
from rshub.fronts.report.answers import answers
from rshub.fronts.report.gallery import Picture, picture_of_training, pictures_of
from rshub.fronts.report.gaps import in_short, unmeasured
from rshub.fronts.report.table import MOST_ROWS, rows_of
from rshub.fronts.report.values import Example, ExpertSheet
from rshub.preferences.preference import INIT
from rshub.preferences.scores import Scores

NOT_STATED = "not stated"
LONGEST = 4000
"""Letters of a prompt or an answer that are shown; the page says where something was cut."""
_HIDING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINERS = {"\n", "\t", "\u200c", "\u200d"}


def render_report(
    scores: Scores,
    result: Mapping[str, Any],
    *,
    experts: Sequence[ExpertSheet] = (),
    examples: Sequence[Example] = (),
    title: str | None = None,
) -> bytes:
    """Render the page.

    Args:
        scores: What was measured.
        result: What ``front`` says of it, with its checks.
        experts: What is known of the experts; those that have no sheet are listed by their names alone.
        examples: Answers side by side.
        title: The heading.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("rshub.fronts.report"),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_readable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    about_others = [note for note in result["notes"] if not note.startswith("picture:")]  # the page draws its own
    result = {**result, "notes": about_others}
    style = environment.get_template("report.css").render()
    code = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    gallery = pictures_of(scores, result, {sheet.label: sheet.log for sheet in experts if sheet.log})
    sheets = _sheets(scores, experts)
    said = answers(result["checks"])
    mixed = _mixed(scores)
    page = environment.get_template("report.html").render(
        title=title or f"Mixtures of {len(mixed)} experts",
        style=style,
        style_digest=code,
        summary=in_short(scores, result, said),
        rewards=_rewards(scores),
        sheets=sheets,
        pictures=gallery.pictures,
        missing=gallery.missing,
        heads=mixed,
        rows=rows_of(scores, result, mixed),
        cut=max(0, len(scores.points) - MOST_ROWS),
        examples=[_shortened(example) for example in examples],
        answers=said,
        unmeasured=unmeasured(scores, result),
        specialists=lines(result),
        facts=_facts(scores),
        not_stated=NOT_STATED,
    )
    return page.encode("utf-8")


def _readable(value: Any) -> Any:
    """Write out what would hide from a reader or turn the text around; None is what nobody stated."""
    if value is None:
        return NOT_STATED
    if not isinstance(value, str) or value.isprintable():
        return value
    kept = type(value)  # what is markup already stays so
    return kept("".join(letter if _seen(letter) else f"\\u{ord(letter):04x}" for letter in value))


def _seen(letter: str) -> bool:
    return letter in _JOINERS or unicodedata.category(letter) not in _HIDING


def _sheets(scores: Scores, experts: Sequence[ExpertSheet]) -> list[tuple[ExpertSheet, Picture | None]]:
    """Give the sheet of every expert that was mixed, then the other sheets, each with the picture of its training."""
    known = {sheet.label: sheet for sheet in experts}
    labels = list(dict.fromkeys([*_mixed(scores), *known]))
    found = []
    for label in labels:
        sheet = known.get(label, ExpertSheet(label=label))
        found.append((sheet, picture_of_training(sheet)))
    return found


def _mixed(scores: Scores) -> list[str]:
    """List the experts in the coefficients, those named like rewards in their order first."""
    named = list(dict.fromkeys(name for point in scores.points for name in point.coefficients or {} if name != INIT))
    order = [*scores.rewards, *named]
    return sorted(named, key=order.index)


def _rewards(scores: Scores) -> list[dict[str, Any]]:
    details = scores.unknown_of_rewards
    return [
        {
            "name": name,
            "better": "lower is better" if direction == "min" else "higher is better",
            "spec": None if details.get(name, {}).get("spec") is None else _in_words(details[name]["spec"]),
        }
        for name, direction in scores.rewards.items()
    ]


def _shortened(example: Example) -> dict[str, Any]:
    return {
        "prompt": _cut(example.prompt),
        "answers": [
            (name, _cut(text) if text.strip() else "(an empty answer)") for name, text in example.answers.items()
        ],
    }


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} […cut here, {len(text) - LONGEST} letters more]"


def _facts(scores: Scores) -> list[tuple[str, str]]:
    """List what the scores say of themselves: base, prompts, sampling, and whatever else was written there."""
    known = [("kinds of models", _kinds(scores))]
    return known + [(name.replace("_", " "), _in_words(value)) for name, value in scores.unknown.items()]


def _kinds(scores: Scores) -> str:
    """Count the models of each kind."""
    kinds = [point.kind for point in scores.points]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)) or "none"


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return _cut(", ".join(f"{name} {_in_words(inner)}" for name, inner in value.items()))
    if isinstance(value, list | tuple):
        return _cut(", ".join(map(_in_words, value)))
    return f"{value:.6g}" if isinstance(value, float) else _cut(str(value))
