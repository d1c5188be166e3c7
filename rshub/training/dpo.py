"""Direct preference optimisation: the first reference of each prompt is preferred to its first rejected answer."""

from __future__ import annotations

from trl import DPOConfig, DPOTrainer

from rshub.training.arguments import arguments
from rshub.training.bench import bench
from rshub.training.job import Job, Trained
from rshub.training.log_lines import loss_line
from rshub.training.trainers import Silent


class _Trainer(Silent, DPOTrainer):  # type: ignore[misc]  # the library is not typed
    """TRL's trainer, silent."""


def train_dpo(job: Job) -> Trained:
    """Train on pairs; the log has the loss, the share of pairs that are told apart, and by how much.

    Raises:
        InvalidInput: The adapter has no module to sit on.
        RshubError: The training diverged, or the memory was full.
    """
    with bench(job, loss_line(accuracy="rewards/accuracies", margin="rewards/margins")) as at:
        trainer = _Trainer(
            args=arguments(
                DPOConfig,
                job,
                at.folder,
                beta=job.recipe.beta,
                loss_type="sigmoid",
                max_length=job.recipe.max_length,
                disable_dropout=False,
            ),
            **at.parts,
        )
        return at.run(trainer)
