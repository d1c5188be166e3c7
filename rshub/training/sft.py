"""Supervised fine-tuning: the first reference of each prompt is learned, the prompt itself is not."""

from __future__ import annotations

from trl import SFTConfig, SFTTrainer

from rshub.training.arguments import arguments
from rshub.training.bench import bench
from rshub.training.job import Job, Trained
from rshub.training.log_lines import loss_line
from rshub.training.trainers import Silent


class _Trainer(Silent, SFTTrainer):  # type: ignore[misc]  # the library is not typed
    """TRL's trainer, silent."""


def train_sft(job: Job) -> Trained:
    """Train on references; the log has the loss in nats per token, and the share of tokens that were foreseen.

    Raises:
        InvalidInput: The adapter has no module to sit on.
        RshubError: The training diverged, or the memory was full.
    """
    with bench(job, loss_line(accuracy="mean_token_accuracy")) as at:
        trainer = _Trainer(
            args=arguments(
                SFTConfig, job, at.folder, max_length=job.recipe.max_length, completion_only_loss=True, packing=False
            ),
            **at.parts,
        )
        return at.run(trainer)
