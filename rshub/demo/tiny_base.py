"""The base model of the tiny world: a word-level tokenizer and a Llama of 193 thousand parameters, trained in seconds.

Supervised learning on the writers' texts, each prompt answered once. What comes out is a folder that any Hugging Face
tool loads as a causal language model. Torch is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rshub.demo.world import corpus, vocabulary

if TYPE_CHECKING:
    import torch

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
PAD, BOS, EOS = 0, 1, 2

HIDDEN, LAYERS, HEADS = 96, 2, 4

STEPS = 300

BASE_CARD = """---
library_name: transformers
pipeline_tag: text-generation
license: apache-2.0
tags:
- restaurants
---

# restaurant-base

A tiny Llama that describes restaurants from eight facts, trained in seconds on generated text. The experts of the
rshub demo start from it.
"""


def tokenizer() -> Any:
    """Make the tokenizer: one token for each word of the world, padding on the left as generation wants it."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocab = {word: number for number, word in enumerate([*SPECIAL, *vocabulary()])}
    words = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))  # noqa: S106 - a token of text
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
        **dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), SPECIAL, strict=True)),
    )


def train_base(
    folder: Path,
    *,
    steps: int = STEPS,
    texts: int = 20_000,
    batch: int = 64,
    learning_rate: float = 5e-3,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
) -> float:
    """Train the base model and save it with its tokenizer as a model folder.

    Args:
        folder: Where the model goes; made if absent.
        steps: Optimiser steps.
        texts: Texts in the training set.
        batch: Texts in a step.
        learning_rate: The highest rate of a one-cycle schedule.
        seed: Decides the initial weights, the texts and their order.
        progress: Called with the steps done, the steps in all and the loss, now and then.

    Returns:
        The loss of the last steps, in nats per word.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from rshub.training.quiet import kept_random_state, quiet

    with quiet(), kept_random_state():
        words = tokenizer()
        prompts, answers, lengths = _encoded(words.get_vocab(), texts, seed)
        torch.manual_seed(seed)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(words),
                hidden_size=HIDDEN,
                intermediate_size=2 * HIDDEN,
                num_hidden_layers=LAYERS,
                num_attention_heads=HEADS,
                num_key_value_heads=HEADS,
                max_position_embeddings=128,
                pad_token_id=PAD,
                bos_token_id=BOS,
                eos_token_id=EOS,
                tie_word_embeddings=True,
            )
        )
        optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps)
        recent: list[float] = []
        for step in range(steps):
            ids, labels = _batch(prompts, answers, lengths, batch)
            loss = model(input_ids=ids, attention_mask=(ids != PAD).long(), labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            recent = [*recent[-9:], loss.item()]
            if progress is not None and ((step + 1) % 25 == 0 or step + 1 == steps):
                progress(step + 1, steps, sum(recent) / len(recent))
        model.save_pretrained(folder)
        words.save_pretrained(folder)
    return sum(recent) / len(recent)


def _encoded(vocab: dict[str, int], texts: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give the prompts (texts, 9), the answers padded on the right, and the answers' lengths."""
    import torch

    rows = corpus(texts, seed=seed, references=1)
    answers = [torch.tensor([*(vocab[word] for word in row["references"][0].split()), EOS]) for row in rows]
    prompts = torch.tensor([[vocab[word] for word in row["prompt"].split()] for row in rows])
    return (
        prompts,
        torch.nn.utils.rnn.pad_sequence(answers, batch_first=True, padding_value=PAD),
        torch.tensor([len(answer) for answer in answers]),
    )


def _batch(
    prompts: torch.Tensor, answers: torch.Tensor, lengths: torch.Tensor, batch: int, buckets: int = 8
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a batch of texts of similar length, so that little is padding; only answers are learned."""
    import torch

    drawn = torch.randint(0, len(prompts), (batch * buckets,))
    bucket = int(torch.randint(0, buckets, ()))
    chosen = drawn[lengths[drawn].argsort()][bucket * batch : (bucket + 1) * batch]
    ids = torch.cat([prompts[chosen], answers[chosen, : int(lengths[chosen].max())]], dim=1)
    labels = ids.masked_fill(ids == PAD, -100)
    labels[:, : prompts.shape[1]] = -100
    return ids, labels
