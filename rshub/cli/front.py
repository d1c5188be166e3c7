"""``rshub front``: how good a set of measured points is, and a picture of it."""

from __future__ import annotations

from pathlib import Path

import click

import rshub
from rshub.cli.choosing import FILE
from rshub.cli.output import Output, output_options
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

    def lines() -> list[str]:
        from rshub.fronts.front import lines

        return lines(value)

    output.show(value, lines=lines)
    if require:
        rshub.front(scores=scores, require=require)  # judged last, so that the figures are seen either way
