"""REINFORCE with a leave-one-out baseline on a LoRA adapter: one expert, or one mixture, from one recipe.

TRL's trainer does the learning. Nothing is left to its defaults that decides the result; no card, no telemetry, no
tracker. The adapter starts from the recipe's seed alone, so equal seeds give experts that share their start bit for
bit, and the divergence is measured against the base with the adapter switched off. Only safetensors on this machine are
loaded; a number of the log that is none is null there.
"""

from __future__ import annotations

import json
import math
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, ProgressCallback, TrainerCallback
from trl import RLOOConfig, RLOOTrainer

from rshub.errors import InvalidInput, RshubError
from rshub.training.quiet import kept_random_state, quiet
from rshub.training.recipe import Recipe
from rshub.training.reward_functions import reward_functions

SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}

Progress = Callable[[Mapping[str, Any]], None]
"""Called with each line of the log: step, steps, reward, kl, length and one mean for each reward."""


class _Trainer(RLOOTrainer):  # type: ignore[misc]  # the library is not typed
    """TRL's trainer without its telemetry and without its card, which would overwrite ours."""

    def _send_telemetry(self) -> None:
        """Send nothing."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write nothing."""


def train_rloo(
    recipe: Recipe,
    *,
    base: Path,
    rows: Sequence[Mapping[str, Any]],
    output: Path,
    log: Path,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Train the adapter that a recipe describes.

    Args:
        recipe: What is trained.
        base: The folder of the base model.
        rows: The prompts, ``{"prompt", "references"}``.
        output: Where PEFT writes the adapter (an existing folder).
        log: Where the log goes, one JSON object a line, written as the training runs.
        checkpoints: Where checkpoints go and are resumed from; none without it.
        progress: Called with each line of the log.

    Returns:
        The lines of the log.

    Raises:
        InvalidInput: If the adapter would have no module to sit on.
        RshubError: If the training diverged.
    """
    functions, weights = reward_functions(recipe.rewards, recipe.reward_weights, rows)
    resume = _latest(checkpoints)
    _keep_lines(log, _step(resume))
    with (
        quiet(),
        kept_random_state(),
        tempfile.TemporaryDirectory(prefix="rshub-train-") as scratch,
        log.open("a") as out,
    ):
        recorder = _Recorder(recipe, out, progress)
        recorder.lines += _lines(log)
        tokenizer = AutoTokenizer.from_pretrained(
            base, padding_side="left", trust_remote_code=False, local_files_only=True
        )
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.float32, trust_remote_code=False, local_files_only=True, use_safetensors=True
        )
        try:
            trainer = _Trainer(
                model=model,
                reward_funcs=functions,
                args=_arguments(recipe, weights, Path(checkpoints or scratch), save=checkpoints is not None),
                processing_class=tokenizer,
                peft_config=_lora(recipe),
                train_dataset=Dataset.from_list([dict(row) for row in rows]),
                callbacks=[recorder],
            )
        except ValueError as fault:
            if "target" in str(fault).lower():  # no module has such a name
                raise InvalidInput(f"lora.target_modules: {fault}", where="lora.target_modules") from fault
            raise
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        try:
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        except RuntimeError as fault:
            if "probability tensor" not in str(fault):
                raise
            raise _diverged(recipe, trainer.state.global_step, "its probabilities are no numbers") from fault
        trainer.model.save_pretrained(output, save_embedding_layers=False)
    return recorder.lines


def _diverged(recipe: Recipe, step: int, why: str) -> RshubError:
    return RshubError(
        f"the training diverged after step {step}: {why}",
        where="learning_rate",
        remedy=f"lower learning_rate, {recipe.learning_rate:g} now, or raise beta",
    )


def _arguments(recipe: Recipe, weights: Sequence[float], folder: Path, *, save: bool) -> Any:
    """Give TRL every setting that decides the result."""
    accelerated = torch.cuda.is_available()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing.*")
        return RLOOConfig(
            output_dir=str(folder),
            use_cpu=not accelerated,
            bf16=False,
            gradient_checkpointing=False,
            seed=recipe.seed,
            data_seed=recipe.seed,
            max_steps=recipe.steps,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type=SCHEDULES[recipe.schedule],
            warmup_steps=recipe.warmup_steps,
            beta=recipe.beta,
            normalize_advantages=recipe.normalize_advantages,
            reward_weights=list(weights),
            per_device_train_batch_size=recipe.batch,
            gradient_accumulation_steps=1,
            num_generations=recipe.num_generations,
            num_iterations=1,
            max_completion_length=recipe.max_completion_length,
            temperature=recipe.temperature,
            top_k=0,
            top_p=1.0,
            dataloader_pin_memory=accelerated,
            save_strategy="steps" if save else "no",
            save_steps=recipe.save_steps or 500,
            save_total_limit=1,
            logging_steps=min(recipe.log_steps, recipe.steps),
            report_to="none",
            disable_tqdm=True,
            push_to_hub=False,
        )


def _lora(recipe: Recipe) -> Any:
    targets = recipe.lora.target_modules
    return LoraConfig(
        r=recipe.lora.r,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
    )


class _Recorder(TrainerCallback):  # type: ignore[misc]  # the library is not typed
    """Writes each line of the log as it comes and passes it on; ends a training whose reward or KL is no number."""

    def __init__(self, recipe: Recipe, out: TextIO, progress: Progress | None) -> None:
        self.lines: list[dict[str, Any]] = []
        self._recipe = recipe
        self._out = out
        self._progress = progress

    def on_log(self, _arguments: Any, state: Any, _control: Any, logs: Mapping[str, Any], **_: Any) -> None:
        """Keep what a person or a card wants to know of these steps.

        Raises:
            RshubError: The reward or the KL is no number; the line that says so is in the log.
        """
        if "reward" not in logs:  # the summary at the end
            return
        line = {
            "step": state.global_step,
            "steps": self._recipe.steps,
            "reward": _number(logs["reward"]),
            "rewards": {name: _number(logs.get(f"rewards/{name}/mean")) for name in self._recipe.rewards},
            "kl": _number(logs.get("kl")),
            "entropy": _number(logs.get("entropy")),
            "length": _number(logs.get("completions/mean_length")),
            "clipped": _number(logs.get("completions/clipped_ratio")),
            "learning_rate": _number(logs.get("learning_rate")),
            "grad_norm": _number(logs.get("grad_norm")),
        }
        self.lines.append(line)
        self._out.write(json.dumps(line, allow_nan=False) + "\n")
        self._out.flush()
        for name in ("reward", "kl"):
            if name in logs and line[name] is None:
                raise _diverged(self._recipe, state.global_step, f"its {name} is {logs[name]}")
        if self._progress is not None:
            self._progress(line)


def _number(value: Any) -> float | None:
    """Give a number as JSON can hold it; what was not logged, or is not finite, is None."""
    return float(value) if value is not None and math.isfinite(value) else None


def _latest(checkpoints: Path | None) -> Path | None:
    """Give the latest checkpoint, if there is one."""
    return max(checkpoints.glob("checkpoint-*"), key=_step, default=None) if checkpoints is not None else None


def _step(checkpoint: Path | None) -> int:
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0


def _lines(log: Path) -> list[dict[str, Any]]:
    return [_line(text) for text in log.read_text().splitlines()] if log.exists() else []


def _line(text: str) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(text, parse_constant=lambda _: None)
    return line


def _keep_lines(log: Path, step: int) -> None:
    """Drop what the log says of steps that will be taken again, and a line that was cut off."""
    if not log.exists():
        return
    whole = [line for line in log.read_text().splitlines() if line.endswith("}")]
    log.write_text("".join(line + "\n" for line in whole if json.loads(line)["step"] <= step))
