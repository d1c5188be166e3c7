"""The average of several models' predictions, token by token: what a soup is held against, at the price of all of them.

At every token each voice reads what was written so far, p(token) = sum_i share_i * p_i(token), and one token is drawn
for all of them. Each voice keeps a key-value cache of its own. The temperature applies to the average, so that at 0 its
most probable token is taken. Where the voices differ in factors alone one model in memory speaks for all of them in
turn; whole weights are moved for every token, which is exact and slow.
Source: Ramé et al., 2023, Rewarded soups, arXiv 2306.04488, figure 4c.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from rshub.evaluation.generate import Draw, ends, pad_id, padded
from rshub.soups.mixing.mixer import Mixer


class Together:
    """Writes with several voices; takes the place of a model's own ``generate``.

    Args:
        mixer: The base and its experts.
        voices: What is mixed for each voice.
        shares: The share of each voice in the average; they sum to 1.
    """

    def __init__(self, mixer: Mixer, voices: Sequence[Mapping[str, float]], shares: Sequence[float]) -> None:
        self._mixer = mixer
        self._voices = voices
        self._shares = shares

    def __call__(
        self, model: Any, tokenizer: Any, rows: Sequence[list[int]], draw: Draw, max_new_tokens: int
    ) -> Tensor:
        """Write on from rows of tokens.

        Returns:
            The tokens that were added, shape (rows, new tokens), filled up behind the end of a text.
        """
        read, mask = padded(tokenizer, rows, model.device)
        fill = pad_id(tokenizer)
        closing = torch.tensor(ends(model, tokenizer), dtype=torch.long, device=model.device)
        shares = torch.tensor(self._shares, dtype=torch.float32, device=model.device).log()[:, None, None]
        caches: list[Any] = [None] * len(self._voices)
        done = torch.zeros(len(rows), dtype=torch.bool, device=model.device)
        written: list[Tensor] = []
        while len(written) < max_new_tokens and not bool(done.all()):
            said = torch.stack([self._say(number, caches, read, mask) for number in range(len(caches))])
            token = torch.where(done, fill, draw(None, torch.logsumexp(said + shares, dim=0)).argmax(-1))
            written.append(token)
            done |= torch.isin(token, closing)
            read = token[:, None]
            mask = torch.cat([mask, torch.ones_like(read)], dim=1)
        return torch.stack(written, dim=1)

    def _say(self, number: int, caches: list[Any], read: Tensor, mask: Tensor) -> Tensor:
        """Give one voice's log-probabilities of the next token, shape (rows, vocabulary)."""
        model = self._mixer.mix(self._voices[number])
        places = (mask.cumsum(-1) - 1).clamp_min(0)[:, -read.shape[1] :]
        out = model(
            input_ids=read,
            attention_mask=mask,
            past_key_values=caches[number],
            use_cache=True,
            **({"position_ids": places} if "position_ids" in signature(model.forward).parameters else {}),
        )
        caches[number] = out.past_key_values
        logits: Tensor = out.logits[:, -1]
        return logits.float().log_softmax(-1)
