"""Progress bars of the client library, for transfers that take a while: small files come and go in silence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from huggingface_hub import constants
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars, tqdm

WORTH_A_BAR = 64 * 1024 * 1024
"""Bytes."""


class LargeOnly(tqdm):
    """A bar that stays away when there is little to do."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        if (options.get("total") or 0) < WORTH_A_BAR:
            options["disable"] = True
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]  # the library is not typed


@contextmanager
def bars_for(size: int) -> Iterator[None]:
    """Run an upload of ``size`` bytes, without bars when it is small; what the environment says of bars wins."""
    decided = constants.HF_HUB_DISABLE_PROGRESS_BARS is not None or are_progress_bars_disabled()
    if decided or size >= WORTH_A_BAR:
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
