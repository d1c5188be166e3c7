"""``rshub front``: how good a set of measured points is, a picture of it, and a page that explains it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import rshub
from rshub.cli.choosing import FILE
from rshub.cli.measuring import measuring_options
from rshub.cli.output import Output, output_options
from rshub.cli.verb import Verb

CONTRACT = ("box", "front", "hypervolume", "over_staircase", "over_polyline", "connectivity", "morl")
"""The figures that ``--json`` always has; what cannot be computed is null and then has its reason under ``reasons``."""


@click.command(
    cls=Verb,
    examples=(
        "rshub front --scores ./scores.json --plot ./front.svg --require connectivity",
        "rshub front ada/x ben/y --base world/base --grid 9 --reward metric:length --prompts ./p.jsonl --report ./page",
    ),
)
@click.argument("experts", metavar="[[NAME=]EXPERT]...", nargs=-1)
@click.option("--scores", type=FILE, metavar="FILE", help="Judge these points, as evaluate writes them.")
@click.option("--base", metavar="REPO[@REV]|./DIR", help="Measure the experts on this base.")
@click.option(
    "--grid",
    type=click.IntRange(min=2),
    metavar="N",
    help="How many points a side of the grid has, both experts among them; two experts make N points.",
)
@click.option(
    "--reward",
    "rewards",
    metavar="[NAME=]SPEC",
    multiple=True,
    help="What to measure, as in evaluate; may be repeated.",
)
@click.option("--prompts", metavar="FILE.jsonl|REPO[@REV]:SPLIT", help="What to measure it on.")
@click.option(
    "--ensemble",
    is_flag=True,
    help="Beside each soup measure the average of its experts' predictions, token by token; costs a pass of each.",
)
@click.option("--out", type=FILE, metavar="FILE", help="Write what was measured here.")
@click.option("--plot", type=FILE, metavar="FILE", help="Draw the front here; the suffix decides (png, svg, pdf).")
@click.option("--report", type=FILE, metavar="DIR", help="Write a page there that explains the front to everybody.")
@click.option("--title", metavar="TEXT", help="The title of picture and page.")
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
@click.option(
    "--checks",
    is_flag=True,
    help="Add every hypothesis and lemma to the JSON, under 'checks', and what else is known of the points.",
)
@measuring_options
@output_options()
def front(
    *,
    experts: tuple[str, ...],
    plot: Path | None,
    report: Path | None,
    out: Path | None,
    reference: Path | None,
    checks: bool,
    measuring: Mapping[str, Any],
    output: Output,
    **asked: Any,
) -> None:
    """Judge measured soups, or measure those of some experts first."""
    everything = checks or reference is not None

    def show(value: dict[str, Any]) -> None:
        from rshub.fronts.front import lines

        output.show(value if everything else contract(value), lines=lambda: lines(value))

    with output.progress("measuring", unit="completion") as progress:
        rshub.front(
            experts,
            plot=plot,
            report=report,
            out=out,
            reference=reference,
            checks=everything or output.talking,
            **measuring,
            progress=progress,
            show=show,
            **asked,
        )
    if report is not None:
        output.talk(f"The page is {report / 'index.html'}")


def contract(value: dict[str, Any]) -> dict[str, Any]:
    """Give the figures that were promised, and the reasons of those that are null."""
    kept = {name: value[name] for name in CONTRACT}
    return kept | ({"reasons": value["reasons"]} if value["reasons"] else {})
