"""``rshub train-all``: a recipe becomes an expert for each reward, and mixtures to compare soups with."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

import rshub
from rshub.cli.choosing import FILE
from rshub.cli.output import SECONDS_BETWEEN_LINES, Output, as_argument, output_options
from rshub.cli.overriding import set_option
from rshub.cli.verb import Verb
from rshub.errors import RshubError

if TYPE_CHECKING:
    from rshub.evaluation.executors import Event

ALL, NONE = "all", "none"


@click.command(
    cls=Verb,
    examples=(
        "rshub train-all recipe.yaml --output ./runs --morl 5 --executor process --devices 0,1",
        "rshub train-all recipe.yaml --output ./runs --experts none --mixture helpful=0.5,concise=0.5",
    ),
)
@click.argument("recipe", metavar="RECIPE.yaml", type=FILE)
@set_option
@click.option(
    "--output",
    "folder",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="Where all runs go; what is there by the same recipe is kept.",
)
@click.option(
    "--experts", metavar="NAME", multiple=True, help="A reward that gets an expert, or all or none.  [default: all]"
)
@click.option(
    "--morl", metavar="N", type=int, default=0, help="Train on so many mixtures of all rewards too, spread evenly."
)
@click.option("--mixture", "mixtures", metavar="A=0.5,B=0.5", multiple=True, help="Train on this mixture too.")
@click.option("--seeds", metavar="N", type=int, default=1, help="Experts for each reward.  [default: 1]")
@click.option(
    "--executor",
    type=click.Choice(["serial", "process"]),
    default="serial",
    help="One run after the other in this process, or several at once.  [default: serial]",
)
@click.option("--jobs", metavar="N", type=int, help="Processes at once.  [default: one for each device, or core]")
@click.option("--devices", metavar="0,1", default="", help="The accelerators, one for each process.  [default: all]")
@click.option(
    "--push-prefix", metavar="OWNER/NAME", help="Publish each run to the repo of this name with -RUN after it."
)
@click.option("--private", is_flag=True, help="Create these repos private.")
@click.option("--license", "license_", metavar="L", help="The licence to publish under, as the Hub spells it.")
@output_options()
def train_all(
    *,
    recipe: Path,
    overrides: dict[str, str],
    folder: Path,
    experts: tuple[str, ...],
    morl: int,
    mixtures: tuple[str, ...],
    seeds: int,
    executor: str,
    jobs: int | None,
    devices: str,
    push_prefix: str | None,
    private: bool,
    license_: str | None,
    endpoint: str | None,
    token: str | None,
    output: Output,
) -> None:
    """Train every expert of a recipe, and mixtures to compare with."""
    done = rshub.train_all(
        recipe,
        overrides=overrides,
        output=folder,
        experts=_named(experts),
        morl=morl,
        mixtures=mixtures,
        seeds=seeds,
        executor="process" if executor == "process" else "serial",
        jobs=jobs,
        devices=tuple(filter(None, devices.split(","))),
        push_prefix=push_prefix,
        private=private,
        license=license_,
        endpoint=endpoint,
        token=token,
        progress=_told(output),
    )
    output.show(done.to_json(), lines=done.lines, brief=lambda: [str(run.folder) for run in done.runs])
    if done.failed:
        first = done.failed[0]
        raise RshubError(
            f"{len(done.failed)} of {len(done.runs)} runs failed, {first.run.name} because: {first.message}",
            where=str(first.log),
            remedy=f"{first.remedy}; then run this again: what is done is kept" if first.remedy else f"see {first.log}",
        )
    output.hint("rshub", "evaluate", *(as_argument(path) for path in done.folders().values()), "--reward", "SPEC")


def _named(experts: tuple[str, ...]) -> tuple[str, ...] | None:
    """Give the rewards that were named; None for all of them."""
    if experts in {(), (ALL,)}:
        return None
    if experts == (NONE,):
        return ()
    if mixed := {ALL, NONE} & set(experts):
        raise click.BadParameter(f"{mixed.pop()!r} stands alone, or names are given", param_hint="--experts")
    return experts


def _told(output: Output) -> Callable[[Event], None]:
    """Give a callback that says what happens, and how far each run is every few seconds."""
    last: dict[str, float] = {}

    def tell(event: Event) -> None:
        now = time.monotonic()
        if event.what != "step":
            output.talk(f"{event.job}: {event.what}" + (f": {event.message}" if event.message else ""))
            last[event.job] = now
        elif event.step is not None and now - last.get(event.job, 0.0) >= SECONDS_BETWEEN_LINES:
            last[event.job] = now
            output.talk(f"{event.job}: {event.step[0]} of {event.step[1]} steps")

    return tell
