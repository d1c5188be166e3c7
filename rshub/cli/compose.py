"""``rshub compose``: a preference or a lock becomes a soup on disk."""

from __future__ import annotations

from pathlib import Path

import click

import rshub
from rshub.cli.choosing import PreferenceVerb, choosing_options
from rshub.cli.output import Output, as_argument, output_options, same_hub


@click.command(
    cls=PreferenceVerb,
    examples=(
        'rshub compose "helpful=0.7, concise=0.3" --base org/base --out ./soup',
        "rshub compose ./soup.lock.json --out ./again",
    ),
)
@click.argument("preference_or_lock", metavar="PREFERENCE|LOCK.json")
@click.option("--base", metavar="REPO[@REV]|./DIR", help="The model that the experts were tuned from; not with a lock.")
@click.option(
    "--out", metavar="DIR", required=True, type=click.Path(path_type=Path), help="The new folder of the soup."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["checkpoint", "adapter"]),
    help="A whole model, or one adapter for the base.  [default: checkpoint, or the lock's own]",
)
@click.option(
    "--method",
    metavar="delta|factor|slerp|ties|dare",
    help="How deltas are mixed; only delta is exact.  [default: delta, or the lock's own]",
)
@click.option(
    "--density",
    type=float,
    metavar="D",
    help="The share of each delta that ties or dare keeps.  [default: 0.2, or 0.5]",
)
@click.option("--seed", type=int, metavar="N", help="What chooses the elements that dare keeps.  [default: 0]")
@click.option("--rank", type=click.IntRange(min=1), metavar="N", help="Truncate the adapter to this rank.")
@click.option("--pad-rank", type=click.IntRange(min=1), metavar="N", help="Pad the adapter with zeros to this rank.")
@click.option(
    "--dtype",
    type=click.Choice(["auto", "bfloat16", "float16", "float32"]),
    help="What numbers are stored as; auto keeps each tensor's own.  [default: auto, or the lock's own]",
)
@click.option(
    "--layout",
    type=click.Choice(["base", "split"]),
    help="Shards as the base has them, or what changes apart from what does not.  [default: base, or the lock's own]",
)
@click.option(
    "--reuse",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Share the untouched files of an earlier split soup of this base instead of writing them again.",
)
@click.option("--hash", "hash_", is_flag=True, help="Take the digest of every input afresh.")
@click.option("--no-digest", is_flag=True, help="Do not take the digests of the output.")
@click.option("--push", metavar="REPO", help="Publish the soup here once it is whole.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and stop.")
@choosing_options
@output_options()
def compose(
    *,
    preference_or_lock: str,
    out: Path,
    format_: str | None,
    method: str | None,
    rank: int | None,
    pad_rank: int | None,
    dtype: str | None,
    density: float | None,
    seed: int | None,
    layout: str | None,
    reuse: Path | None,
    hash_: bool,
    no_digest: bool,
    push: str | None,
    dry_run: bool,
    base: str | None,
    mapping: str,
    units: str,
    scores: Path | None,
    policy: Path | None,
    extrapolate: bool,
    lock: Path | None,
    endpoint: str | None,
    token: str | None,
    output: Output,
) -> None:
    """Compose a soup, from a preference or from a lock."""
    with output.progress("composing") as progress:
        soup = rshub.compose(
            preference_or_lock,
            base=base,
            out=out,
            format=format_,
            method=method,
            rank=rank,
            pad_rank=pad_rank,
            dtype=dtype,
            density=density,
            seed=seed,
            layout=layout,
            reuse=reuse,
            hash=hash_,
            digests=not no_digest,
            push=push,
            mapping=mapping,
            units=units,
            scores=scores,
            policy=policy,
            extrapolate=extrapolate,
            lock=lock,
            dry_run=dry_run,
            progress=progress,
            endpoint=endpoint,
            token=token,
        )
    output.show(soup.to_json(), lines=soup.lines, brief=lambda: [str(out)])
    if not dry_run:
        output.hint("rshub", "verify", as_argument(out), *same_hub(endpoint))
