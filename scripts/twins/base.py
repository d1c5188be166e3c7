"""The tiny base of a task: a Llama with its own words, trained in seconds on what writers answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rshub.prompts.prompt import Prompt
from scripts.twins.tokens import LOOK_AT, phrases, tokenizer, words_of

if TYPE_CHECKING:
    import torch

HIDDEN, LAYERS, HEADS = 96, 2, 4
BATCH = 64
RATE = 5e-3
POSITIONS = 256

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|> ' + message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
ROLES = ("<|user|>", "<|assistant|>", "<|system|>")


def make_tokenizer(prompts: Sequence[Prompt]) -> Any:
    """Make the tokenizer of a world from prompts and answers of it, with a chat template where they are turns."""
    chat = any(prompt.turns for prompt in prompts)
    answers = [prompt.begun + text for prompt in prompts[:LOOK_AT] for text in (*prompt.references, *prompt.rejected)]
    repeated = phrases([prompt.text for prompt in prompts[:LOOK_AT]], answers)
    texts = [text for prompt in prompts for text in (prompt.text, *prompt.references, *prompt.rejected)]
    made = tokenizer(words_of(texts, repeated), [*(ROLES if chat else ()), *repeated])
    if chat:
        made.chat_template = CHAT_TEMPLATE
    return made


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a base."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def asked(words: Any, prompt: Prompt) -> str:
    """Give the text that a model is asked with."""
    if not prompt.turns:
        return prompt.text
    return str(words.apply_chat_template(prompt.asked(), tokenize=False, add_generation_prompt=True))


def train_base(folder: Path, prompts: Sequence[Prompt], *, steps: int, seed: int = 0) -> float:
    """Train a base on the first reference of each prompt, and save it with its tokenizer as a model folder.

    Returns:
        The loss of the last steps, in nats per token.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from rshub.training.quiet import kept_random_state, quiet

    with quiet(), kept_random_state():
        torch.manual_seed(seed)
        words = make_tokenizer(prompts)
        pad, bos, eos = words.pad_token_id, words.bos_token_id, words.eos_token_id
        encoded = _encoded(words, prompts)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(words),
                hidden_size=HIDDEN,
                intermediate_size=2 * HIDDEN,
                num_hidden_layers=LAYERS,
                num_attention_heads=HEADS,
                num_key_value_heads=HEADS,
                max_position_embeddings=POSITIONS,
                pad_token_id=pad,
                bos_token_id=bos,
                eos_token_id=eos,
                tie_word_embeddings=True,
            )
        )
        optimiser = torch.optim.AdamW(model.parameters(), lr=RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
        recent: list[float] = []
        for _ in range(steps):
            ids, mask, labels = _batch(encoded, pad)
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            recent = [*recent[-9:], loss.item()]
        model.save_pretrained(folder)
        words.save_pretrained(folder)
    return sum(recent) / len(recent)


def _encoded(words: Any, prompts: Sequence[Prompt]) -> list[tuple[list[int], list[int]]]:
    """Give the tokens of each prompt and of its answer, the end included; sorted by their length together."""
    questions = words([asked(words, prompt) for prompt in prompts], add_special_tokens=False)["input_ids"]
    answers = words([prompt.references[0] for prompt in prompts], add_special_tokens=False)["input_ids"]
    pairs = [(first, [*second, words.eos_token_id]) for first, second in zip(questions, answers, strict=True)]
    return sorted(pairs, key=lambda pair: len(pair[0]) + len(pair[1]))


def _batch(encoded: Sequence[tuple[list[int], list[int]]], pad: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw a batch of texts of similar length, padded on the left as in training; only answers are learned."""
    import torch

    window = min(len(encoded), 8 * BATCH)
    start = int(torch.randint(0, len(encoded) - window + 1, ()))
    chosen = [encoded[start + int(place)] for place in torch.randint(0, window, (BATCH,))]
    longest = max(len(question) + len(answer) for question, answer in chosen)
    ids, mask, labels = [], [], []
    for question, answer in chosen:
        fill = longest - len(question) - len(answer)
        ids.append([pad] * fill + question + answer)
        mask.append([0] * fill + [1] * (longest - fill))
        labels.append([-100] * (longest - len(answer)) + answer)
    return torch.tensor(ids), torch.tensor(mask), torch.tensor(labels)
