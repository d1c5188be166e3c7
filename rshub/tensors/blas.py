"""One thread for the linear algebra under numpy, while our own threads work on windows.

Threads inside threads are slower on every machine that was measured. Where the library is not the OpenBLAS that numpy's
wheels carry, nothing is changed.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

_PREFIXES = ("scipy_openblas", "openblas")
_SUFFIXES = ("64_", "", "_64_")


class _State:
    """Who wants one thread, and what was set before the first of them: the setting belongs to the whole process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.before = 1


_state = _State()


@contextmanager
def one_thread() -> Iterator[None]:
    """Run a block with single-threaded linear algebra, then restore what was set."""
    calls = _calls()
    if calls is None:
        yield
        return
    get, put = calls
    with _state.lock:
        if not _state.users:
            _state.before = get()
            put(1)
        _state.users += 1
    try:
        yield
    finally:
        with _state.lock:
            _state.users -= 1
            if not _state.users:
                put(_state.before)


@cache
def _calls() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    """Find the getter and the setter of the thread count in the library beside numpy."""
    root = Path(np.__file__).parent
    for path in sorted([*root.parent.glob("numpy.libs/*openblas*"), *root.glob(".dylibs/*openblas*")]):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for prefix in _PREFIXES:
            for suffix in _SUFFIXES:
                get = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
                put = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
                if get is not None and put is not None:
                    return get, put
    return None
