"""Supervised fine-tuning: the first reference of each prompt is learned, the prompt itself is not."""

from __future__ import annotations

from trl import SFTConfig, SFTTrainer

from rshub.training.methods.arguments import arguments
from rshub.training.methods.lesson import Lesson, Trained
from rshub.training.methods.session import session
from rshub.training.methods.trainers import Silent
from rshub.training.runs.log_lines import loss_line


class _Trainer(Silent, SFTTrainer):  # type: ignore[misc]  # the library is not typed
    """TRL's trainer, silent."""


def train_sft(lesson: Lesson) -> Trained:
    """Train on references; the log has the loss in nats per token, and the share of tokens that were foreseen.

    Raises:
        InvalidInput: The adapter has no module to sit on.
        RshubError: The training diverged, or the memory was full.
    """
    with session(lesson, loss_line(accuracy="mean_token_accuracy")) as at:
        trainer = _Trainer(
            args=arguments(
                SFTConfig,
                lesson,
                at.folder,
                max_length=lesson.recipe.max_length,
                completion_only_loss=True,
                packing=False,
            ),
            **at.parts,
        )
        return at.run(trainer)
