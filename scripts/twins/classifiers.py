"""Tiny reward models: sequence classifiers that learn in seconds which answers raters prefer.

A regressor learns from pairs, by the Bradley-Terry model: the preferred answer of each pair is to score higher. A
classifier learns the label of single answers. Either is measured on held-out pairs: how often the better answer of two
gets the higher reward.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.twins.comparisons import Comparison
from scripts.twins.task import Judge
from scripts.twins.tokens import LOOK_AT, phrases, tokenizer, words_of

if TYPE_CHECKING:
    import torch

HIDDEN, LAYERS, HEADS = 64, 1, 4
PAIRS = 16
"""Pairs in a step."""
RATE = 1e-3
RATE_FROM_BASE = 1.5e-3
POSITIONS = 256
SCALE = 0.01
"""How strongly the sizes of the scores are held down: a reward of a few units, not of hundreds."""


def train_classifier(
    folder: Path, judge: Judge, comparisons: Sequence[Comparison], words: Any, *, base: Path, steps: int
) -> float:
    """Train a reward model and save it with its tokenizer as a model folder.

    Args:
        folder: Where it goes.
        judge: Whose judgement it learns.
        comparisons: What it learns from; the first tenth is held out.
        words: Its tokenizer.
        base: The task's base, for a model that starts from there.
        steps: Optimiser steps.

    Returns:
        How often the better answer of a held-out pair scores higher.
    """
    import torch

    from rshub.training.quiet import kept_random_state, quiet

    held_out = len(comparisons) // 10
    with quiet(), kept_random_state():
        torch.manual_seed(judge.seed)
        model = _model(judge, words, base)
        encoded = _encoded(words, [text for comparison in comparisons for text in comparison.texts])
        chance = random.Random(judge.seed)
        rate = RATE if judge.family != "base" else RATE_FROM_BASE
        optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.2)
        for _ in range(steps):
            chosen = [chance.randrange(held_out, len(comparisons)) for _ in range(PAIRS)]
            rows = [encoded[2 * place + side] for place in chosen for side in (0, 1)]
            logits = model(**_batch(rows, words)).logits
            loss = _loss(judge, logits, [comparisons[place].utilities for place in chosen], chance)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
        model.eval()
        scores = _scores(model, judge, encoded[: 2 * held_out], words)
        model.save_pretrained(folder)
        words.save_pretrained(folder)
    return _accuracy(scores, comparisons[:held_out])


def own_tokenizer(judge: Judge, comparisons: Sequence[Comparison], answers: Sequence[str]) -> Any:
    """Make a tokenizer of what a model reads; of the answers, no phrase is one token."""
    texts = [text for comparison in comparisons for pair in comparison.texts for text in pair if text is not None]
    firsts = [comparison.texts[0][0] for comparison in comparisons[:LOOK_AT]]
    repeated = phrases(firsts, answers)
    return tokenizer(words_of(texts, repeated), repeated, pairs=judge.family != "gpt2")


def _model(judge: Judge, words: Any, base: Path) -> Any:
    """Make an untrained model of the judge's family, or one with a new head on the base."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    labels = list(judge.labels or ("score",))
    named = {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: place for place, label in enumerate(labels)},
    }
    if judge.family == "base":
        return AutoModelForSequenceClassification.from_pretrained(base, use_safetensors=True, **named)

    sizes = {
        "vocab_size": len(words),
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": 2 * HIDDEN,
        "max_position_embeddings": POSITIONS,
        "pad_token_id": words.pad_token_id,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
    }
    if judge.family == "gpt2":
        sizes |= {"n_embd": HIDDEN, "n_layer": LAYERS, "n_head": HEADS, "n_inner": 2 * HIDDEN, "n_positions": POSITIONS}
        sizes = {key: sizes[key] for key in sizes if key.startswith("n_") or key.endswith("_id") or key == "vocab_size"}
    if judge.family == "electra":
        sizes |= {"embedding_size": HIDDEN}
    if judge.family == "deberta-v2":
        sizes |= {"pooler_hidden_size": HIDDEN, "type_vocab_size": 2}
    dropouts = {"gpt2": ("resid_pdrop", "embd_pdrop", "attn_pdrop")}.get(
        judge.family, ("hidden_dropout_prob", "attention_probs_dropout_prob")
    )
    config = AutoConfig.for_model(
        judge.family,
        **sizes,
        **dict.fromkeys(dropouts, 0.0),
        **named,
    )
    return AutoModelForSequenceClassification.from_config(config)


def _encoded(words: Any, texts: Sequence[tuple[str, str | None]]) -> list[dict[str, list[int]]]:
    """Give the tokens of texts, or of pairs."""
    firsts, seconds = [first for first, _ in texts], [second or "" for _, second in texts]
    pairs = any(second is not None for _, second in texts)
    rows = words(text=firsts, text_pair=seconds if pairs else None)
    return [{key: rows[key][place] for key in words.model_input_names} for place in range(len(texts))]


def _batch(rows: Sequence[dict[str, list[int]]], words: Any) -> dict[str, torch.Tensor]:
    """Pad rows on the right to one length."""
    import torch

    longest = max(len(row["input_ids"]) for row in rows)
    fills = {"input_ids": words.pad_token_id}
    return {
        key: torch.tensor([row[key] + [fills.get(key, 0)] * (longest - len(row[key])) for row in rows])
        for key in rows[0]
    }


def _loss(
    judge: Judge, logits: torch.Tensor, utilities: Sequence[tuple[float, float]], chance: random.Random
) -> torch.Tensor:
    """Give the loss on pairs: the first and the second answer of each follow one another."""
    import torch

    if judge.labels:
        good = torch.tensor([int(utility > 0) for pair in utilities for utility in pair])
        return torch.nn.functional.cross_entropy(logits, good) + SCALE * logits.square().mean()
    scores = logits[:, 0].reshape(-1, 2)
    likely = [1 / (1 + math.exp(-judge.certain * (first - second))) for first, second in utilities]
    preferred = torch.tensor([1.0 if chance.random() < share else -1.0 for share in likely])
    apart = preferred * (scores[:, 0] - scores[:, 1])
    return -torch.nn.functional.logsigmoid(apart).mean() + SCALE * scores.square().mean()


def _scores(model: Any, judge: Judge, rows: Sequence[dict[str, list[int]]], words: Any) -> list[float]:
    import torch

    found: list[float] = []
    with torch.inference_mode():
        for start in range(0, len(rows), 2 * PAIRS):
            logits = model(**_batch(rows[start : start + 2 * PAIRS], words)).logits
            found += (logits[:, -1] - (logits[:, 0] if judge.labels else 0.0)).tolist()
    return found


def _accuracy(scores: Sequence[float], comparisons: Sequence[Comparison]) -> float:
    """Give the share of pairs in which the better answer scores higher; pairs of equals do not count."""
    pairs = [
        (scores[2 * place], scores[2 * place + 1], comparison.utilities)
        for place, comparison in enumerate(comparisons)
        if comparison.utilities[0] != comparison.utilities[1]
    ]
    return sum((first > second) == (better[0] > better[1]) for first, second, better in pairs) / max(1, len(pairs))
