"""``rshub demo``: the whole story on an embedded hub, small and real."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
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
    help="A new folder for everything.  [default: ./rshub-demo, or the next free number]",
)
@click.option("--fast", is_flag=True, help="Train less; the same story in less time.")
@output_options(hub=False)
def demo(*, out: Path | None, fast: bool, output: Output) -> None:
    """Run the whole story on a hub of its own, small and real."""
    out = out or _free_folder(Path("rshub-demo"))
    os.environ.setdefault("HF_HOME", str(out.resolve() / "cache"))  # read when huggingface_hub is imported
    from rshub.demo.story import run

    def bar(doing: str, unit: str) -> AbstractContextManager[Progress | None]:
        return output.progress(doing, unit=unit)

    told = run(out, fast=fast, say=output.talk, bar=bar, program=_program())
    output.show(told.to_json(), lines=told.lines, brief=lambda: [str(told.out)])


def _free_folder(wanted: Path) -> Path:
    """Give the folder, or the first of its numbered names that is not taken."""
    names = itertools.chain([wanted], (wanted.with_name(f"{wanted.name}-{number}") for number in itertools.count(2)))
    return next(folder for folder in names if not folder.exists())


def _program() -> tuple[str, ...]:
    """Give the words that call this program from a shell: its name where the shell finds it, else its path."""
    started = Path(sys.argv[0]).absolute()
    found = shutil.which("rshub")
    if found is not None and started.exists() and Path(found).samefile(started):
        return ("rshub",)
    return (str(started),) if started.name == "rshub" else (sys.executable, "-m", "rshub")
