"""``rshub evaluate``: soups times prompts times rewards become scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import rshub
from rshub.cli.choosing import PreferenceVerb
from rshub.cli.output import Output, output_options, table


@click.command(
    cls=PreferenceVerb,
    examples=("rshub evaluate ./soup --reward metric:length --prompts ./prompts.jsonl --out ./scores.json",),
)
@click.argument("soups", metavar="SOUP...", nargs=-1, required=True)
@click.option(
    "--reward",
    "rewards",
    metavar="[NAME=]SPEC",
    multiple=True,
    required=True,
    help="What to measure: metric:NAME, lexicon:vader, hf:OWNER/MODEL[@REV][#label=...], entrypoint:NAME, or a sum "
    "such as 0.5*metric:rouge_l - hf:org/toxicity#label=toxic; may be repeated.",
)
@click.option("--prompts", metavar="FILE.jsonl|REPO[@REV]:SPLIT", required=True, help="What to measure it on.")
@click.option("--base", metavar="REPO[@REV]|./DIR", help="The base, for soups given as preferences.")
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    show_default=True,
    help="Completions for each prompt.",
)
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="Write the scores here.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Use only the first so many prompts.")
@click.option(
    "--max-new-tokens",
    type=click.IntRange(min=1),
    metavar="N",
    default=128,
    show_default=True,
    help="Tokens in a completion at most.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    metavar="T",
    default=1.0,
    show_default=True,
    help="Of the sampling; 0 takes the likeliest token.",
)
@click.option("--extrapolate", is_flag=True, help="Allow negative coefficients and sums other than 1.")
@output_options()
def evaluate(
    *,
    soups: tuple[str, ...],
    rewards: tuple[str, ...],
    prompts: str,
    base: str | None,
    seeds: int,
    out: Path | None,
    limit: int | None,
    max_new_tokens: int,
    temperature: float,
    extrapolate: bool,
    endpoint: str | None,
    token: str | None,
    output: Output,
) -> None:
    """Measure soups: directories, locks or preferences."""
    with output.progress("evaluating", unit="soup") as progress:
        scores = rshub.evaluate(
            soups,
            rewards=rewards,
            prompts=prompts,
            base=base,
            seeds=seeds,
            limit=limit,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            extrapolate=extrapolate,
            out=out,
            endpoint=endpoint,
            token=token,
            progress=progress,
        )
    value = scores.to_json()
    for name, said in value["rewards"].items():
        if "asked" in said:
            output.talk(f"{name}: {said['asked']} is {said['spec']} now")
    output.show(value, lines=lambda: _table(value))
    if out is not None:
        output.hint("rshub", "front", "--scores", out)


def _table(scores: Mapping[str, Any]) -> list[str]:
    names = list(scores["rewards"])
    heads = ("POINT", *(f"{name} ({scores['rewards'][name]['direction']})" for name in names))
    return table(
        heads, [(_label(point), *(_cell(point["rewards"].get(name)) for name in names)) for point in scores["points"]]
    )


def _label(point: Mapping[str, Any]) -> str:
    known = point.get("label") or point.get("preference")
    mixed = ", ".join(f"{name}={share:g}" for name, share in (point.get("coefficients") or {}).items())
    return f"{point['kind']} {known or mixed}".rstrip()


def _cell(measured: Any) -> str:
    if measured is None:
        return "-"
    if not isinstance(measured, dict):
        return f"{measured:.4g}"
    error = f" ± {measured['stderr']:.2g}" if measured.get("stderr") is not None else ""
    return f"{measured['mean']:.4g}{error}"
