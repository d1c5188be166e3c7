"""What is changed in TRL's trainers: nothing is sent, no card is written, and completions may be cut off at random.

Mixed in before a trainer's own class.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Silent:
    """A trainer without its telemetry, and without its card, which would overwrite ours."""

    def _send_telemetry(self) -> None:
        """Send nothing."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write nothing."""


class CutOff:
    """A trainer whose completions are each cut off at a length of its own, drawn evenly from a range.

    What is drawn depends on seed and step alone, so that a resumed run draws the same. The longest length is the one
    that the trainer generates to; cutting a completion off is the same as having sampled no further.
    """

    shortest: int | None = None

    def _generate_single_turn(self, *args: Any, **named: Any) -> Any:
        made = super()._generate_single_turn(*args, **named)  # type: ignore[misc]
        if self.shortest is None:
            return made
        if isinstance(made, tuple):  # with what a server said of each token, which we do not use
            return (self._cut(made[0]), *made[1:])
        return self._cut(made)

    def _cut(self, completions: list[list[int]]) -> list[list[int]]:
        known: Any = self
        drawn = np.random.default_rng([known.args.seed, known.state.global_step])
        lengths = drawn.integers(known.shortest, known.max_completion_length, size=len(completions), endpoint=True)
        return [tokens[:length] for tokens, length in zip(completions, lengths, strict=True)]
