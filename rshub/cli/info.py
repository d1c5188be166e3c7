"""``rshub info``: what one expert says of itself, as a sheet."""

from __future__ import annotations

import click

import rshub
from rshub.cli.output import Output, output_options
from rshub.cli.verb import Verb


@click.command(cls=Verb, examples=("rshub info org/helpful@v1.0.0",))
@click.argument("repo", metavar="REPO[@REV]")
@output_options()
def info(*, repo: str, endpoint: str | None, token: str | None, output: Output) -> None:
    """Show what an expert says of itself."""
    found = rshub.info(repo, endpoint=endpoint, token=token)
    value = found.to_json()
    output.show(value, lines=found.lines, brief=lambda: [value["repo"]])
