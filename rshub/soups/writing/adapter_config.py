"""The config of a soup as an adapter: a plain LoRA of scale one.

Only the task comes from the experts, and only one that PEFT knows: other fields say how they were trained, or name code
that a reader would import.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rshub.soups.adapter_form import BIAS, Kept
from rshub.soups.ingredients import Touched
from rshub.soups.plan import ComposePlan
from rshub.soups.writing.target_names import saved_names, target_names

TASKS = ("CAUSAL_LM", "SEQ_2_SEQ_LM", "SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION")
"""Values of ``task_type`` that PEFT knows."""


def adapter_config(
    plan: ComposePlan,
    pairs: Sequence[Touched],
    whole: Sequence[Kept],
    *,
    base_model: str,
    base_revision: str | None,
) -> dict[str, Any]:
    """Write the config.

    Args:
        plan: The soup.
        pairs: The changes that are factors.
        whole: The parameters that are there with absolute values.
        base_model: The base's repo or path.
        base_revision: The base's commit.

    Raises:
        Incompatible: When a module cannot be named without naming another.
    """
    forms = [plan.forms[one.tensor] for one in pairs]
    factored = {form.layer for form in forms}
    modules = {kept.path.rpartition(".")[0] for kept in whole if not kept.path.endswith(BIAS)}
    biased = {kept.path.rpartition(".")[0] for kept in whole} - modules
    inside = [kept.tensor for kept in whole if kept.path.rpartition(".")[0] in modules]
    bias = "none" if not biased else "lora_only" if biased <= factored else "all"
    return {
        "alpha_pattern": {},
        "auto_mapping": None,
        "base_model_name_or_path": base_model,
        "bias": bias,
        "fan_in_fan_out": any(form.kind == "linear" and form.layout == "transposed" for form in forms),
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": plan.adapter_rank,
        "lora_dropout": 0.0,
        "modules_to_save": saved_names(modules, inside, plan.base) or None,
        "peft_type": "LORA",
        "r": plan.adapter_rank,
        "rank_pattern": {},
        "revision": base_revision,
        "target_modules": target_names(factored, [one.tensor for one in pairs], plan.base),
        "task_type": _task(plan),
        "use_dora": False,
        "use_rslora": False,
    }


def _task(plan: ComposePlan) -> str | None:
    """Give the task that all experts name, or null."""
    named = [ingredient.expert.config.get("task_type") for ingredient in plan.ingredients]
    return next((task for task in TASKS if all(name == task for name in named)), None)
