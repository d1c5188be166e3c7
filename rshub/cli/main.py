"""The program ``rshub``: one group, whose verbs are imported when they are asked for.

Start-up stays light: asking for help imports click and nothing of the rooms below. What goes wrong anywhere ends in
`rshub.cli.edge`; nothing is caught here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

import rshub
from rshub.cli.edge import run
from rshub.cli.verb import HELP
from rshub.formats.fields import nearest

VERBS = (
    "demo",
    "hub",
    "train",
    "train-all",
    "publish",
    "ls",
    "info",
    "resolve",
    "compose",
    "evaluate",
    "front",
    "select",
    "verify",
    "env",
)


START = """
  Start here:
    rshub demo                 the whole story on a hub of your own, small and real
    rshub ls --base org/base   the experts that others published
    rshub compose "helpful=0.7, concise=0.3" --base org/base --out ./soup

  Data goes to stdout, talk to stderr; --json is for programs.
  Exit codes: 0 done, 1 failed, 2 usage, 3 incompatible or the answer is no, 4 refused for
  integrity, 5 not found or no access, 6 network or hub, 130 interrupted.
  HF_ENDPOINT and HF_TOKEN are honoured; RSHUB_DEBUG=1 shows tracebacks.
  Tab completion: eval "$(_RSHUB_COMPLETE=bash_source rshub)", or zsh_source, fish_source.
"""


class Verbs(click.Group):
    """A group whose commands live in files of their own, one for each verb."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the program is for and where to start."""
        super().format_help_text(ctx, formatter)
        formatter.write(START)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the verbs in the order in which a newcomer meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        """Import one verb."""
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(import_module(f"rshub.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that was typed, or name the nearest one."""
        if args[0] not in VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            guess = nearest(args[0], VERBS)
            raise click.UsageError(
                f"No such command {args[0]!r}" + (f"; did you mean {guess!r}?" if guess else ""), ctx
            )
        return super().resolve_command(ctx, args)


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    context_settings={**HELP, "max_content_width": 100},
)
@click.version_option(rshub.__version__, "--version", prog_name="rshub", message="%(prog)s %(version)s")
@click.pass_context
def program(context: click.Context) -> None:
    """Publish one adapter per reward, and compose rewarded soups by preference."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and end the process with its exit code."""
    sys.exit(run(program, sys.argv[1:] if arguments is None else list(arguments)))
