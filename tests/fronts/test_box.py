"""The box of some points: worst 0, best 1, and what is the same everywhere speaks against nobody."""

import numpy as np

from rshub.fronts.box import Box


def test_the_worst_is_0_and_the_best_1_over_all_points():
    box = Box.around(np.array([[1.0, -4.0], [3.0, 0.0]]), np.array([[2.0, 4.0]]))
    assert (box.nadir.tolist(), box.ideal.tolist(), box.extent.tolist()) == ([1, -4], [3, 4], [2, 8])
    assert not box.flat.any()
    np.testing.assert_array_equal(box.unit(np.array([[[2.0, 0.0]], [[5.0, -12.0]]])), [[[0.5, 0.5]], [[2.0, -1.0]]])


def test_a_flat_reward_stands_at_1_however_large_it_is():
    points = np.array([[1e90, 0.0], [1e90, 1.0]])
    box = Box.around(points)
    assert box.flat.tolist() == [True, False]
    np.testing.assert_array_equal(box.unit(points), [[1.0, 0.0], [1.0, 1.0]])
