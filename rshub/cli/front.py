"""``rshub front``: how good a set of measured points is, a picture of it, and a page that explains it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import rshub
from rshub.cli.choosing import FILE
from rshub.cli.output import Output, output_options
from rshub.cli.verb import Verb
from rshub.errors import InvalidInput

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
    "--seeds",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    show_default=True,
    help="Completions for each prompt.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use only the first so many prompts.")
@click.option(
    "--max-new-tokens",
    type=click.IntRange(min=1),
    metavar="N",
    default=128,
    show_default=True,
    help="Tokens in a completion at most.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    metavar="T",
    default=1.0,
    show_default=True,
    help="Of the sampling; 0 takes the likeliest token.",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    metavar="N",
    help="Prompts generated together: memory and speed, not the texts.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16", "auto"]),
    default="float32",
    show_default=True,
    help="In which dtype models are loaded; auto takes what is stored.",
)
@click.option("--device", metavar="NAME", help="Where models run.  [default: an accelerator if there is one, else cpu]")
@click.option(
    "--ensemble",
    is_flag=True,
    help="Beside each soup measure the average of its experts' predictions, token by token; costs a pass of each.",
)
@click.option("--ledger", type=FILE, metavar="DIR", help="Where completions and scores are remembered.")
@click.option("--no-ledger", is_flag=True, help="Remember nothing, and use nothing remembered.")
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
@output_options()
def front(
    *,
    experts: tuple[str, ...],
    plot: Path | None,
    report: Path | None,
    out: Path | None,
    reference: Path | None,
    checks: bool,
    ledger: Path | None,
    no_ledger: bool,
    output: Output,
    **asked: Any,
) -> None:
    """Judge a set of measured soups, or measure the soups of some experts first."""
    if ledger is not None and no_ledger:
        raise InvalidInput("--ledger and --no-ledger exclude each other", where="--ledger", remedy="use one of them")
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
            ledger=ledger,
            remember=not no_ledger,
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
