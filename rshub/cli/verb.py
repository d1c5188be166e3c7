"""What a verb is: a command with an example in its help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
"""How help is asked for, of the program and of each verb."""


class Verb(click.Command):
    """A command that shows how it is used before it lists its options.

    Args:
        examples: Command lines as a person types them.
    """

    def __init__(self, *args: Any, examples: Sequence[str], **settings: Any) -> None:
        super().__init__(*args, **{"context_settings": HELP, **settings})
        self.examples = tuple(examples)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the verb does, then the examples as they stand."""
        super().format_help_text(ctx, formatter)
        formatter.write("\n  Example:\n" if len(self.examples) == 1 else "\n  Examples:\n")
        for example in self.examples:
            formatter.write(f"    {example}\n")
