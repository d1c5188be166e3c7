"""The dtypes of safetensors files as numpy knows them.

Only floating-point tensors of 16 bits and more can be changed or cast; everything else is carried as bytes.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FLOATS: dict[str, np.dtype[Any]] = {
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F16": np.dtype(np.float16),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
}
"""Floating-point dtypes that can be read as numbers, by their safetensors name."""

CODES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32", "float64": "F64"}
"""Names that people and configs use, to safetensors names."""

SINGLE: np.dtype[Any] = np.dtype(np.float32)

WIDE = ("F16", "F32", "F64")
"""Dtypes whose values are worked on in float64, so that the one rounding is the last one.

Float32 has too few spare bits above the 11 of float16: up to one element in ten thousand would be rounded twice.
"""


def decode(data: bytes | memoryview | bytearray, dtype: str, shape: tuple[int, ...]) -> Array:
    """View bytes as an array of a floating-point dtype, without a copy."""
    return np.frombuffer(data, dtype=FLOATS[dtype]).reshape(shape)


def working(*dtypes: str) -> np.dtype[Any]:
    """Give the dtype to compute in: float64 when a stored or wanted dtype has 11 bits of precision or more."""
    return np.dtype(np.float64 if any(dtype in WIDE for dtype in dtypes) else np.float32)


def largest(dtype: str) -> float:
    """Give the largest finite value of a floating-point dtype."""
    return float(ml_dtypes.finfo(FLOATS[dtype]).max)
