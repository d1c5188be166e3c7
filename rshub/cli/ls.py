"""``rshub ls``: the experts on a hub, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

import rshub
from rshub.cli.output import Output, output_options, table
from rshub.cli.verb import Verb


@click.command(cls=Verb, examples=("rshub ls --base org/base --reward helpful",))
@click.option("--base", metavar="REPO", help="Only experts of this base.")
@click.option("--reward", metavar="NAME", help="Only experts for this reward.")
@click.option("--author", metavar="NAME", help="Only experts of this user or organisation.")
@output_options()
def ls(
    *, base: str | None, reward: str | None, author: str | None, endpoint: str | None, token: str | None, output: Output
) -> None:
    """List the experts on the hub."""
    catalog = rshub.ls(base=base, reward=reward, author=author, endpoint=endpoint, token=token)
    entries = [entry.to_json() for entry in catalog]
    heads = ("REPO", "REWARD", "KIND", "BASE", "RELEASE", "OWN SCORE")
    output.show(
        entries,
        lines=lambda: table(heads, [_row(entry) for entry in entries]) if entries else (),
        brief=lambda: [entry["repo"] for entry in entries],
    )
    for left_out in catalog.discarded:
        output.talk(f"Left out {left_out.repo_id}: {left_out.message}")
    if not entries:
        output.talk("No expert fits; rshub publish adds one.")


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    revision = f"@{entry['base_revision'][:8]}" if entry["base_revision"] else ""
    own = "-" if entry["own_score"] is None else f"{entry['own_score']:.4g} ({entry['direction']})"
    base = f"{entry['base'] or 'unknown'}{revision}"
    return (entry["repo"], entry["reward"], entry["kind"], base, entry["tag"] or "-", own)
