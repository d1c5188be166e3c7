"""``rshub publish``: a folder with an adapter or with weights becomes an expert on the hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import rshub
from rshub.cli.choosing import FILE
from rshub.cli.output import Output, output_options, same_hub, size, table
from rshub.cli.verb import Verb
from rshub.errors import InvalidInput

if TYPE_CHECKING:
    from rshub.experts.publish import Published

MISSING = {"--reward": "reward", "--base": "base", "adapter_config.json: base_model_name_or_path": "base"}
"""Where the fault is when something needed was said nowhere -> the option that says it."""


@click.command(
    cls=Verb,
    examples=(
        "rshub publish ./helpful org/helpful --reward helpful --base org/base --license apache-2.0 --version 1.0.0",
    ),
)
@click.argument("folder", metavar="DIR", type=FILE)
@click.argument("repo", metavar="REPO")
@click.option("--reward", metavar="NAME", help="The reward it was trained for.")
@click.option(
    "--spec",
    metavar="SPEC",
    help="How that reward is computed, for instance metric:rouge1.recall or hf:org/model@rev#label=good.",
)
@click.option("--direction", type=click.Choice(["max", "min"]), help="Whether more is better.  [default: max]")
@click.option("--base", metavar="REPO[@REV]", help="The base it was trained on.  [default: what the adapter says]")
@click.option(
    "--init",
    metavar="base|merged[:REPO]|adapter:REPO[@REV]|stacked:REPO[@REV]",
    help="Where training started: the base, a merged model, an adapter that was continued, or one that stayed frozen "
    "below the new one.  [default: base]",
)
@click.option("--license", "license_", metavar="L", help="The licence of the weights, as the Hub spells it.")
@click.option("--from", "from_file", metavar="expert.yaml", type=FILE, help="Read all of this from a file.")
@click.option("--version", metavar="X.Y.Z", help="Release it under this version.")
@click.option("--private", is_flag=True, help="Create the repo private.")
@click.option("--create-pr", is_flag=True, help="Open a pull request instead of committing.")
@click.option("--dry-run", is_flag=True, help="Say what would go up, and stop.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@output_options()
def publish(
    *,
    folder: Path,
    repo: str,
    reward: str | None,
    spec: str | None,
    direction: str | None,
    base: str | None,
    init: str | None,
    license_: str | None,
    from_file: Path | None,
    version: str | None,
    private: bool,
    create_pr: bool,
    dry_run: bool,
    yes: bool,
    endpoint: str | None,
    token: str | None,
    output: Output,
) -> None:
    """Publish an adapter or weights as the expert for a reward."""
    said: dict[str, Any] = {
        "reward": reward,
        "spec": spec,
        "direction": direction,
        "base": base,
        "init": init,
        "license": license_,
        "from_file": from_file,
        "version": version,
        "private": private,
        "create_pr": create_pr,
        "endpoint": endpoint,
        "token": token,
    }
    if output.asking and not (yes or dry_run):
        plan = _ask_for_what_is_missing(folder, repo, said)
        for line in _lines(plan):
            output.talk(line)
        if not click.confirm("Publish this?", default=True, err=True):
            output.talk("Nothing was published.")
            raise click.exceptions.Exit(1)
    done = rshub.publish(folder, repo, dry_run=dry_run, **said)
    output.show(done.to_json(), lines=lambda: _lines(done), brief=lambda: [_place(done)])
    if done.pr_url is None and not dry_run:
        output.hint("rshub", "info", f"{done.repo}@{done.tag or done.commit}", *same_hub(endpoint))


def _ask_for_what_is_missing(folder: Path, repo: str, said: dict[str, Any]) -> Published:
    """Look at what would be published, asking the person for each thing that was said nowhere."""
    while True:
        try:
            return rshub.publish(folder, repo, dry_run=True, **said)
        except InvalidInput as fault:
            name = MISSING.get(fault.where)
            if name is None or said[name] is not None:
                raise
            said[name] = click.prompt(f"{fault.message}. {name.capitalize()}", err=True)


def _lines(done: Published) -> Iterator[str]:
    yield _place(done) + (f" ({done.tag})" if done.tag and done.commit else "")
    if done.commit is None:
        yield f"nothing was sent; it would be released as {done.tag}" if done.tag else "nothing was sent"
    if done.pr_url is not None:
        yield f"pull request {done.pr_url}"
    yield from done.notes
    yield from table(
        ("FILE", "SIZE", "SHA256"),
        [(name, size(claim.size), claim.sha256[:16]) for name, claim in sorted(done.files.items())],
    )


def _place(done: Published) -> str:
    return f"{done.repo}@{done.commit}" if done.commit else done.repo
