"""REINFORCE with a leave-one-out baseline: one expert, or one mixture, from one recipe.

The closest living relative of the paper's method. The rewards' weighted sum is learned from as it is; the divergence
from the start is taken off it, summed over the completion.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trl import RLOOConfig, RLOOTrainer

from rshub.training.methods.arguments import arguments, sampling
from rshub.training.methods.lesson import Lesson, Trained
from rshub.training.methods.reward_functions import reward_functions
from rshub.training.methods.session import session
from rshub.training.methods.trainers import CutOff, Silent
from rshub.training.runs.log_lines import reinforcement_line


class _Trainer(CutOff, Silent, RLOOTrainer):  # type: ignore[misc]  # the library is not typed
    """TRL's trainer, silent, whose completions may be cut off."""


def train_rloo(lesson: Lesson) -> Trained:
    """Train by REINFORCE with a leave-one-out baseline.

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


def settings(lesson: Lesson, folder: Path, weights: Sequence[float]) -> RLOOConfig:
    """Give what TRL is told."""
    return arguments(
        RLOOConfig,
        lesson,
        folder,
        normalize_advantages=lesson.recipe.normalize_advantages,
        **sampling(lesson.recipe, weights),
    )
