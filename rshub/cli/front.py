"""``rshub front``: how good a set of measured points is, and a picture of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

import rshub
from rshub.cli.choosing import FILE
from rshub.cli.output import Output, output_options, sheet
from rshub.cli.verb import Verb


@click.command(cls=Verb, examples=("rshub front --scores ./scores.json --plot ./front.svg --require connectivity",))
@click.option("--scores", type=FILE, metavar="FILE", required=True, help="Measured points, as evaluate writes them.")
@click.option("--plot", type=FILE, metavar="FILE", help="Draw the front here; the suffix decides (png, svg, pdf).")
@click.option(
    "--require",
    type=click.Choice(["connectivity", "coverage"]),
    multiple=True,
    help="Exit with 3 unless this holds; may be repeated.",
)
@output_options(hub=False)
def front(*, scores: Path, plot: Path | None, require: tuple[str, ...], output: Output) -> None:
    """Judge a set of measured soups: front, hypervolume, connectivity."""
    value = rshub.front(scores=scores, plot=plot)
    output.show(value, lines=lambda: sheet(list(_facts(value))))
    if require:
        rshub.front(scores=scores, require=require)


def _facts(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "front", " ".join(f"#{index}" for index in value["front"])
    for name in ("hypervolume", "over_staircase", "over_polyline"):
        yield name.replace("_", " "), _number(value[name])
    for reward, found in (value["connectivity"] or {}).items():
        yield f"connectivity, {reward}", _connected(found)
    if value["morl"] is not None:
        yield "morl hypervolume", _number(value["morl"]["hypervolume"])
        yield "morl dominated", _number(value["morl"]["dominated_share"])


def _connected(found: Mapping[str, Any]) -> str:
    if found["worst_margin"] is None:
        return "unknown"
    at = ", ".join(f"{name}={share:g}" for name, share in found["at"].items())
    return f"worst margin {found['worst_margin']:+.4g} at {at}; {found['share_holding']:.0%} hold"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
