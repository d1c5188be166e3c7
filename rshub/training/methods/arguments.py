"""What TRL is told: every setting that decides the result, nothing left to its defaults.

No card, no telemetry, no upload, and no tracker but those that the recipe names.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from rshub.training.methods.lesson import Lesson
from rshub.training.recipe import Recipe
from rshub.training.runs.checkpoints import KEPT
from rshub.training.runs.crew import crew

SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}
OPTIMIZERS = {"adam": "adamw_torch_fused", "adamw": "adamw_torch_fused", "sgd": "sgd", "adafactor": "adafactor"}
"""Adam is AdamW without decay."""


def arguments(kind: Any, lesson: Lesson, folder: Path, **more: Any) -> Any:
    """Make a method's config of what all methods share and its own settings."""
    recipe = lesson.recipe
    at_once, times = crew().shares(recipe)
    accelerated = torch.cuda.is_available()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing.*")
        return kind(
            output_dir=str(folder),
            run_name=lesson.name,
            project="rshub",
            use_cpu=not accelerated,
            bf16=False,
            gradient_checkpointing=False,
            seed=recipe.seed,
            data_seed=recipe.seed,
            max_steps=lesson.steps,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type=SCHEDULES[recipe.schedule],
            warmup_steps=recipe.warmup_steps,
            optim=OPTIMIZERS[recipe.optimizer],
            weight_decay=recipe.weight_decay,
            max_grad_norm=recipe.max_grad_norm,
            per_device_train_batch_size=at_once,
            gradient_accumulation_steps=times,
            dataloader_pin_memory=accelerated,
            save_strategy="steps" if lesson.checkpoints is not None else "no",
            save_steps=recipe.save_steps or 500,
            save_total_limit=KEPT,
            logging_steps=recipe.log_steps,
            eval_strategy="no",
            report_to=[tracker for tracker in recipe.report_to if tracker != "tensorboard"],
            disable_tqdm=True,
            push_to_hub=False,
            **more,
        )


def sampling(recipe: Recipe, weights: Sequence[float]) -> dict[str, Any]:
    """Give what the methods that sample completions share."""
    return {
        "beta": recipe.beta,
        "disable_dropout": False,
        "reward_weights": list(weights),
        "generation_batch_size": recipe.batch,
        "num_generations": recipe.num_generations,
        "num_iterations": recipe.num_iterations,
        "max_completion_length": recipe.max_completion_length,
        "temperature": recipe.temperature,
        "top_k": 0,
        "top_p": 1.0,
    }
