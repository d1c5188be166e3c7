"""What we ask of the linear algebra under numpy beside what numpy asks: one thread, and a product added in one pass.

Threads inside threads are slower on every machine that was measured, while our own threads work on windows. Where the
library is not the OpenBLAS that numpy's wheels carry, nothing is changed, and sums take one pass more.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rshub.tensors.dtypes import SINGLE, Array

_PREFIXES = ("scipy_openblas", "openblas")
_SUFFIXES = ("64_", "", "_64_")

_PRODUCTS = ("scipy_cblas_sgemm64_", "cblas_sgemm64_")
"""The product of float32 matrices, in the libraries whose whole numbers have 64 bits."""

_ROW_MAJOR, _AS_IT_IS = 101, 111

MOST_PRODUCTS = 64
"""So many products are added up in one go; of more, the library adds sums of some to the matrix one after another."""


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


def add_in_one_pass(left: Array, right: Array, into: Array) -> bool:
    """Add left @ right to a matrix, with the bits of the product formed and then added.

    Returns:
        False when nothing was done: the library, or how the matrices lie in memory, does not allow it.
    """
    multiply, matrices = _multiply(), (left, right, into)
    if (
        multiply is None
        or len(right) > MOST_PRODUCTS
        or 1 in into.shape  # numpy has another sum for vectors
        or any(matrix.dtype != SINGLE or matrix.strides[1] != SINGLE.itemsize for matrix in matrices)
    ):
        return False
    assert into.shape == (len(left), right.shape[1])
    assert left.shape[1] == len(right)
    a, b, c = (matrix.ctypes.data for matrix in matrices)
    at_a, at_b, at_c = (matrix.strides[0] // SINGLE.itemsize for matrix in matrices)
    multiply(_ROW_MAJOR, _AS_IT_IS, _AS_IT_IS, *into.shape, len(right), 1.0, a, at_a, b, at_b, 1.0, c, at_c)
    return True


@cache
def _multiply() -> Callable[..., None] | None:
    """Find the product of float32 matrices in the library beside numpy."""
    word, whole, single, place = ctypes.c_int, ctypes.c_int64, ctypes.c_float, ctypes.c_void_p
    for library in _libraries():
        for name in _PRODUCTS:
            found = getattr(library, name, None)
            if found is not None:
                found.argtypes = [word] * 3 + [whole] * 3 + [single, place, whole, place, whole, single, place, whole]
                found.restype = None
                return found  # type: ignore[no-any-return]  # it is what argtypes say
    return None


def _libraries() -> Iterator[ctypes.CDLL]:
    """Open the libraries of linear algebra that came with numpy."""
    root = Path(np.__file__).parent
    for path in sorted([*root.parent.glob("numpy.libs/*openblas*"), *root.glob(".dylibs/*openblas*")]):
        with suppress(OSError):
            yield ctypes.CDLL(str(path))


@cache
def _calls() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    """Find the getter and the setter of the thread count in the library beside numpy."""
    for library in _libraries():
        for prefix in _PREFIXES:
            for suffix in _SUFFIXES:
                get = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
                put = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
                if get is not None and put is not None:
                    return get, put
    return None
