"""``rshub hub``: an embedded hub that the ordinary Hugging Face client talks to, and its users."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from rshub.cli.output import Output, output_options
from rshub.cli.verb import Verb
from rshub.errors import InvalidInput, RshubError
from rshub.formats.fields import nearest

_ROOT = click.option(
    "--root",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default="./rshub-hub",
    show_default=True,
    help="Where the hub keeps everything.",
)


@click.group(invoke_without_command=True)
@click.pass_context
def hub(context: click.Context) -> None:
    """Run a hub of your own, and give it users."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@hub.command(cls=Verb, examples=("rshub hub serve --root ./my-hub --port 8321",))
@_ROOT
@click.option("--host", metavar="H", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65535), default=8321, show_default=True, help="0: any free one."
)
@output_options(hub=False)
def serve(*, root: Path, host: str, port: int, output: Output) -> None:
    """Serve the embedded hub until it is interrupted."""
    from rshub import localhub

    def ready(endpoint: str) -> None:
        output.show(
            {"endpoint": endpoint, "root": str(root.resolve()), "pid": os.getpid()},
            lines=lambda: [
                f"export HF_ENDPOINT={endpoint}",
                f"export HF_TOKEN=$(rshub hub user add me --root {shlex.quote(str(root))})",
            ],
            brief=lambda: [endpoint],
        )
        output.talk(f"Serving {root} at {endpoint}; type the exports in another shell. Ctrl-C ends it.")
        if host not in {"127.0.0.1", "::1", "localhost"}:
            output.talk(
                "Other machines may reach it: public repos are readable by all, and tokens travel in the clear."
            )

    with _told_what_to_do():
        localhub.serve(root, host=host, port=port, on_ready=ready, allow_remote=True)  # a host is only ever typed


@hub.group()
def user() -> None:
    """Give the hub users."""


@user.command(cls=Verb, examples=("export HF_TOKEN=$(rshub hub user add ada --org lab:admin)",))
@click.argument("name", metavar="NAME")
@_ROOT
@click.option(
    "--role",
    type=click.Choice(["read", "write", "admin"]),
    default="write",
    show_default=True,
    help="What the token may do.",
)
@click.option(
    "--org",
    "orgs",
    metavar="ORG[:ROLE]",
    multiple=True,
    help="Make the user a member, as read, contributor, write (if none is said) or admin; may be repeated.",
)
@click.option("--token-stdin", is_flag=True, help="Take the token from stdin instead of making one.")
@output_options(hub=False)
def add(*, name: str, root: Path, role: str, orgs: tuple[str, ...], token_stdin: bool, output: Output) -> None:
    """Add a user, or a token for one, and print the token once."""
    from rshub import localhub

    _check_name(name)
    members = [_membership(org) for org in orgs]
    with _told_what_to_do():
        token = localhub.add_user(
            root,
            name,
            role=role,
            orgs=members,
            token=sys.stdin.readline().strip() if token_stdin else None,
        )
    output.show({"name": name, "token": token}, lines=lambda: [token], brief=lambda: [token])


def _membership(written: str) -> tuple[str, str]:
    """Read ORG[:ROLE]."""
    from rshub.localhub.names import ORG_ROLES

    org, colon, role = written.partition(":")
    _check_name(org)
    if colon and role not in ORG_ROLES:
        guess = nearest(role[:40], ORG_ROLES)
        raise InvalidInput(
            f"--org {written}: there is no role {role!r}" + (f"; did you mean {guess!r}?" if guess else ""),
            where="--org",
            remedy=f"write --org {org}:ROLE with one of {', '.join(ORG_ROLES)}",
        )
    return org, role or "write"


def _check_name(name: str) -> None:
    """Refuse what cannot be the name of a user or an organisation."""
    from rshub.localhub import LocalHubError
    from rshub.localhub.names import check_account_name

    try:
        check_account_name(name)
    except LocalHubError as fault:
        raise InvalidInput(str(fault), where=name, remedy="choose another name, like ada or my-lab") from fault


@contextmanager
def _told_what_to_do() -> Iterator[None]:
    """Bring the embedded hub's own error into the tree; the hub knows nothing of it."""
    from rshub.localhub import LocalHubError

    try:
        yield
    except LocalHubError as fault:
        raise RshubError(str(fault), remedy="choose another --root, --port or name, as the message says") from fault
