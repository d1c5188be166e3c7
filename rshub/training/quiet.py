"""Training libraries kept quiet, and their side effects kept inside: bars, log chatter, warnings, random states.

Everything is put back as it was found. Nothing here hides an error.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import transformers

_THEIRS = r"(accelerate|datasets|peft|torch|transformers|trl)(\.|$)"


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the bars, the log lines below errors and the warnings of the training libraries."""
    log = transformers.utils.logging
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=_THEIRS)
            yield
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Give the caller's random states back afterwards: trainers seed Python, NumPy and torch for the whole process."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 - the global one
    accelerators = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002 - the global one
        torch.set_rng_state(cpu)
        if accelerators:
            torch.cuda.set_rng_state_all(accelerators)


@contextmanager
def torch_on_one_thread() -> Iterator[None]:
    """Let torch compute on one thread: for tiny models, where handing work out costs more than it brings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
