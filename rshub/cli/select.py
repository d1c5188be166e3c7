"""``rshub select``: from a preference over rewards to coefficients, with as few evaluations as a budget allows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import rshub
from rshub.cli.choosing import FILE
from rshub.cli.measuring import measuring_options
from rshub.cli.output import Output, as_argument, output_options, same_hub
from rshub.cli.verb import Verb

_MEASURING = (
    "rshub select org/a org/b --base org/base --budget 8 --reward a=hf:org/judge-a --reward b=hf:org/judge-b "
    '--prompts ./prompts.jsonl --preference "a:2 b:1" --out ./scores.json'
)


@click.command(
    cls=Verb,
    examples=(
        'rshub select --scores ./scores.json --preference "helpful=0.7, concise=0.3"',
        _MEASURING,
    ),
)
@click.argument("experts", metavar="[[NAME=]EXPERT]...", nargs=-1)
@click.option("--preference", metavar="PREFERENCE", required=True, help="What each scored reward counts.")
@click.option("--base", metavar="REPO[@REV]|./DIR", help="The base of the experts.")
@click.option(
    "--budget",
    type=click.IntRange(min=0),
    metavar="M",
    help="New evaluations at most; those that an ended run of the same request left in --out count.  "
    "[default: 8 with a base, else 0]",
)
@click.option("--reward", "rewards", metavar="[NAME=]SPEC", multiple=True, help="What to measure, as for evaluate.")
@click.option("--prompts", metavar="FILE.jsonl|REPO[@REV]:SPLIT", help="What to measure it on.")
@click.option("--scores", type=FILE, metavar="FILE", help="Stored evaluations, read first.")
@click.option("--out", type=FILE, metavar="FILE", help="Keep everything that is known here, and go on from it.")
@click.option(
    "--mapping",
    type=click.Choice(["identity", "payoff", "mixture", "surrogate"]),
    default="surrogate",
    show_default=True,
    help="surrogate searches; the others go by their rule.",
)
@click.option(
    "--units",
    type=click.Choice(["normalised", "raw"]),
    default="normalised",
    show_default=True,
    help="What the preference's numbers are of.",
)
@click.option("--policy", type=FILE, metavar="FILE", help="Bounds on the coefficients.")
@click.option("--extrapolate", is_flag=True, help="Allow a preference with negative numbers and sums other than 1.")
@measuring_options
@output_options()
def select(
    *,
    experts: tuple[str, ...],
    preference: str,
    base: str | None,
    budget: int | None,
    rewards: tuple[str, ...],
    prompts: str | None,
    scores: Path | None,
    out: Path | None,
    mapping: str,
    units: str,
    policy: Path | None,
    extrapolate: bool,
    measuring: Mapping[str, Any],
    endpoint: str | None,
    token: str | None,
    output: Output,
) -> None:
    """Choose coefficients for a preference with few evaluations."""
    with output.progress("selecting", unit="evaluation") as progress:
        chosen = rshub.select(
            preference,
            experts=experts,
            base=base,
            budget=budget,
            rewards=rewards,
            prompts=prompts,
            scores=scores,
            out=out,
            mapping=mapping,
            units=units,
            policy=policy,
            extrapolate=extrapolate,
            **measuring,
            endpoint=endpoint,
            token=token,
            progress=progress,
        )
    value = chosen.to_json()
    mixed = chosen.soup or ", ".join(f"{name}={share!r}" for name, share in chosen.coefficients.items() if share)
    output.show(value, lines=chosen.lines, brief=lambda: [mixed])
    if chosen.spent.new and out is None:
        output.talk("The evaluations were not kept; --out FILE keeps them for whoever comes next.")
    if base is not None:
        output.hint("rshub", "compose", mixed, "--base", base, "--out", "./soup", *same_hub(endpoint))
    elif scores is not None:
        output.hint("rshub", "front", "--scores", as_argument(scores))
