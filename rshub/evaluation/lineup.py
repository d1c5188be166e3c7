"""The experts of a measurement by label, and what their coefficients mean: a mixture by content, or several voices.

Experts that continue an adapter are anchored to it as the composer does it: the start counts with 1 - sum lambda. One
that experts are stacked on counts once, whatever the coefficients. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rshub.errors import InvalidInput
from rshub.experts.measurements import content_of
from rshub.formats.canonical import digest
from rshub.formats.fields import nearest
from rshub.preferences.preference import INIT, SUM_TOLERANCE
from rshub.soups.lock import Pin, SoupLock
from rshub.types import Digest

Voice = Mapping[Digest, float]
"""One mixture: the coefficient of each expert by the digest of its files. Empty for the base alone."""

Voices = Sequence[tuple[float, Voice]]
"""Mixtures whose predictions are averaged, each with its share; a soup is one voice with the share 1."""


@dataclass(frozen=True, kw_only=True)
class Lineup:
    """Experts that share a start, by label; ``init`` is the adapter that they continue or are stacked on."""

    experts: Mapping[str, Pin] = field(default_factory=dict)
    init: Pin | None = None
    init_kind: str = "adapter"

    @classmethod
    def of_lock(cls, lock: SoupLock) -> Lineup:
        """Give the experts of a lock."""
        return cls(
            experts={expert.label: expert.pin for expert in lock.experts}, init=lock.init, init_kind=lock.init_kind
        )

    @property
    def parts(self) -> dict[Digest, Pin]:
        """Everything that may be mixed, by content; what an expert and the start have in common, as the expert's."""
        pins = [*([self.init] if self.init is not None else []), *self.experts.values()]
        return {content_of(pin.files): pin for pin in pins}

    def voice(self, coefficients: Mapping[str, float]) -> Voice:
        """Say what is mixed under coefficients; ``init`` among them is the share of the start.

        Raises:
            InvalidInput: A label is not known.
        """
        self._refuse_unknown(coefficients)
        values = {label: float(value) for label, value in coefficients.items() if label != INIT}
        mixed: dict[Digest, float] = {}
        for label, value in values.items():
            content = content_of(self.experts[label].files)
            mixed[content] = mixed.get(content, 0.0) + value
        if self.init is not None:
            share = 1.0 if self.init_kind == "stacked" else 1.0 - math.fsum(values.values())
            if abs(share) > SUM_TOLERANCE:
                content = content_of(self.init.files)
                mixed[content] = mixed.get(content, 0.0) + share
        return {content: value for content, value in mixed.items() if value != 0.0}

    def soup(self, coefficients: Mapping[str, float]) -> Voices:
        """Give the one voice of a soup; see ``voice``."""
        return ((1.0, self.voice(coefficients)),)

    def ensemble(self, coefficients: Mapping[str, float]) -> Voices:
        """Give a voice for each expert that counts, and one for the start if it has a share.

        Raises:
            InvalidInput: A label is not known, a coefficient is negative, or they do not sum to 1.
        """
        self._refuse_unknown(coefficients)
        below = [label for label, value in coefficients.items() if not value >= 0.0]
        if below or abs(math.fsum(coefficients.values()) - 1.0) > SUM_TOLERANCE:
            why = f"the coefficient of {below[0]} is negative" if below else "the coefficients do not sum to 1"
            raise InvalidInput(
                f"ensemble: {why}, and what is averaged are probabilities",
                where=below[0] if below else "coefficients",
                remedy="use coefficients of at least 0 that sum to 1; soups may leave that range",
            )
        voices: dict[Digest, tuple[float, Voice]] = {}
        for label, value in coefficients.items():
            if value:
                alone = self.voice({} if label == INIT else {label: 1.0})
                known = digest(sorted(alone.items()))
                voices[known] = (voices[known][0] + value if known in voices else float(value), alone)
        return tuple(voices.values())

    def refuse_outside(self, coefficients: Mapping[str, float]) -> None:
        """Refuse coefficients that only extrapolation gives: negative ones, and sums other than 1 (or nothing at all).

        Raises:
            InvalidInput: They are such.
        """
        below = [label for label, value in coefficients.items() if value < 0.0]
        total = math.fsum(coefficients.values())
        if below or (any(coefficients.values()) and abs(total - 1.0) > SUM_TOLERANCE):
            why = f"the coefficient of {below[0]} is negative" if below else f"the coefficients sum to {total:.6g}"
            raise InvalidInput(
                f"{why}, which extrapolates",
                where=below[0] if below else "coefficients",
                remedy="allow it with extrapolate, or use coefficients of at least 0 that sum to 1",
            )

    def _refuse_unknown(self, coefficients: Mapping[str, float]) -> None:
        for label, value in coefficients.items():
            if label not in self.experts and label != INIT:
                guess = nearest(label, self.experts)
                raise InvalidInput(
                    f"no expert {label!r} is open here" + (f"; did you mean {guess!r}?" if guess else ""),
                    where=label,
                    remedy=f"open: {', '.join(self.experts) or 'none but the base'}",
                )
            if not math.isfinite(value):
                raise InvalidInput(f"the coefficient of {label} is {value}", where=label, remedy="use a number")
