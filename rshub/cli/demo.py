"""``rshub demo``: the whole story on an embedded hub, small and real."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import click

from rshub.cli.output import Output, Progress, output_options
from rshub.cli.verb import Verb


@click.command(cls=Verb, examples=("rshub demo --out ./rshub-demo --fast",))
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default="./rshub-demo",
    show_default=True,
    help="Where everything goes.",
)
@click.option("--fast", is_flag=True, help="Train less; the same story in less time.")
@output_options(hub=False)
def demo(*, out: Path, fast: bool, output: Output) -> None:
    """Run the whole story on a hub of its own, small and real."""
    from rshub.demo.story import run

    def bar(doing: str, unit: str) -> AbstractContextManager[Progress | None]:
        return output.progress(doing, unit=unit)

    told = run(out, fast=fast, say=output.talk, bar=bar)
    output.show(told.to_json(), lines=told.lines, brief=lambda: [str(told.out)])
