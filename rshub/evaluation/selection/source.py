"""Where the evaluations of a selection come from: models that are opened once, anything else that measures, or nothing.

Refused: half of what it takes to measure models, and models beside another way to measure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rshub.errors import InvalidInput
from rshub.evaluation.evaluator import Evaluator
from rshub.evaluation.ledger import Ledger
from rshub.evaluation.made_of import made_of
from rshub.evaluation.sampling import Sampling
from rshub.evaluation.selection.named import Offered, offered
from rshub.evaluation.selection.search import Measure
from rshub.hub.client import Hub
from rshub.preferences.policy import Policy
from rshub.preferences.scores import Scores
from rshub.prompts.read import read_prompts
from rshub.rewards.spec import Reward


@dataclass(frozen=True, kw_only=True)
class Models:
    """What is measured: experts on a base, prompts and rewards, and how texts are sampled."""

    experts: Sequence[str]
    base: str
    rewards: Mapping[str, Reward]
    prompts: str
    limit: int | None
    sampling: Sampling
    ledger: Path | str | None
    remember: bool
    device: str | None
    dtype: str
    endpoint: str | None
    token: str | None


@dataclass(frozen=True, kw_only=True)
class Source:
    """How an evaluation is made (None: it cannot), what is known of the experts, and facts without points."""

    measure: Measure | None
    experts: Mapping[str, Offered] = field(default_factory=dict)
    facts: Scores | None = None


def refuse_gaps(
    experts: Sequence[str], base: object, rewards: object, prompts: object, measure: Measure | None
) -> None:
    """Refuse what is not enough to measure models, or too much.

    Raises:
        InvalidInput: The message names what is missing.
    """
    if measure is not None:
        raise InvalidInput(
            "select: models on a base are measured by rshub itself",
            where="measure",
            remedy="give measure, or base with rewards and prompts, not both",
        )
    given = (("EXPERT...", experts), ("--base", base), ("--reward", rewards), ("--prompts", prompts))
    missing = [name for name, value in given if not value]
    if missing:
        raise InvalidInput(
            f"select: to measure models it also takes {', '.join(missing)}",
            where=missing[0],
            remedy="give EXPERT... --base --reward --prompts, or --scores FILE alone",
        )


@contextmanager
def opened(models: Models | None, measure: Measure | None, rules: Policy | None) -> Iterator[Source]:
    """Open what can be measured, for as long as it is needed.

    Raises:
        InvalidInput: An expert is named wrongly, or the prompts are malformed.
        Incompatible: Experts that do not fit the base or each other, or that the policy denies.
        NotFound: Something is not there.
    """
    if models is None:
        yield Source(measure=measure)
        return
    named = offered(models.experts, base=models.base, rules=rules, endpoint=models.endpoint, token=models.token)
    evaluator = Evaluator.open(
        {label: expert.place for label, expert in named.items()},
        base=models.base,
        rewards=models.rewards,
        prompts=read_prompts(models.prompts, limit=models.limit, endpoint=models.endpoint, token=models.token),
        sampling=models.sampling,
        ledger=Ledger.chosen(models.ledger, remember=models.remember),
        dtype=models.dtype,
        device=models.device,
        endpoint=models.endpoint,
        token=models.token,
    )
    with contextlib.closing(evaluator):
        made = made_of(evaluator.base, evaluator.lineup, Hub(models.endpoint, models.token))
        yield Source(measure=evaluator.point, experts=named, facts=evaluator.scores((), **made))
