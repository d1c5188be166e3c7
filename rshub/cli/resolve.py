"""``rshub resolve``: which experts a preference would mix, which not and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import rshub
from rshub.cli.choosing import PreferenceVerb, choosing_options, chosen_again
from rshub.cli.output import Output, as_argument, output_options, same_hub

if TYPE_CHECKING:
    from rshub.soups.resolve import Resolution


@click.command(
    cls=PreferenceVerb, examples=('rshub resolve "helpful=0.7, concise=0.3" --base org/base --lock ./soup.lock.json',)
)
@click.argument("preference", metavar="PREFERENCE")
@click.option("--base", metavar="REPO[@REV]|./DIR", required=True, help="The model that the experts were tuned from.")
@choosing_options
@output_options()
def resolve(
    *,
    preference: str,
    base: str,
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
    """Choose the experts for a preference, and say why."""
    found = rshub.resolve(
        preference,
        base=base,
        mapping=mapping,
        units=units,
        scores=scores,
        policy=policy,
        extrapolate=extrapolate,
        lock=lock,
        endpoint=endpoint,
        token=token,
    )
    output.show(found.to_json(), lines=found.lines, brief=lambda: [_pinned(found)])
    if lock is not None:
        output.hint("rshub", "compose", as_argument(lock), "--out", "./soup", *same_hub(endpoint))
    else:
        more = chosen_again(mapping=mapping, units=units, scores=scores, policy=policy, extrapolate=extrapolate)
        output.hint("rshub", "compose", preference, "--base", base, *more, "--out", "./soup", *same_hub(endpoint))


def _pinned(found: Resolution) -> str:
    """Write the resolution as a preference that names each expert at its commit."""
    from rshub.preferences.preference import Preference, PreferenceTerm

    terms = tuple(
        PreferenceTerm(
            name=chosen.place,
            kind="repo" if chosen.commit else "directory",
            revision=chosen.commit,
            value=found.coefficients[label],
        )
        for label, chosen in found.chosen.items()
    )
    return str(Preference(terms=terms, init=found.preference.init))
