"""One base measured in any mixture of its experts: opened once with prompts and rewards, then coefficients are points.

Experts are looked up, judged and pinned as a preference would do it, but fetched and loaded only when a text has to be
written: what the ledger knows costs neither. Fronts, selection and reproductions measure through here; ``evaluate``,
whose soups may lie on several bases, uses the same meter without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rshub.errors import InvalidInput
from rshub.evaluation.base_content import base_content
from rshub.evaluation.ledger import Ledger
from rshub.evaluation.lineup import Lineup
from rshub.evaluation.meter import Meter, Told
from rshub.evaluation.points import kind_of, scores_of
from rshub.evaluation.sampling import Sampling
from rshub.evaluation.trained_on import trained_on
from rshub.evaluation.workbench import Workbench
from rshub.experts.base_identity import identify_base
from rshub.formats.address import RepoAddress, as_typed, parse_address
from rshub.hub.client import Hub
from rshub.preferences.preference import INIT, PreferenceTerm
from rshub.preferences.scores import Point, Scores
from rshub.prompts.prompt import PromptSet
from rshub.rewards.spec import Reward
from rshub.soups.candidates import look_up
from rshub.soups.choose import choose
from rshub.soups.lock import Pin
from rshub.soups.pin import pin_base, pin_expert, pin_init

_DEFAULT = Sampling()


class Evaluator:
    """Measures any mixture of some experts; made by ``open``.

    Args:
        base: The base.
        lineup: The experts by label, with their start.
        meter: Measures on this base, prompts and rewards.
        mixtures: What the experts were trained on, by label.
        extrapolate: Whether coefficients may be negative or sum to something else than 1.
    """

    def __init__(
        self,
        *,
        base: Pin,
        lineup: Lineup,
        meter: Meter,
        mixtures: Mapping[str, Mapping[str, float]] | None = None,
        extrapolate: bool = False,
    ) -> None:
        self.base = base
        self.lineup = lineup
        self._meter = meter
        self._mixtures = mixtures or {}
        self._extrapolate = extrapolate

    @classmethod
    def open(
        cls,
        experts: Mapping[str, str | Path],
        *,
        base: str,
        rewards: Mapping[str, Reward],
        prompts: PromptSet,
        sampling: Sampling = _DEFAULT,
        ledger: Ledger | None = None,
        endpoint: str | None = None,
        token: str | None = None,
        extrapolate: bool = False,
        dtype: str = "float32",
        device: str | None = None,
        told: Told | None = None,
    ) -> Evaluator:
        """Look up a base and its experts.

        Args:
            experts: Label to expert; a label names its coefficient, by default a reward's name. An expert is
                ``owner/repo[@revision]`` or a folder, an adapter or whole weights.
            base: ``owner/name[@revision]`` or a folder.
            rewards: Name to reward; all are scored on the same texts.
            prompts: What the models are asked.
            sampling: How texts are sampled.
            ledger: What was measured before; None remembers nothing.
            endpoint: The hub's address.
            token: Who is asking.
            extrapolate: Allow negative coefficients and sums other than 1.
            dtype: In which dtype the base is loaded: float32, bfloat16, float16, or auto for what is stored.
            device: Where to; an accelerator if there is one.
            told: Told how many completions were just written or found.

        Raises:
            InvalidInput: An expert is named wrongly, or a label is ``init``.
            Incompatible: The experts do not fit the base or one another.
            IntegrityError: Files that are not what they claim.
            NotFound: Something is not there.
            MissingExtra: The model libraries are not installed.
        """
        hub = Hub(endpoint, token)
        identity = identify_base(str(base), hub)
        named = {label: look_up(_term(label, place), identity, hub, None) for label, place in experts.items()}
        choose({}, list(named.values()))
        pins = {label: pin_expert(candidate, hub) for label, candidate in named.items()}
        start = pin_init(named, hub)
        lineup = Lineup(experts=pins, init=start[0], init_kind=start[1]) if start else Lineup(experts=pins)
        at = pin_base(identity)
        meter = Meter(
            base=base_content(at, hub),
            workbench=Workbench(at, lineup.parts, hub, dtype=dtype, device=device),
            prompts=prompts,
            rewards={name: reward.pin(hub) for name, reward in rewards.items()},
            sampling=sampling,
            ledger=ledger,
            told=told,
        )
        mixtures = {label: trained_on(candidate) for label, candidate in named.items()}
        return cls(base=at, lineup=lineup, meter=meter, mixtures=mixtures, extrapolate=extrapolate)

    def point(
        self,
        coefficients: Mapping[str, float],
        *,
        kind: str | None = None,
        preference: str | None = None,
    ) -> Point:
        """Measure a mixture of weights.

        Args:
            coefficients: Label to lambda; a label that is absent counts as zero, and ``init`` is the share of the
                start. Empty ones are the start itself.
            kind: What the point is, where its coefficients do not say it: ``morl`` for a model of mixed rewards, which
                is named with the coefficient 1 and then stands in the scores without coefficients.
            preference: What was asked for.

        Raises:
            InvalidInput: A label that was not opened, coefficients that need ``extrapolate``, or nothing could be
                scored.
            Incompatible: A base without a chat template for conversations, or weights that overflow.
            RshubError: A reward or the device failed.
        """
        if not self._extrapolate:
            self.lineup.refuse_outside(coefficients)
        return Point(
            kind=kind or kind_of(coefficients),
            coefficients=None if kind == "morl" else dict(coefficients),
            preference=preference,
            mixture=self._trained_on(coefficients),
            rewards=self._meter.measure(self.lineup.soup(coefficients)),
        )

    def ensemble(self, coefficients: Mapping[str, float]) -> Point:
        """Measure the average of the experts' predictions under the coefficients, token by token.

        That is the costly reference that soups are held against: every expert runs for every token.
        Source: Rewarded soups, arXiv 2306.04488, figure 4c.

        Raises:
            InvalidInput: A coefficient is negative, or they do not sum to 1; otherwise as for ``point``.
        """
        measured = self._meter.measure(self.lineup.ensemble(coefficients))
        return Point(kind="ensemble", coefficients=dict(coefficients), rewards=measured)

    def completions(self, coefficients: Mapping[str, float], *, seed: int = 0) -> tuple[str, ...]:
        """Give what a mixture writes, a text for each prompt; errors as for ``point``."""
        if not self._extrapolate:
            self.lineup.refuse_outside(coefficients)
        return tuple(self._meter.completions(self.lineup.soup(coefficients), seed=seed))

    def scores(self, points: Sequence[Point], **facts: Any) -> Scores:
        """Put points together, with the identity of prompts, sampling and rewards, and what else is known."""
        return scores_of(points, self._meter.rewards, **self._meter.facts(), **facts)

    def close(self) -> None:
        """Let go of the model in memory."""
        self._meter.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _trained_on(self, coefficients: Mapping[str, float]) -> Mapping[str, float] | None:
        """Give what the one expert that the coefficients are was trained on."""
        counted = [(label, value) for label, value in coefficients.items() if value != 0.0 and label != INIT]
        return (self._mixtures.get(counted[0][0]) or None) if [value for _, value in counted] == [1.0] else None


def _term(label: str, place: str | Path) -> PreferenceTerm:
    """Name an expert in full, as a term of a preference would."""
    if label == INIT:
        raise InvalidInput(f"{INIT!r} names the start of the experts", where=label, remedy="choose another label")
    address = parse_address(as_typed(place) if isinstance(place, Path) else place)
    if isinstance(address, RepoAddress):
        return PreferenceTerm(name=address.repo_id, kind="repo", revision=address.revision, value=1.0)
    return PreferenceTerm(name=str(address), kind="directory", revision=None, value=1.0)
