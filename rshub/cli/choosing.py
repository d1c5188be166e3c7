"""What `resolve` and `compose` share: the options that decide which experts are mixed and how much of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from rshub.cli.verb import Verb

_SIGNED_TERM = re.compile(r"-\.?[0-9].*[*=]")


class PreferenceVerb(Verb):
    """A command whose argument is a preference: it may begin with a minus, and it is easily left unquoted."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Let a term with a sign through, and say what to do about a preference that the shell took apart."""
        if "--" not in args:
            args = self._signed_last(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as fault:
            if "unexpected extra argument" not in fault.message:
                raise
            said = fault.message.rstrip(".")
            raise click.UsageError(f"{said}; a preference of several terms stands in quotes", fault.ctx) from fault

    def _signed_last(self, args: Sequence[str]) -> list[str]:
        """Put the terms with a sign behind ``--``, but for those that an option takes as its value."""
        valued = {name for option in self.params if takes_value(option) for name in option.opts}
        taken = [False, *(word in valued for word in args)][: len(args)]
        signed = [not value and bool(_SIGNED_TERM.match(word)) for word, value in zip(args, taken, strict=True)]
        last = [word for word, moved in zip(args, signed, strict=True) if moved]
        first = [word for word, moved in zip(args, signed, strict=True) if not moved]
        return [*first, "--", *last] if last else first


def takes_value(parameter: click.Parameter) -> bool:
    """Say whether the word after this option is its value."""
    return isinstance(parameter, click.Option) and not parameter.is_flag and not parameter.count


def chosen_again(
    *, mapping: str, units: str, scores: Path | None, policy: Path | None, extrapolate: bool
) -> tuple[str, ...]:
    """Repeat the options of choosing for a hint, as far as they were given."""
    words: list[str] = []
    words += ["--mapping", mapping] if mapping != "identity" else []
    words += ["--units", units] if units != "normalised" else []
    words += ["--scores", str(scores)] if scores is not None else []
    words += ["--policy", str(policy)] if policy is not None else []
    return (*words, *(["--extrapolate"] if extrapolate else []))


def choosing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of choosing, but for the base, which each verb asks for in its own way."""
    options = [
        click.option(
            "--mapping",
            type=click.Choice(["identity", "payoff", "mixture", "surrogate"]),
            default="identity",
            show_default=True,
            help="How the preference becomes coefficients.",
        ),
        click.option(
            "--units",
            type=click.Choice(["normalised", "raw"]),
            default="normalised",
            show_default=True,
            help="What the preference's numbers are of.",
        ),
        click.option(
            "--scores",
            type=FILE,
            metavar="FILE|REPO[@REV]",
            help="Measured scores, for a mapping that needs them: a file, or the dataset repo of somebody's "
            "measurements.  [default: what is published on the base]",
        ),
        click.option(
            "--policy",
            type=FILE,
            metavar="FILE.json",
            help='Bounds on the coefficients: {"bounds": {"helpful": {"min": 0, "max": 0.8}}, "deny": ["org/*"]}.',
        ),
        click.option("--extrapolate", is_flag=True, help="Allow negative coefficients and sums other than 1."),
        click.option("--lock", type=FILE, metavar="FILE", help="Write the lock here."),
    ]

    for option in reversed(options):
        command = option(command)
    return command


FILE = click.Path(path_type=Path)
"""A path that the public function judges, so that each fault has one wording."""
