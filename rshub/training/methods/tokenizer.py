"""The base's tokenizer, ready for training: it ends completions, fills batches up, and knows conversations if it must.

Padding is masked wherever it stands, so that a tokenizer without a token for it may use the one that ends texts, which
changes nothing that is learned; the summary of the run says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from rshub.errors import InvalidInput


def open_tokenizer(base: Path, name: str, *, conversational: bool) -> Any:
    """Load the tokenizer of a base.

    Args:
        base: The folder of the base.
        name: What to call the base in errors.
        conversational: Whether there are conversations among the prompts.

    Raises:
        InvalidInput: There is none, nothing ends a text, or conversations have no template.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            base, padding_side="left", trust_remote_code=False, local_files_only=True
        )
    except (OSError, ValueError) as fault:
        raise InvalidInput(
            f"{name}: its tokenizer cannot be loaded: {str(fault).splitlines()[0]}",
            where="base",
            remedy="put the tokenizer's files beside the base's weights",
        ) from fault
    if tokenizer.eos_token_id is None:
        raise InvalidInput(
            f"{name}: its tokenizer has no token that ends a text",
            where="base",
            remedy='set "eos_token" (and "pad_token") in the tokenizer_config.json of the base',
        )
    if conversational and not tokenizer.chat_template:
        raise InvalidInput(
            f"{name}: its tokenizer has no chat template, and there are conversations among the prompts",
            where="base",
            remedy="use a base with a chat template, or prompts that are texts",
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def lacks_padding(base: Path) -> bool:
    """Say whether a base's tokenizer has no token of its own for padding."""
    found = AutoTokenizer.from_pretrained(base, trust_remote_code=False, local_files_only=True)
    return found.pad_token_id is None
