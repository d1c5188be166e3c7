"""``--set key=value``: what the verbs that take a recipe share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def set_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the option; it receives ``overrides``, key to value as written."""
    return click.option(
        "--set",
        "overrides",
        metavar="key=value",
        multiple=True,
        callback=_read,
        help="Override one key of the recipe.",
    )(command)


def _read(_context: click.Context, parameter: click.Parameter, settings: tuple[str, ...]) -> dict[str, str]:
    """Read key=value, each key once."""
    found: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{setting!r} is not key=value", param=parameter)
        if key in found:
            raise click.BadParameter(f"{key} is set twice", param=parameter)
        found[key] = value
    return found
