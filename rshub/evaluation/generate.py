"""Batched sampling for measurements: every model meets the same prompts and, prompt by prompt, the same random numbers.

A token is drawn as the largest of logits / T + Gumbel noise, which samples the softmax exactly. The noise comes from a
stream that belongs to seed and place of the prompt alone: the rest of the batch, its size and the length of other texts
decide nothing but the order of sums in a matrix product, whose rounding may turn a near tie; and two soups that nearly
agree write nearly the same. Nothing else bends the distribution: of the base's generation config only the tokens that
begin and end a text are taken. The random state of the process is never touched.
Source: Gumbel-max trick, Maddison et al., 2014, arXiv 1411.0030, section 2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList

from rshub.errors import Incompatible, RshubError
from rshub.evaluation.room import overflow, room_of

Asked = str | Sequence[dict[str, str]]
"""A prompt: a text to go on from, or the messages of a conversation."""


def in_batches(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Asked],
    *,
    seed: int,
    max_new_tokens: int,
    temperature: float,
    batch: int,
    places: Sequence[int] | None = None,
    write: Callable[..., Tensor] | None = None,
) -> Iterator[list[str]]:
    """Sample one completion for each prompt, and give them batch by batch.

    A batch that does not fit into the device's memory is halved, and so are those after it.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer; padding goes on the left whatever it says.
        prompts: What to go on from.
        seed: Which random numbers.
        max_new_tokens: Tokens in a completion at most.
        temperature: Of the softmax; 0 takes the most probable token.
        batch: Prompts generated together.
        places: The place of each prompt in its set, which decides its random numbers; 0, 1, ... if absent.
        write: What writes the tokens in the place of the model's own ``generate``.

    Yields:
        The completions without special tokens, in the order of the prompts.

    Raises:
        Incompatible: A prompt is a conversation, and the tokenizer has no chat template or refuses it; or the model has
            no room for a prompt and its completion.
        RshubError: Not even one prompt fits into the device's memory.
    """
    ids = [encoded(tokenizer, prompt) for prompt in prompts]
    _refuse_long(max(map(len, ids), default=0), max_new_tokens, room_of(model.config))
    ranks = list(places) if places is not None else list(range(len(prompts)))
    start = 0
    while start < len(ids):
        rows, ends = ids[start : start + batch], ranks[start : start + batch]
        draw = Draw([_stream(seed, place, model.device) for place in ends], temperature)
        try:
            with torch.inference_mode():
                tokens = (write or _write)(model, tokenizer, rows, draw, max_new_tokens)
        except torch.OutOfMemoryError as fault:
            if len(rows) == 1:
                raise RshubError(
                    f"the memory of {model.device} is too small for one prompt of {len(rows[0])} tokens",
                    where=str(model.device),
                    remedy="use a shorter prompt, fewer new tokens, or a device with more memory",
                ) from fault
            batch = (len(rows) + 1) // 2
            continue
        start += len(rows)
        yield [str(text) for text in tokenizer.batch_decode(tokens, skip_special_tokens=True)]


class Draw:
    """Takes logits, and leaves the token that is drawn as the largest of them.

    Args:
        streams: The random numbers of each row.
        temperature: Of the softmax; 0 leaves the logits as they are.
    """

    def __init__(self, streams: Sequence[torch.Generator], temperature: float) -> None:
        self._streams = streams
        self._temperature = temperature

    def __call__(self, _tokens: Any, logits: Tensor) -> Tensor:
        """Give logits / T + Gumbel noise, shape (rows, vocabulary)."""
        if self._temperature == 0:
            return logits
        noise = torch.empty(logits.shape, dtype=torch.float32, device=logits.device)
        for row, stream in zip(noise, self._streams, strict=True):
            row.exponential_(generator=stream)
        tiny = torch.finfo(torch.float32).tiny
        return logits.float() / self._temperature - noise.clamp_min_(tiny).log_()


def encoded(tokenizer: Any, prompt: Asked, *, begin: bool = True) -> list[int]:
    """Give the tokens of a prompt; a conversation goes through the chat template, which brings its special tokens.

    With ``begin`` a conversation is followed by what begins the next turn.

    Raises:
        Incompatible: There is no template, or it refuses the conversation.
    """
    if isinstance(prompt, str):
        return list(tokenizer(prompt)["input_ids"])
    name = tokenizer.name_or_path or "the base"
    if not tokenizer.chat_template:
        raise Incompatible(
            "the base's tokenizer has no chat template, and the prompts are conversations",
            where="prompts",
            remedy="use prompts that are plain texts, or a base that was tuned for conversations",
        )
    try:
        text = tokenizer.apply_chat_template(list(prompt), tokenize=False, add_generation_prompt=begin)
    except Exception as fault:  # a template of a repo may raise anything
        raise Incompatible(
            f"the base's chat template refuses a conversation: {fault}",
            where=str(name),
            remedy="check the roles of the turns in the prompts",
        ) from fault
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _refuse_long(longest: int, max_new_tokens: int, room: int | None) -> None:
    if found := overflow(room, longest, max_new_tokens):
        left = (room or 0) - longest
        raise Incompatible(
            f"the base cannot go on: {found}",
            where="prompts",
            remedy=f"ask for at most {left} new tokens" if left > 0 else "leave out the longest prompts",
        )


def padded(tokenizer: Any, rows: Sequence[list[int]], device: Any) -> tuple[Tensor, Tensor]:
    """Give the rows padded on the left to one length, and the mask of what counts."""
    pad = pad_id(tokenizer)
    longest = max(1, *map(len, rows))
    ids = [[pad] * (longest - len(row)) + row for row in rows]
    mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def pad_id(tokenizer: Any) -> int:
    """Give the token that fills rows; where there is none, the end of a text, or the first token: it is masked."""
    known = (tokenizer.pad_token_id, tokenizer.eos_token_id)
    return int(next((token for token in known if token is not None), 0))


def ends(model: Any, tokenizer: Any) -> list[int]:
    """Give the tokens that end a text, as the base's generation config says, or its tokenizer."""
    said = model.generation_config.eos_token_id
    said = tokenizer.eos_token_id if said is None else said
    return [] if said is None else list(said) if isinstance(said, (list, tuple)) else [int(said)]


def _write(model: Any, tokenizer: Any, rows: Sequence[list[int]], draw: Draw, max_new_tokens: int) -> Tensor:
    """Let the model write; the tokens that it added, shape (rows, new tokens)."""
    ids, mask = padded(tokenizer, rows, model.device)
    plain = GenerationConfig(
        do_sample=False,  # the draw is in the logits
        max_new_tokens=max_new_tokens,
        pad_token_id=pad_id(tokenizer),
        bos_token_id=model.generation_config.bos_token_id,
        eos_token_id=ends(model, tokenizer) or None,
    )
    with _alone(model, plain):
        written: Tensor = model.generate(
            input_ids=ids, attention_mask=mask, generation_config=plain, logits_processor=LogitsProcessorList([draw])
        )
    return written[:, ids.shape[1] :]


@contextmanager
def _alone(model: Any, config: GenerationConfig) -> Iterator[None]:
    """Let this be the model's own generation config: what one leaves open the library takes from the other."""
    own = model.generation_config
    model.generation_config = config
    try:
        yield
    finally:
        model.generation_config = own


def _stream(seed: int, place: int, device: torch.device) -> torch.Generator:
    """Give the random numbers of one prompt under one seed."""
    number = int.from_bytes(hashlib.sha256(f"{seed}:{place}".encode()).digest()[:8])
    return torch.Generator(device=device).manual_seed(number % 2**63)
