"""Group relative policy optimisation: a completion is judged against the mean of its prompt's completions.

The rewards are added up with their weights first, and the sum is judged. By default it is not divided by its deviation
(``scale_rewards: none``): then a mixture of rewards means what it says, on every prompt alike. The divergence from the
start is part of the loss, token by token.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trl import GRPOConfig, GRPOTrainer

from rshub.training.methods.arguments import arguments, sampling
from rshub.training.methods.lesson import Lesson, Trained
from rshub.training.methods.reward_functions import reward_functions
from rshub.training.methods.session import session
from rshub.training.methods.trainers import CutOff, Silent
from rshub.training.runs.log_lines import reinforcement_line


class _Trainer(CutOff, Silent, GRPOTrainer):  # type: ignore[misc]  # the library is not typed
    """TRL's trainer, silent, whose completions may be cut off."""


def train_grpo(lesson: Lesson) -> Trained:
    """Train by group relative policy optimisation.

    Raises:
        InvalidInput: The adapter has no module to sit on.
        RshubError: The training diverged, the memory was full, or a reward failed.
    """
    recipe = lesson.recipe
    functions, weights = reward_functions(recipe.rewards, recipe.reward_weights, lesson.rows)
    with session(lesson, reinforcement_line(recipe)) as at:
        trainer = _Trainer(
            reward_funcs=functions,
            args=settings(lesson, at.folder, weights),
            **at.parts,
        )
        trainer.shortest = recipe.min_completion_length
        return at.run(trainer)


def settings(lesson: Lesson, folder: Path, weights: Sequence[float]) -> GRPOConfig:
    """Give what TRL is told."""
    return arguments(
        GRPOConfig,
        lesson,
        folder,
        scale_rewards=lesson.recipe.scale_rewards,
        multi_objective_aggregation="sum_then_normalize",
        loss_type="dapo",
        **sampling(lesson.recipe, weights),
    )
