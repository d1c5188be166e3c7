"""``rshub train``: a recipe becomes an expert."""

from __future__ import annotations

from pathlib import Path

import click

import rshub
from rshub.cli.choosing import FILE
from rshub.cli.output import Output, as_argument, output_options, same_hub
from rshub.cli.verb import Verb


def _overrides(_context: click.Context, parameter: click.Parameter, settings: tuple[str, ...]) -> dict[str, str]:
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


@click.command(cls=Verb, examples=("rshub train recipe.yaml --set seed=1 --output ./helpful --push org/helpful",))
@click.argument("recipe", metavar="RECIPE.yaml", type=FILE)
@click.option(
    "--set",
    "overrides",
    metavar="key=value",
    multiple=True,
    callback=_overrides,
    help="Override one key of the recipe.",
)
@click.option("--output", "folder", metavar="DIR", type=click.Path(path_type=Path), help="Where the adapter goes.")
@click.option("--push", metavar="REPO", help="Publish the expert here once it is trained.")
@click.option("--private", is_flag=True, help="Create that repo private.")
@click.option("--license", "license_", metavar="L", help="The licence to publish under, as the Hub spells it.")
@output_options()
def train(
    *,
    recipe: Path,
    overrides: dict[str, str],
    folder: Path | None,
    push: str | None,
    private: bool,
    license_: str | None,
    endpoint: str | None,
    token: str | None,
    output: Output,
) -> None:
    """Train an expert by a recipe."""
    with output.progress("training", unit="step") as progress:
        done = rshub.train(
            recipe,
            overrides=overrides,
            output=folder,
            push=push,
            private=private,
            license=license_,
            endpoint=endpoint,
            token=token,
            progress=progress,
        )
    output.show(done.to_json(), lines=done.lines, brief=lambda: [str(done.folder)])
    if done.published is None:
        said = ("--reward", done.reward, "--spec", done.spec)
        base = ("--base", "OWNER/BASE") if done.base.repo_id is None else ()
        place = as_argument(done.folder), f"OWNER/{done.reward}"
        output.hint("rshub", "publish", *place, *said, *base, *same_hub(endpoint))
