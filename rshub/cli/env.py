"""``rshub env``: what a bug report needs to say; never a token."""

from __future__ import annotations

import click

import rshub
from rshub.cli.output import Output, output_options, sheet
from rshub.cli.verb import Verb


@click.command(cls=Verb, examples=("rshub env --json",))
@output_options()
def env(*, endpoint: str | None, token: str | None, output: Output) -> None:  # noqa: ARG001 - shared, and never shown
    """Show versions, endpoint and cache, for bug reports."""
    facts = rshub.env(endpoint=endpoint)
    rows = {name: value for name, value in facts.items() if name != "packages"} | facts["packages"]
    output.show(
        facts, lines=lambda: sheet([(name, "-" if value is None else str(value)) for name, value in rows.items()])
    )
