"""``rshub verify``: every digest and every claim that can be checked, one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    output.show(value, lines=lambda: [_line(check) for check in value["checks"]])
    if not value["ok"]:
        failed = [check["name"] for check in value["checks"] if check["ok"] is False]
        raise IntegrityError(
            f"{target}: {len(failed)} of {len(value['checks'])} checks failed: {', '.join(failed)}",
            where=target,
            remedy="do not use it; fetch or compose it again",
        )


def _line(check: Mapping[str, Any]) -> str:
    mark = {True: "ok", False: "FAIL", None: "unknown"}[check["ok"]]
    return f"{mark:7}  {check['name']}: {check['detail']}"
