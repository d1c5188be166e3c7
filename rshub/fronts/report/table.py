"""Every model of a page as a row: what it is, its lambda, its rewards with their errors, and where it is best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rshub.fronts.differences import TWO_SIDED
from rshub.fronts.pictures.curve import error_of
from rshub.preferences.preference import INIT
from rshub.preferences.scores import SOUPS, Point, Scores, oriented

MOST_ROWS = 400


def rows_of(scores: Scores, result: Mapping[str, Any], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Lay out every model: what it is, its lambda, its rewards, and where it is best."""
    best = {
        name: max(
            (oriented(p.rewards[name].mean, way) for p in scores.points if p.kind in SOUPS and name in p.rewards),
            default=None,
        )
        for name, way in scores.rewards.items()
    }
    front = set(result["front"])
    rows = []
    for number, point in enumerate(scores.points[:MOST_ROWS]):
        cells = []
        for name, way in scores.rewards.items():
            score = point.rewards.get(name)
            if score is None:
                cells.append({"value": "not measured", "error": "", "best": False})
                continue
            error = error_of(score)
            cells.append({
                "value": f"{score.mean:.4g}",
                "error": f"± {TWO_SIDED * error:.2g}" if error is not None else "",
                "best": point.kind in SOUPS and oriented(score.mean, way) == best[name],
            })  # fmt: skip
        shares = [(point.coefficients or {}).get(label, 0.0) for label in labels]
        rows.append({
            "number": number,
            "what": _what(point),
            "shares": [f"{share:.3g}" if point.coefficients is not None else "" for share in shares],
            "cells": cells,
            "front": number in front,
        })  # fmt: skip
    return rows


def _what(point: Point) -> str:
    if point.vertex is not None:
        return f"expert {point.vertex}"
    names = {
        "init": "start",
        "morl": "trained for a mixture of rewards",
        "ensemble": "experts side by side",
        "soup": "mixture",
        "expert": "expert",
    }
    said = f" ({point.preference})" if point.kind == "morl" and point.preference else ""
    start = (point.coefficients or {}).get(INIT, 0.0)
    return names[point.kind] + said + (f", {start:.3g} of the start" if start else "")
