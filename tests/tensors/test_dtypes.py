"""In which dtype is worked, and that it leaves one rounding."""

import numpy as np
import pytest

from rshub.tensors.dtypes import working


@pytest.mark.parametrize(
    ("dtypes", "want"),
    [(("BF16",), np.float32), (("BF16", "F16"), np.float64), (("F16",), np.float64), (("F32",), np.float64)],
)
def test_only_bfloat16_is_worked_on_in_float32(dtypes, want):
    assert working(*dtypes) == want
