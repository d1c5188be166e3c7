"""Direct preference optimisation: the first reference of each prompt is preferred to its first rejected answer."""

from __future__ import annotations

from trl import DPOConfig, DPOTrainer

from rshub.training.methods.arguments import arguments
from rshub.training.methods.lesson import Lesson, Trained
from rshub.training.methods.session import session
from rshub.training.methods.trainers import Silent
from rshub.training.runs.log_lines import loss_line


class _Trainer(Silent, DPOTrainer):  # type: ignore[misc]  # the library is not typed
    """TRL's trainer, silent."""


def train_dpo(lesson: Lesson) -> Trained:
    """Train on pairs; the log has the loss, the share of pairs that are told apart, and by how much.

    Raises:
        InvalidInput: The adapter has no module to sit on.
        RshubError: The training diverged, or the memory was full.
    """
    with session(lesson, loss_line(accuracy="rewards/accuracies", margin="rewards/margins")) as at:
        trainer = _Trainer(
            args=arguments(
                DPOConfig,
                lesson,
                at.folder,
                beta=lesson.recipe.beta,
                loss_type="sigmoid",
                max_length=lesson.recipe.max_length,
                disable_dropout=False,
            ),
            **at.parts,
        )
        return at.run(trainer)
