"""A front measured from its experts: an even grid of coefficients, the start, and the models of mixed rewards.

``grid`` counts the points along a side of the simplex, both experts among them: two experts are measured at ``grid``
even steps of lambda; three and more on the lattice of which every edge has ``grid`` points, with the soup of equal
parts where the lattice misses it. Experts that were trained on several rewards are measured as what they are, MORL
runs, and are not mixed. All meet the same prompts and the same random numbers.

Refused: fewer than two experts of one reward, and grids of more than ``MOST_POINTS`` points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rshub.errors import InvalidInput
from rshub.evaluation.evaluator import Evaluator
from rshub.evaluation.ledger import Ledger
from rshub.evaluation.made_of import made_of
from rshub.evaluation.meter import counted
from rshub.evaluation.named_experts import name_experts
from rshub.evaluation.named_rewards import named_rewards
from rshub.evaluation.report import examples_of, settings_of, sheet_of
from rshub.evaluation.sampling import BATCH, Sampling
from rshub.experts.base_identity import BaseIdentity, identify_base
from rshub.fronts.report.values import Example, ExpertSheet
from rshub.hub.client import Hub
from rshub.preferences.grammar import shortest
from rshub.preferences.scores import Scores
from rshub.preferences.simplex import lattice as even
from rshub.prompts.read import read_prompts

MOST_POINTS = 1000
EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class MeasuredFront:
    """What was measured, what is known of the experts, and answers side by side."""

    scores: Scores
    experts: tuple[ExpertSheet, ...]
    examples: tuple[Example, ...] = ()


def measure_front(
    experts: Sequence[str | Path],
    *,
    base: str,
    grid: int,
    rewards: Sequence[str] | Mapping[str, str],
    prompts: str | Path,
    seeds: int = 1,
    limit: int | None = None,
    max_new_tokens: int = 128,
    temperature: float = 1.0,
    batch: int = BATCH,
    dtype: str = "float32",
    device: str | None = None,
    ensemble: bool = False,
    ledger: Ledger | None = None,
    examples: int = 0,
    endpoint: str | None = None,
    token: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MeasuredFront:
    """Measure the grid of some experts.

    Args:
        experts: ``owner/repo[@revision]`` or folders, each optionally named: ``short=./dir``; the others are called as
            ``named_experts`` says.
        base: ``owner/name[@revision]`` or a folder.
        grid: Points along a side, at least 2.
        rewards: Specs as for ``evaluate``.
        prompts: A file, or a split of a dataset repo.
        seeds: Completions for each prompt.
        limit: Use only the first so many prompts.
        max_new_tokens: Tokens in a completion at most.
        temperature: Of the sampling; 0 takes the most probable token.
        batch: Prompts generated together.
        dtype: In which dtype the base is loaded.
        device: Where to.
        ensemble: Measure beside each soup of several experts the average of their predictions, token by token.
        ledger: What was measured before; None remembers nothing.
        examples: How many prompts to show answers to.
        endpoint: The hub's address.
        token: Who is asking.
        progress: Called with the completions done and the completions in all.

    Raises:
        InvalidInput: Too few experts, a name that is there twice, or a grid that is too large; otherwise as
            ``evaluate``.
    """
    sampling = Sampling(seeds=seeds, max_new_tokens=max_new_tokens, temperature=temperature, batch=batch)
    scorers = named_rewards(rewards)
    hub = Hub(endpoint, token)
    identity = identify_base(str(base), hub)
    named = name_experts(experts, identity, hub)
    labels = [one.label for one in named if not one.mixed]
    settings = lattice(labels, grid)
    asked = read_prompts(prompts, limit=limit, endpoint=endpoint, token=token)
    mixed = {one.label: wanted(one.mixture) for one in named if one.mixed}
    shown = settings_of(labels, settings) if examples else {}
    together = [point for point in settings if len(point) > 1] if ensemble else []
    models = len(settings) + len(together) + len(mixed) + 1
    total = (models * seeds + len(shown)) * len(asked.prompts)
    with ExitStack() as stack:
        if ledger is None and shown:  # so that the answers that are shown need not be written twice
            ledger = Ledger(Path(stack.enter_context(TemporaryDirectory(prefix="rshub-front-"))))
        evaluator = stack.enter_context(
            Evaluator.open(
                {one.label: one.pinned for one in named},
                base=base,
                rewards=scorers,
                prompts=asked,
                sampling=sampling,
                ledger=ledger,
                endpoint=endpoint,
                token=token,
                dtype=dtype,
                device=device,
                told=counted(progress, total),
            )
        )
        points = [evaluator.point(coefficients) for coefficients in settings]
        points += [evaluator.ensemble(coefficients) for coefficients in together]
        points += [evaluator.point({label: 1.0}, kind="morl", preference=text) for label, text in mixed.items()]
        points.append(evaluator.point({}, kind="init"))
        scores = evaluator.scores(points, **made_of(evaluator.base, evaluator.lineup, hub))
        answered = examples_of(evaluator, shown, [prompt.text for prompt in asked.prompts[:examples]])
    sheets = tuple(sheet_of(one.label, one.candidate) for one in named)
    return MeasuredFront(scores=scores, experts=sheets, examples=tuple(answered))


def describe_experts(
    experts: Sequence[str | Path], *, endpoint: str | None = None, token: str | None = None
) -> tuple[ExpertSheet, ...]:
    """Say what is known of experts whose scores are there already, without measuring anything.

    Raises:
        NotFound: An expert is not there.
    """
    named = name_experts(experts, BaseIdentity(), Hub(endpoint, token))
    return tuple(sheet_of(one.label, one.candidate) for one in named)


def lattice(labels: Sequence[str], side: int) -> list[dict[str, float]]:
    """Give the coefficients of the grid, from the last expert to the first; zeros are left out.

    Raises:
        InvalidInput: Fewer than two experts or two points a side, or too many points.
    """
    if len(labels) < 2:
        raise InvalidInput(
            f"a front is measured between two experts or more, and {len(labels)} of one reward "
            f"{'is' if len(labels) == 1 else 'are'} named",
            where="EXPERT",
            remedy="name two experts that were trained for one reward each",
        )
    if side < 2:
        raise InvalidInput("a grid has at least two points a side", where="--grid", remedy="say --grid 9")
    steps = side - 1
    count = math.comb(steps + len(labels) - 1, len(labels) - 1)
    if count > MOST_POINTS:
        raise InvalidInput(
            f"--grid {side} of {len(labels)} experts is {count} soups, more than {MOST_POINTS}",
            where="--grid",
            remedy="use fewer points a side, or measure what select proposes",
        )
    found = [
        {label: part / steps for label, part in zip(labels, parts, strict=True) if part}
        for parts in even(len(labels), steps).tolist()
    ]
    if len(labels) > 2 and steps % len(labels):
        found.append(dict.fromkeys(labels, 1.0 / len(labels)))
    return found


def wanted(mixture: Mapping[str, float]) -> str:
    """Write what a model was trained on as a preference whose sizes sum to 1."""
    total = math.fsum(map(abs, mixture.values()))
    return ", ".join(f"{name}={shortest(share / total)}" for name, share in sorted(mixture.items()))
