"""The tiny models' tokenizer: one token for each word, and one for each phrase that many prompts repeat.

An instruction that stands in every prompt is one token here, not forty: it says as much, and models are as quick as
their worlds are small. A word holds the blank before it, so texts are cut and joined without a loss.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

PAD, BOS, EOS, UNK = "<pad>", "<s>", "</s>", "<unk>"
SPECIAL = (PAD, BOS, EOS, UNK)
COMMON = 0.25
"""The share of prompts that hold a phrase which is worth a token; of the values of a slot, none is so common."""
LONGEST = 60
"""Words of a phrase at most."""
LOOK_AT = 128
"""Prompts that are enough to tell which phrases are common."""

_PIECE = r" ?\w+| ?[^\w\s]+"
_BREAK = "\0"


def pieces(text: str) -> list[str]:
    """Cut a text into its words and marks, as the tokenizer does."""
    return re.findall(_PIECE, _even(text))


def phrases(texts: Sequence[str], answers: Sequence[str] = ()) -> list[str]:
    """Find the phrases of two words or more that many texts and no answer hold, the longest first, without overlap."""
    left = list(texts)
    found: list[str] = []
    while True:
        counts = Counter(phrase for text in left for phrase in set(_runs(text)))
        common = [
            phrase
            for phrase, count in counts.items()
            if count >= COMMON * len(left) and not any(phrase in answer for answer in answers)
        ]
        if not common:
            return found
        longest = max(common, key=lambda phrase: (len(phrase.split()), counts[phrase], phrase))
        found.append(longest)
        left = [text.replace(longest, _BREAK) for text in left]


def _runs(text: str) -> Iterator[str]:
    """Give every run of two words or more that no known phrase breaks."""
    for part in text.split(_BREAK):
        spans = [match.span() for match in re.finditer(r"\S+", part)]
        for first in range(len(spans)):
            for last in range(first + 1, min(len(spans), first + LONGEST)):
                yield part[spans[first][0] : spans[last][1]]


def words_of(texts: Iterable[str], repeated: Sequence[str]) -> list[str]:
    """List the words of texts outside the repeated phrases, each with its blank, sorted."""
    known = re.compile("|".join(map(re.escape, repeated)) or r"(?!)")
    return sorted({word for text in texts for part in known.split(text) for word in pieces(part)})


def _even(text: str) -> str:
    """Write a text with one blank before each of its words, as the tokenizer reads it."""
    return re.sub(r"\s+", " ", f" {text}")


def tokenizer(words: Sequence[str], repeated: Sequence[str] = (), *, pairs: bool = False, lower: bool = False) -> Any:
    """Make a tokenizer.

    Args:
        words: Its words, each with its blank.
        repeated: Phrases that are one token each.
        pairs: Whether texts are framed and told apart by their type, for models that read pairs.
        lower: Whether capitals count as small letters.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocab = {word: number for number, word in enumerate([*SPECIAL, *words])}
    made = Tokenizer(models.WordLevel(vocab, unk_token=UNK))
    even = [normalizers.Strip(left=False), normalizers.Prepend(" "), normalizers.Replace(Regex(r"\s+"), " ")]
    made.normalizer = normalizers.Sequence([*even, *([normalizers.Lowercase()] if lower else [])])
    made.pre_tokenizer = pre_tokenizers.Split(Regex(_PIECE), "isolated")
    made.decoder = decoders.Fuse()
    made.add_tokens([AddedToken(phrase, lstrip=True, rstrip=True, normalized=False) for phrase in repeated])
    names = ["input_ids", "attention_mask"]
    if pairs:
        names.insert(1, "token_type_ids")
        made.post_processor = processors.TemplateProcessing(
            single=f"{BOS}:0 $A:0 {EOS}:0",
            pair=f"{BOS}:0 $A:0 {EOS}:0 $B:1 {EOS}:1",
            special_tokens=[(BOS, vocab[BOS]), (EOS, vocab[EOS])],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        padding_side="right" if pairs else "left",
        model_input_names=names,
        clean_up_tokenization_spaces=False,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNK,
    )
