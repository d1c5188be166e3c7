"""One lock per name, made when first asked for. In this process only: a root is served by one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Locks:
    """Named re-entrant locks."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, threading.RLock] = {}

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Hold the lock of this name."""
        with self._guard:
            lock = self._locks.setdefault(name, threading.RLock())
        with lock:
            yield
