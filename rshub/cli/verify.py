"""``rshub verify``: every digest and every claim that can be checked, one line each."""

from __future__ import annotations

import click

import rshub
from rshub.cli.output import Output, output_options
from rshub.cli.verb import Verb
from rshub.errors import IntegrityError


@click.command(cls=Verb, examples=("rshub verify ./soup",))
@click.argument("target", metavar="REPO|DIR|LOCK.json")
@output_options()
def verify(*, target: str, endpoint: str | None, token: str | None, output: Output) -> None:
    """Check every digest and claim of an expert, a soup or a lock."""
    value = rshub.verify(target, endpoint=endpoint, token=token).to_json()
    checks = value["checks"]
    output.show(
        value,
        lines=lambda: [f"{'ok  ' if check['ok'] else 'FAIL'}  {check['name']}  {check['detail']}" for check in checks],
    )
    if not value["ok"]:
        failed = [check["name"] for check in checks if not check["ok"]]
        raise IntegrityError(
            f"{target}: {len(failed)} of {len(checks)} checks failed: {', '.join(failed)}",
            where=target,
            remedy="do not use it; fetch or compose it again",
        )
