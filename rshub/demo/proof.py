"""Loading the two forms of a soup with nothing but transformers and peft, and comparing what they compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from rshub.demo.world import corpus
from rshub.errors import IntegrityError
from rshub.training.quiet import quiet

TOLERANCE = 1e-3
SAFE: Mapping[str, bool] = MappingProxyType(
    {"trust_remote_code": False, "local_files_only": True, "use_safetensors": True}
)
"""What is loaded is on this machine, and runs nothing."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far two models are apart: the largest difference of any logit, beside the largest logit."""

    largest: float
    scale: float
    prompts: int


def same_function(*, base: Path, checkpoint: Path, adapter: Path, prompts: int = 16) -> Agreement:
    """Load a composed checkpoint, and a composed adapter on its base, and compare their logits.

    Raises:
        IntegrityError: They do not compute the same.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet(), torch.inference_mode():
        whole = AutoModelForCausalLM.from_pretrained(checkpoint, **SAFE)
        mixed = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, **SAFE), adapter)
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False, local_files_only=True)
        texts = [row["prompt"] for row in corpus(prompts, seed=3, references=1)]
        inputs = tokenizer(texts, return_tensors="pt", padding=True)
        first, second = whole(**inputs).logits, mixed(**inputs).logits
    apart = (first - second).abs().max().item()
    scale = first.abs().max().item()
    if apart > TOLERANCE * scale:
        raise IntegrityError(f"the soup's two forms differ by {apart:.2g} in their logits", where=str(adapter))
    return Agreement(largest=apart, scale=scale, prompts=prompts)
