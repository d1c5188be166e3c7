"""Checking a card's metadata before it is uploaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from rshub.localhub import cards
from rshub.localhub.errors import bad_request
from rshub.localhub.exchange import Call, json_response, route

_LISTS = ("tags", "datasets", "metrics")


def validate_yaml(call: Call) -> Response:
    """Errors are what would make the card unreadable; warnings what would make it hard to find."""
    content = call.json().get("content")
    if not isinstance(content, str):
        raise bad_request("Expected the card's text as `content`.")
    errors: list[str] = []
    warnings: list[str] = []
    try:
        card = cards.front_matter(content)
    except cards.CardError as error:
        errors.append(str(error))
    else:
        if card is None:
            warnings.append("empty or missing yaml metadata in repo card")
        else:
            errors += _faults(card)
    body = {
        "errors": [{"message": message} for message in errors],
        "warnings": [{"message": message} for message in warnings],
    }
    return json_response(body, 400 if errors else 200)


def _faults(card: Mapping[str, Any]) -> list[str]:
    faults = [f'"{key}" must be an array' for key in _LISTS if not isinstance(card.get(key), list | str | None)]
    faults += [
        f'"{key}" must be a string'
        for key in ("library_name", "pipeline_tag")
        if not isinstance(card.get(key), str | None)
    ]
    results = card.get("model-index")
    if results is not None and not isinstance(results, list):
        faults.append('"model-index" must be an array')
    for number, entry in enumerate(results if isinstance(results, list) else []):
        rows = entry.get("results") if isinstance(entry, dict) else None
        for position, row in enumerate(rows if isinstance(rows, list) else []):
            faults += [
                f'"model-index[{number}].results[{position}].{key}" is required'
                for key in ("task", "dataset")
                if not isinstance(row, dict) or key not in row
            ]
    return faults


ROUTES = [route("/api/validate-yaml", validate_yaml, "POST")]
