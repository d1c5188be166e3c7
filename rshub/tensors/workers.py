"""How many threads work at once: about as many as there are cores, and one where little memory may be mapped."""

from __future__ import annotations

import os
import resource

MOST = 4
"""Threads that compute: more would need more memory than a soup may take."""

WAITING = 2
"""Threads beside them where results are written: each waits for the disk half of its time."""

NARROW_BYTES = 1 << 30
"""Where a process may map less than this, one thread works: each sets space aside for itself that it never fills."""


def computing_threads() -> int:
    """Say how many threads compute on this machine, within this process's limits."""
    if _narrow():
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST, cores)


def writing_threads() -> int:
    """Say how many threads compute and write."""
    return 1 if _narrow() else computing_threads() + WAITING


def _narrow() -> bool:
    """Say whether little memory may be mapped, used or not (``ulimit -v``)."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return limit != resource.RLIM_INFINITY and limit < NARROW_BYTES
