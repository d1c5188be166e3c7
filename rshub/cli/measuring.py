"""What `evaluate`, `front` and `select` share: the options that say how texts are sampled, where, and what is kept."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from rshub.cli.choosing import FILE
from rshub.errors import InvalidInput
from rshub.evaluation.sampling import BATCH

_NAMES = ("seeds", "limit", "max_new_tokens", "temperature", "batch", "dtype", "device")


def measuring_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of measuring; it receives them as ``measuring``, by the names its function takes."""
    options = [
        click.option(
            "--seeds",
            type=click.IntRange(min=1),
            metavar="N",
            default=1,
            show_default=True,
            help="Completions for each prompt.",
        ),
        click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use only the first so many prompts."),
        click.option(
            "--max-new-tokens",
            type=click.IntRange(min=1),
            metavar="N",
            default=128,
            show_default=True,
            help="Tokens in a completion at most.",
        ),
        click.option(
            "--temperature",
            type=click.FloatRange(min=0),
            metavar="T",
            default=1.0,
            show_default=True,
            help="Of the sampling; 0 takes the likeliest token.",
        ),
        click.option(
            "--batch",
            type=click.IntRange(min=1),
            metavar="N",
            default=BATCH,
            show_default=True,
            help="Prompts generated together: memory and speed, not the texts.",
        ),
        click.option(
            "--dtype",
            type=click.Choice(["float32", "bfloat16", "float16", "auto"]),
            default="float32",
            show_default=True,
            help="In which dtype models are loaded; auto takes what is stored.",
        ),
        click.option(
            "--device", metavar="NAME", help="Where models run.  [default: an accelerator if there is one, else cpu]"
        ),
        click.option(
            "--ledger",
            type=FILE,
            metavar="DIR",
            help="Where completions and scores are remembered, so that a reward added later costs no generation; "
            "delete it whenever you like.  [default: $RSHUB_CACHE/ledger or ~/.cache/rshub/ledger]",
        ),
        click.option("--no-ledger", is_flag=True, help="Remember nothing, and use nothing remembered."),
    ]

    @functools.wraps(command)
    def verb(**given: Any) -> None:
        measuring = {name: given.pop(name) for name in _NAMES}
        ledger, no_ledger = given.pop("ledger"), given.pop("no_ledger")
        if ledger is not None and no_ledger:
            raise InvalidInput("--ledger and --no-ledger exclude each other", where="--ledger", remedy="use one")
        command(measuring=measuring | {"ledger": ledger, "remember": not no_ledger}, **given)

    for option in reversed(options):
        verb = option(verb)
    return verb
