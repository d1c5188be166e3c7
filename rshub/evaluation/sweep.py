"""A grid of coefficients measured in memory: mix, generate, score every reward on the same texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rshub.evaluation.generate import generate
from rshub.evaluation.points import kind_of, score_of, scores_of
from rshub.preferences.scores import Point, Scores
from rshub.prompts.prompt import Prompt
from rshub.rewards.samples import TextSample
from rshub.rewards.spec import Reward
from rshub.soups.mixing.mixer import Mixer

Progress = Callable[[int, int], None]


def sweep(
    mixer: Mixer,
    grid: Sequence[Mapping[str, float]],
    *,
    prompts: Sequence[Prompt],
    rewards: Mapping[str, Reward],
    seeds: int = 1,
    max_new_tokens: int = 128,
    temperature: float = 1.0,
    progress: Progress | None = None,
) -> Scores:
    """Measure a grid of coefficients.

    Args:
        mixer: The base and its experts.
        grid: Coefficients of each point; empty ones are the start itself.
        prompts: What the models are asked.
        rewards: Name to reward; all are scored on the same texts.
        seeds: Completions for each prompt, with seeds 0, 1, ...
        max_new_tokens: Tokens in a completion at most.
        temperature: Of the sampling.
        progress: Called with the points done and the points in all.
    """
    points = []
    for number, coefficients in enumerate(grid):
        mixer.mix(coefficients)
        point = measure(
            mixer.model,
            mixer.tokenizer,
            prompts=prompts,
            rewards=rewards,
            seeds=seeds,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            kind=kind_of(coefficients),
            coefficients=coefficients,
        )
        points.append(point)
        if progress is not None:
            progress(number + 1, len(grid))
    return scores_of(points, rewards)


def measure(
    model: Any,
    tokenizer: Any,
    *,
    prompts: Sequence[Prompt],
    rewards: Mapping[str, Reward],
    seeds: int = 1,
    max_new_tokens: int = 128,
    temperature: float = 1.0,
    kind: str,
    coefficients: Mapping[str, float] | None = None,
    preference: str | None = None,
    label: str | None = None,
) -> Point:
    """Measure one model on every reward; arguments as in ``sweep``."""
    scores: dict[str, list[NDArray[np.float64]]] = {name: [] for name in rewards}
    context = {"corpus": tuple(prompt.references for prompt in prompts), "device": model.device}
    for seed in range(seeds):
        completions = generate(
            model,
            tokenizer,
            [prompt.text for prompt in prompts],
            seed=seed,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
        )
        samples = [
            TextSample(prompt=prompt.text, completion=completion, references=prompt.references)
            for prompt, completion in zip(prompts, completions, strict=True)
        ]
        for name, reward in rewards.items():
            scores[name].append(reward(samples, context))
    return Point(
        kind=kind,
        coefficients=dict(coefficients) if coefficients is not None else None,
        preference=preference,
        rewards={name: score_of(name, np.stack(columns)) for name, columns in scores.items()},
        unknown={"label": label} if label else {},
    )


def line(first: str, second: str, steps: int) -> list[dict[str, float]]:
    """Give the coefficients on the line from one expert to the other: ``steps`` + 1 points, both ends among them."""
    return [{first: 1 - number / steps, second: number / steps} for number in range(steps + 1)]
