"""The model that is trained: the base from safetensors on this machine, with what the recipe starts from.

A fresh adapter is left to the trainer, which seeds it: equal seeds give adapters that start bit for bit alike. An
adapter that is continued is loaded to be trained, and the trainer keeps a frozen copy to measure the divergence from.
One that stays below a new one is added to the base in memory, in float32, so that the start is the base without the new
adapter.
"""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel
from transformers import AutoModelForCausalLM

from rshub.training.methods.lesson import Lesson
from rshub.training.recipe import LoraSettings


def open_model(lesson: Lesson) -> tuple[Any, Any]:
    """Load the model, and give with it the config of a fresh adapter, if it is to get one."""
    recipe = lesson.recipe
    model = AutoModelForCausalLM.from_pretrained(
        lesson.base,
        dtype=getattr(torch, recipe.dtype),
        trust_remote_code=False,
        local_files_only=True,
        use_safetensors=True,
    )
    if recipe.artefact == "full":
        return model, None
    if lesson.start is None:
        return model, fresh(recipe.lora)
    if recipe.init.startswith("stacked"):
        return PeftModel.from_pretrained(model, lesson.start).merge_and_unload(), fresh(recipe.lora)
    config = PeftConfig.from_pretrained(lesson.start)
    config.lora_dropout = recipe.lora.dropout
    config.inference_mode = False
    return PeftModel.from_pretrained(model, lesson.start, config=config, is_trainable=True), None


def save_trained(lesson: Lesson, trainer: Any) -> None:
    """Save what was trained: the adapter alone, without the copy that the trainer measured against; or every weight."""
    parts: dict[str, Any] = {}
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:  # it lies in pieces over the processes
        parts["state_dict"] = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if lesson.recipe.artefact != "full":
        parts |= {"selected_adapters": ["default"], "save_embedding_layers": False}
    trainer.model.save_pretrained(lesson.output, **parts)


def fresh(lora: LoraSettings) -> Any:
    """Give the config of a new adapter."""
    targets = lora.target_modules
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(targets) if isinstance(targets, tuple) else targets,
        task_type="CAUSAL_LM",
    )
