"""The box from the worst to the best of some points, reward by reward, and places within it: 0 is worst, 1 is best.

Larger is always better. A reward that is the same everywhere tells nothing apart: every point stands at 1 in it, so it
speaks against none, and the box has no volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rshub.fronts.pareto import Array


@dataclass(frozen=True, kw_only=True)
class Box:
    """The worst and the best value of each reward, shape (rewards,)."""

    nadir: Array
    ideal: Array

    @classmethod
    def around(cls, *points: Array) -> Box:
        """Put a box around points of shape (points, rewards), of which there is at least one."""
        both = np.concatenate(points)
        return cls(nadir=both.min(axis=0), ideal=both.max(axis=0))

    @property
    def flat(self) -> npt.NDArray[np.bool_]:
        """Mark the rewards that are the same everywhere."""
        return np.asarray(~(self.ideal > self.nadir))

    @property
    def extent(self) -> Array:
        """Give the unit of each reward: from worst to best, or 1 where these are the same."""
        return np.asarray(np.where(self.flat, 1.0, self.ideal - self.nadir))

    def unit(self, points: Array) -> Array:
        """Place points of shape (..., rewards); those outside the box leave the range from 0 to 1."""
        return np.asarray(np.where(self.flat, 1.0, (points - self.nadir) / self.extent))
