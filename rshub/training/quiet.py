"""Training libraries kept quiet, and their side effects kept inside: bars, log chatter, warnings, states.

Everything is put back as it was found. Nothing here hides an error.
"""

from __future__ import annotations

import gc
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import datasets
import numpy as np
import torch
import transformers
from accelerate.state import AcceleratorState, GradientState, PartialState

_THEIRS = r"(accelerate|datasets|peft|torch|transformers|trl)(\.|$)"


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the bars, the log lines below errors and the warnings of the training libraries."""
    log = transformers.utils.logging
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    tables = datasets.are_progress_bars_disabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=_THEIRS)
            yield
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()
        if not tables:
            datasets.enable_progress_bars()


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
def kept_accelerator_state() -> Iterator[None]:
    """Give the caller's accelerator back afterwards: a trainer sets one up for the whole process."""
    shared = [kind._shared_state for kind in (AcceleratorState, GradientState, PartialState)]  # noqa: SLF001 - no other way
    before = [dict(state) for state in shared]
    for state in shared:
        state.clear()
    try:
        yield
    finally:
        for state, kept in zip(shared, before, strict=True):
            state.clear()
            state.update(kept)


def let_go() -> None:
    """Free what a trainer held: it is part of circles, which Python leaves until it happens to look for them."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def torch_on_one_thread() -> Iterator[None]:
    """Let torch compute on one thread: for tiny models, where handing work out costs more than it brings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
