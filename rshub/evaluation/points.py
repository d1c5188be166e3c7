"""What was measured, as scores: means with their errors, the kind of a point, and the file that holds them all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rshub.errors import InvalidInput
from rshub.evaluation.sampling import Sampling
from rshub.formats.canonical import digest
from rshub.preferences.preference import INIT
from rshub.preferences.scores import Point, RewardScore, Scores
from rshub.prompts.prompt import PromptSet
from rshub.rewards.spec import Reward


def score_of(name: str, scores: NDArray[np.float64]) -> RewardScore:
    """Take the mean of scores of shape (seeds, prompts) and its standard error.

    Prompts are what was drawn, so the error is that of the mean over prompts of each prompt's mean over seeds; ``n``
    counts the scores, and ``samples`` keeps each prompt's mean, so that points can be compared prompt by prompt.

    Raises:
        InvalidInput: Not one sample could be scored.
    """
    known = np.isfinite(scores)
    counts = known.sum(axis=0)
    if not counts.any():
        raise InvalidInput(
            f"{name}: no sample could be scored", where=name, remedy="give prompts with references, or another reward"
        )
    sums = np.where(known, scores, 0.0).sum(axis=0)
    means = sums[counts > 0] / counts[counts > 0]
    stderr = float(means.std(ddof=1)) / math.sqrt(len(means)) if len(means) > 1 else None
    samples = [float(total) / count if count else None for total, count in zip(sums, counts.tolist(), strict=True)]
    mean = float(sums.sum() / counts.sum())
    return RewardScore(mean=mean, stderr=stderr, n=int(counts.sum()), samples=tuple(samples))


def scores_of(points: Sequence[Point], rewards: Mapping[str, Reward], **facts: Any) -> Scores:
    """Put measured points together, with the identity of each reward and what else is known of the run."""
    return Scores(
        rewards={name: reward.direction for name, reward in rewards.items()},
        points=tuple(points),
        unknown=facts,
        unknown_of_rewards={name: _identity(reward) for name, reward in rewards.items()},
    )


def measured_on(prompts: PromptSet, sampling: Sampling, *, dtype: str) -> dict[str, Any]:
    """Say on what was measured and how; scores compare only where the digests of both are the same."""
    how = {**sampling.facts, "dtype": dtype}
    return {
        "prompts": prompts_facts(prompts),
        "generation": how | {"digest": digest(how)},
    }


def prompts_facts(prompts: PromptSet) -> dict[str, Any]:
    """Say where prompts come from, and which they are.

    The digest is of those that are used, with all that models are asked and that rewards look at beside: a limit gives
    another one, and so does another form of the same file.
    """
    used = [[each.asked(), each.references, each.question, each.begun] for each in prompts.prompts]
    return prompts.facts() | {"count": len(used), "digest": digest(used)}


def manifest_rows(
    rewards: Mapping[str, RewardScore], prompts: Mapping[str, Any], *, measured_by: str
) -> list[dict[str, Any]]:
    """Write what was measured of one expert as its manifest says it; ``prompts`` are those facts of a scores file."""
    return [
        {
            "reward": name,
            "value": score.mean,
            "stderr": score.stderr,
            "n": score.n,
            "split": prompts["split"],
            "prompts_digest": prompts["digest"],
            "measured_by": measured_by,
        }
        for name, score in rewards.items()
    ]


def _identity(reward: Reward) -> dict[str, Any]:
    """Say which reward it was; and what was asked for, where a branch or a package was resolved to what it is now."""
    asked = {} if reward.asked is None else {"asked": reward.asked}
    return {"spec": reward.spec, "spec_digest": reward.digest, **asked}


def kind_of(coefficients: Mapping[str, float]) -> str:
    """Name the kind of a point by its coefficients: init, expert or soup."""
    values = [value for name, value in coefficients.items() if value != 0.0 and name != INIT]
    return "init" if not values else "expert" if values == [1.0] else "soup"


def line(first: str, second: str, steps: int) -> list[dict[str, float]]:
    """Give the coefficients on the line from one expert to the other: ``steps`` + 1 points, both ends among them."""
    return [{first: 1 - number / steps, second: number / steps} for number in range(steps + 1)]
