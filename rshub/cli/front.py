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
@click.option(
    "--reference",
    type=FILE,
    metavar="FILE",
    help="Judge coverage against these points instead of the MORL points; implies --checks.",
)
@click.option("--checks", is_flag=True, help="Add every hypothesis and lemma to the JSON, under 'checks'.")
@output_options(hub=False)
def front(
    *,
    scores: Path,
    plot: Path | None,
    require: tuple[str, ...],
    reference: Path | None,
    checks: bool,
    output: Output,
) -> None:
    """Judge a set of measured soups: front, hypervolume, connectivity."""
    from rshub.fronts.front import demand, lines
    from rshub.preferences.scores import Scores

    measured = Scores.load(scores)
    others = Scores.load(reference) if reference is not None else None
    wanted = checks or not (output.as_json or output.quiet)
    value = rshub.front(scores=measured, plot=plot, reference=others, checks=wanted)
    output.show(value, lines=lambda: lines(value))
    demand(measured, value, require, others)  # judged last, so that the figures are seen either way
