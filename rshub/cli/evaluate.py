"""``rshub evaluate``: soups times prompts times rewards become scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import rshub
from rshub.cli.choosing import PreferenceVerb
from rshub.cli.measuring import measuring_options
from rshub.cli.output import Output, output_options, size, table
from rshub.evaluation.ledger import Ledger

LARGE = 1_000_000_000
"""Bytes from which on the size of a ledger is worth a line."""


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
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="Write the scores here.")
@click.option("--extrapolate", is_flag=True, help="Allow negative coefficients and sums other than 1.")
@click.option(
    "--ensemble",
    is_flag=True,
    help="Beside each soup measure the average of its experts' predictions, token by token; costs a pass of each.",
)
@click.option("--publish", metavar="REPO", help="Share the measurements in this dataset repo, beside those it holds.")
@click.option("--private", is_flag=True, help="Create that repo private.")
@measuring_options
@output_options()
def evaluate(
    *,
    soups: tuple[str, ...],
    rewards: tuple[str, ...],
    prompts: str,
    base: str | None,
    out: Path | None,
    extrapolate: bool,
    ensemble: bool,
    publish: str | None,
    private: bool,
    measuring: Mapping[str, Any],
    endpoint: str | None,
    token: str | None,
    output: Output,
) -> None:
    """Measure soups: directories, locks or preferences."""
    with output.progress("evaluating", unit="completion") as progress:
        scores = rshub.evaluate(
            soups,
            rewards=rewards,
            prompts=prompts,
            base=base,
            extrapolate=extrapolate,
            ensemble=ensemble,
            **measuring,
            out=out,
            publish=publish,
            private=private,
            endpoint=endpoint,
            token=token,
            progress=progress,
        )
    value = scores.to_json()
    for name, said in value["rewards"].items():
        if "asked" in said:
            output.talk(f"{name}: {said['asked']} is {said['spec']} now")
    output.show(value, lines=lambda: _table(value))
    _tell_size(Ledger.chosen(measuring["ledger"], remember=measuring["remember"]), output)
    if publish is not None:
        went = value["published"]
        output.talk(f"Published {went['repo']} at {went['commit'][:8]}: {', '.join(went['files']) or 'nothing new'}")
    if out is not None:
        output.hint("rshub", "front", "--scores", out)


def _tell_size(ledger: Ledger | None, output: Output) -> None:
    """Say how large the ledger is, once it is large: nothing grows in silence."""
    held = ledger.size() if ledger is not None and output.talking else 0
    if ledger is not None and held > LARGE:
        output.talk(f"The ledger {ledger.folder} holds {size(held)}; delete it whenever you like")


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
