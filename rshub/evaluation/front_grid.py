"""A front measured from its experts: an even grid of coefficients, the start, and the models of mixed rewards.

``grid`` counts the points along a side of the simplex, both experts among them: two experts are measured at ``grid``
even steps of lambda; three and more on the lattice of which every edge has ``grid`` points, with the soup of equal
parts where the lattice misses it. Experts that were trained on several rewards are measured as what they are, MORL
runs, and are not mixed. All meet the same prompts and the same random numbers.

Refused: fewer than two experts of one reward, and grids of more than ``MOST_POINTS`` points.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rshub.errors import InvalidInput
from rshub.evaluation.bench import counted
from rshub.evaluation.evaluator import Evaluator
from rshub.evaluation.ledger import Ledger
from rshub.evaluation.named_rewards import named_rewards
from rshub.evaluation.report import examples_of, settings_of, sheet_of
from rshub.evaluation.sampling import BATCH, Sampling
from rshub.evaluation.trained_on import trained_on
from rshub.experts.base_identity import BaseIdentity, identify_base
from rshub.formats.address import RepoAddress, parse_address
from rshub.fronts.report.values import Example, ExpertSheet
from rshub.hub.client import Hub
from rshub.preferences.preference import INIT, PreferenceTerm
from rshub.preferences.scores import Scores
from rshub.prompts.read import read_prompts
from rshub.soups.candidates import look_up
from rshub.soups.choose import Candidate

MOST_POINTS = 1000
EXAMPLES = 3
_LABELLED = re.compile(r"([a-z0-9][a-z0-9._-]*)=(.+)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class MeasuredFront:
    """What was measured, what is known of the experts, and answers side by side."""

    scores: Scores
    experts: tuple[ExpertSheet, ...]
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Named:
    """An expert that was looked up: what it is called, where it is at which commit, and what it was trained on."""

    label: str
    place: str
    candidate: Candidate
    mixture: Mapping[str, float]

    @property
    def mixed(self) -> bool:
        """Whether it was trained on several rewards."""
        return len(self.mixture) > 1


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
        experts: ``owner/repo[@revision]`` or folders, each optionally named: ``short=./dir``. An expert without a name
            goes by its reward, or by its place where the reward is unknown or another expert has the same.
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
    named = _looked_up(experts, identity, hub)
    labels = [one.label for one in named if not one.mixed]
    settings = lattice(labels, grid)
    asked = read_prompts(prompts, limit=limit, endpoint=endpoint, token=token)
    mixed = [one for one in named if one.mixed]
    shown = settings_of(labels, settings) if examples else {}
    together = [point for point in settings if len(point) > 1] if ensemble else []
    models = len(settings) + len(together) + len(mixed) + 1
    total = (models * seeds + len(shown)) * len(asked.prompts)
    with ExitStack() as stack:
        if ledger is None and shown:  # so that the answers that are shown need not be written twice
            ledger = Ledger(Path(stack.enter_context(TemporaryDirectory(prefix="rshub-front-"))))
        evaluator = stack.enter_context(
            Evaluator.open(
                {one.label: one.place for one in named},
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
        points += [evaluator.point({one.label: 1.0}, kind="morl", preference=_wanted(one.mixture)) for one in mixed]
        points.append(evaluator.point({}, kind="init"))
        place = f"{identity.repo_id}@{identity.revision}" if identity.repo_id else Path(identity.path or base).name
        scores = evaluator.scores(points, base=place)
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
    named = _looked_up(experts, BaseIdentity(), Hub(endpoint, token))
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
        for parts in _parts(len(labels), steps)
    ]
    if len(labels) > 2 and steps % len(labels):
        found.append(dict.fromkeys(labels, 1.0 / len(labels)))
    return found


def _parts(count: int, total: int) -> Iterator[tuple[int, ...]]:
    """Give all ways to deal ``total`` steps to so many experts, the last one's share falling."""
    if count == 1:
        yield (total,)
        return
    for last in range(total, -1, -1):
        for rest in _parts(count - 1, total - last):
            yield (*rest, last)


def _looked_up(experts: Sequence[str | Path], identity: BaseIdentity, hub: Hub) -> list[_Named]:
    """Look experts up and name them: as they were named, else by their rewards, else by their places."""
    asked = [_taken_apart(expert) for expert in experts]
    found = [look_up(_term(place), identity, hub, None) for _, place in asked]
    mixtures = [trained_on(candidate) for candidate in found]
    rewards = [_reward(candidate, mixture) for candidate, mixture in zip(found, mixtures, strict=True)]
    alone = Counter(reward for reward in rewards if reward)
    named = []
    for (label, place), candidate, mixture, reward in zip(asked, found, mixtures, rewards, strict=True):
        own = reward if reward is not None and alone[reward] == 1 else _short(place)
        pinned = f"{candidate.place}@{candidate.commit}" if candidate.commit is not None else place
        named.append(_Named(label=label or own, place=pinned, candidate=candidate, mixture=mixture))
    twice = [label for label, times in Counter(one.label for one in named).items() if times > 1 or label == INIT]
    if twice:
        why = "names the start of the experts" if twice[0] == INIT else "is the name of two experts"
        raise InvalidInput(f"{twice[0]!r} {why}", where=twice[0], remedy="name them: NAME=EXPERT")
    return named


def _taken_apart(expert: str | Path) -> tuple[str | None, str]:
    match = _LABELLED.fullmatch(expert) if isinstance(expert, str) else None
    if match:
        return match[1], match[2]
    return None, str(expert) if isinstance(expert, str) or expert.is_absolute() else f"./{expert}"


def _term(place: str) -> PreferenceTerm:
    address = parse_address(place)
    if isinstance(address, RepoAddress):
        return PreferenceTerm(name=address.repo_id, kind="repo", revision=address.revision, value=1.0)
    return PreferenceTerm(name=str(address), kind="directory", revision=None, value=1.0)


def _reward(candidate: Candidate, mixture: Mapping[str, float]) -> str | None:
    """Give the one reward that an expert stands for; a model of several stands for none."""
    if len(mixture) > 1:
        return None
    return candidate.reward or next(iter(mixture), None)


def _short(place: str) -> str:
    """Call an expert by its place: a repo by its name in full, a folder by its own name."""
    address = parse_address(place)
    return str(address.repo_id) if isinstance(address, RepoAddress) else address.name


def _wanted(mixture: Mapping[str, float]) -> str:
    """Write what a model was trained on as a preference that sums to 1."""
    total = math.fsum(mixture.values())
    return ", ".join(f"{name}={share / total:g}" for name, share in sorted(mixture.items()))
