"""A reward model of what people really preferred: TRL's RewardTrainer on a slice of hh-rlhf, read by the task's form.

The slice lies beside the checkout and is no part of it. Without it the same trainer learns from dialogues of the tiny
world.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rshub.formats.canonical import sha256
from rshub.prompts.prompt import Prompt
from rshub.prompts.read import read_prompts
from scripts.twins.base import CHAT_TEMPLATE, ROLES
from scripts.twins.comparisons import Drawn
from scripts.twins.tokens import tokenizer, words_of

SLICE = Path(__file__).parents[3] / "shared" / "data" / "hh_rlhf_harmless_test.jsonl.gz"
FORM = "as=assistant,style=chat"

HIDDEN, LAYERS, HEADS = 32, 1, 2
DROPOUT = 0.2
RATE = 3e-3
PAIRS = 32
WORDS = 1500
"""Words that the model knows: the most common ones."""
LONGEST = 60
"""Words of an answer that are read, from its beginning; what follows in a long answer says little more."""
HELD_OUT = 0.1

Messages = list[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A conversation that went on in two ways, of which people preferred the first."""

    chosen: Messages
    rejected: Messages


def people_pairs(path: Path = SLICE) -> list[Pair]:
    """Read what people preferred; nothing where the slice is not there."""
    if not path.exists():
        return []
    return [pair for prompt in read_prompts(f"{path}#{FORM}").prompts if (pair := pair_of(prompt)) is not None]


def slice_digest(path: Path = SLICE) -> str | None:
    """Give the digest of the slice, or None where it is not there."""
    return sha256(path.read_bytes()) if path.exists() else None


def pair_of(prompt: Prompt) -> Pair | None:
    """Give the last question with its liked and its rejected answer, both cut; None if one is missing."""
    if not prompt.references or not prompt.rejected:
        return None
    question = {"role": "user", "content": prompt.turns[-1].content}
    liked, other = (
        {"role": "assistant", "content": " ".join(text.split()[:LONGEST])}
        for text in (prompt.references[0], prompt.rejected[0])
    )
    return Pair(chosen=[question, liked], rejected=[question, other]) if liked != other else None


def world_pairs(prompts: Sequence[Prompt], drawn: Sequence[Drawn]) -> list[Pair]:
    """Give comparisons of a world in the same form, the better answer as the chosen one."""
    pairs = []
    for prompt, pair in zip(prompts, drawn, strict=True):
        order = (0, 1) if pair.utilities[0] > pair.utilities[1] else (1, 0)
        better, worse = (pair.answers[side] for side in order)
        found = pair_of(replace(prompt, references=(better,), rejected=(worse,)))
        if found is not None and pair.utilities[0] != pair.utilities[1]:
            pairs.append(found)
    return pairs


def train_on_people(folder: Path, pairs: Sequence[Pair], *, steps: int, seed: int = 0) -> float:
    """Train a reward model on preferences and save it with its tokenizer as a model folder.

    Returns:
        How often the preferred answer of a held-out pair scores higher.
    """
    import torch
    from datasets import Dataset
    from transformers import GPT2Config, GPT2ForSequenceClassification, PrinterCallback, ProgressCallback
    from trl import RewardConfig, RewardTrainer

    from rshub.training.quiet import kept_random_state, quiet

    class Trainer(RewardTrainer):  # type: ignore[misc]  # the library is not typed
        """TRL's trainer without its telemetry and its card."""

        def _send_telemetry(self) -> None: ...

        def create_model_card(self, *_: Any, **__: Any) -> None: ...

    mixed = list(pairs)
    random.Random(seed).shuffle(mixed)
    held_out = max(1, int(HELD_OUT * len(mixed)))
    with quiet(), kept_random_state(), tempfile.TemporaryDirectory(prefix="rshub-twins-") as scratch:
        torch.manual_seed(seed)
        words = _tokenizer(mixed[held_out:])
        model = GPT2ForSequenceClassification(
            GPT2Config(
                vocab_size=len(words),
                n_embd=HIDDEN,
                n_layer=LAYERS,
                n_head=HEADS,
                n_inner=2 * HIDDEN,
                n_positions=512,
                resid_pdrop=DROPOUT,
                embd_pdrop=DROPOUT,
                attn_pdrop=DROPOUT,
                pad_token_id=words.pad_token_id,
                bos_token_id=words.bos_token_id,
                eos_token_id=words.eos_token_id,
                num_labels=1,
                id2label={0: "score"},
                label2id={"score": 0},
            )
        )
        trainer = Trainer(
            model=model,
            args=RewardConfig(
                output_dir=scratch,
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
                max_steps=steps,
                learning_rate=RATE,
                lr_scheduler_type="cosine",
                weight_decay=0.1,
                per_device_train_batch_size=PAIRS,
                max_length=512,
                center_rewards_coefficient=0.01,
                seed=seed,
                data_seed=seed,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                dataloader_pin_memory=False,
            ),
            processing_class=words,
            train_dataset=Dataset.from_list([vars(pair) for pair in mixed[held_out:]]),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        trainer.train()
        model.eval()
        right = sum(
            _score(model, words, pair.chosen) > _score(model, words, pair.rejected) for pair in mixed[:held_out]
        )
        model.save_pretrained(folder)
        words.save_pretrained(folder)
    return right / held_out


def _tokenizer(pairs: Sequence[Pair]) -> Any:
    counts = Counter(
        word
        for pair in pairs
        for message in (*pair.chosen, *pair.rejected)
        for word in set(words_of([message["content"].lower()], ()))
    )
    known = sorted(counts, key=lambda word: (-counts[word], word))[:WORDS]
    words = tokenizer(sorted(known), ROLES, lower=True)
    words.chat_template = CHAT_TEMPLATE
    words.padding_side = "right"
    return words


def _score(model: Any, words: Any, messages: Messages) -> float:
    import torch

    text = words.apply_chat_template(messages, tokenize=False)
    encoded = words(text, add_special_tokens=False, return_tensors="pt")
    with torch.inference_mode():
        return float(model(**encoded).logits[0, 0])
