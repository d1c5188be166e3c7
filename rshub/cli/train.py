"""``rshub train``: a recipe becomes an expert."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import rshub
from rshub.cli.choosing import FILE
from rshub.cli.output import Output, as_argument, output_options, same_hub
from rshub.cli.overriding import set_option
from rshub.cli.verb import Verb
from rshub.training.runs.crew import crew
from rshub.training.runs.log_file import in_brief

if TYPE_CHECKING:
    from rshub.experts.base_identity import BaseIdentity


@click.command(cls=Verb, examples=("rshub train recipe.yaml --set seed=1 --output ./helpful --push org/helpful",))
@click.argument("recipe", metavar="RECIPE.yaml", type=FILE)
@set_option
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
    output = output if crew().leads else Output(quiet=True)
    with output.progress("training", unit="step") as tell:

        def follow(line: Mapping[str, Any]) -> None:
            if tell is not None:
                tell(line["step"], line["steps"], in_brief(line))

        done = rshub.train(
            recipe,
            overrides=overrides,
            output=folder,
            push=push,
            private=private,
            license=license_,
            endpoint=endpoint,
            token=token,
            on_log=follow,
        )
    if not crew().leads:  # one process of several speaks
        return
    output.show(done.to_json(), lines=done.lines, brief=lambda: [str(done.folder)])
    if done.published is None:
        said = ("--reward", done.reward, *(("--spec", done.spec) if done.spec else ()))
        base = _base(done.base, whole=done.training["settings"].get("artefact") == "full")
        place = as_argument(done.folder), f"OWNER/{done.reward}"
        output.hint("rshub", "publish", *place, *said, *base, *same_hub(endpoint))


def _base(base: BaseIdentity, *, whole: bool) -> tuple[str, ...]:
    """Name the base in a hint, where an expert does not name it itself: an adapter names a repo."""
    if base.repo_id is None:
        return ("--base", "OWNER/BASE")
    return ("--base", f"{base.repo_id}@{base.revision}") if whole else ()
