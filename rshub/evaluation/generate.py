"""Batched sampling for measurements: every model meets the same prompts, batches and random numbers.

The full softmax is sampled (no top-k, no top-p), as in training, at temperature 1 unless asked otherwise: greedy texts
of a small model jump between a few habits and hide what lies between two experts. The random state of the process is
left as it was found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

BATCH = 256


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    *,
    seed: int,
    max_new_tokens: int = 128,
    temperature: float = 1.0,
    batch: int = BATCH,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Sample one completion for each prompt.

    Each batch has a seed of its own, made of ``seed`` and its place: two models that write texts of different length
    still meet the same random numbers in every batch.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer; padding goes on the left whatever it says.
        prompts: The texts to go on from.
        seed: Which random numbers.
        max_new_tokens: Tokens in a completion at most.
        temperature: Of the softmax; 0 takes the most probable token.
        batch: Prompts generated together; part of what decides the texts.
        progress: Called with the prompts done and the prompts in all.

    Returns:
        The completions without special tokens, in the order of the prompts.
    """
    completions: list[str] = []
    sampling: dict[str, Any] = (
        {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        if temperature > 0
        else {"do_sample": False}
    )
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.inference_mode():
        for start in range(0, len(prompts), batch):
            torch.manual_seed(seed * 1_000_003 + start)
            encoded = tokenizer(
                list(prompts[start : start + batch]), return_tensors="pt", padding=True, padding_side="left"
            ).to(model.device)
            written = model.generate(
                input_ids=encoded["input_ids"],
                attention_mask=encoded["attention_mask"],
                max_new_tokens=max_new_tokens,
                pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
                **sampling,
            )
            texts = tokenizer.batch_decode(written[:, encoded["input_ids"].shape[1] :], skip_special_tokens=True)
            completions += [str(text) for text in texts]
            if progress is not None:
                progress(len(completions), len(prompts))
    return completions
