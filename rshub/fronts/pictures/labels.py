"""Placing labels beside points so that they cover neither one another nor the marks of a picture.

Everything is in pixels of the finished picture. Each label tries a few places around its point, nearest and preferred
first; a label that finds none is left out, unless it must be there and then takes the least bad place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

_TURNS = (0, 20, -20, 40, -40, 65, -65, 90, -90, 120, -120, 150, -150, 180)
_REACHES = (1.0, 1.5, 2.1)


@dataclass(frozen=True, kw_only=True)
class Box:
    """An upright rectangle in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """Give the area that two boxes share, in square pixels."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return width * height if width > 0.0 and height > 0.0 else 0.0

    def outside(self, frame: Box) -> float:
        """Give the area of this box that lies outside a frame."""
        return (self.right - self.left) * (self.top - self.bottom) - self.overlap(frame)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A label looking for a place: its point, its size, and the direction (radians) that it likes best."""

    x: float
    y: float
    width: float
    height: float
    gap: float
    direction: float
    must: bool = False


def place(wishes: Sequence[Wish], taken: Iterable[Box], frame: Box) -> list[tuple[float, float] | None]:
    """Give each label the centre of its place, in the order given, or None where there is no room."""
    edges = np.array([(box.left, box.bottom, box.right, box.top) for box in taken]).reshape(-1, 4)
    centres: list[tuple[float, float] | None] = []
    for wish in wishes:
        far = 2.0 * (wish.gap * max(_REACHES) + wish.width + wish.height)
        near = (edges[:, :2] < (wish.x + far, wish.y + far)).all(axis=1)
        near &= (edges[:, 2:] > (wish.x - far, wish.y - far)).all(axis=1)
        nearby = edges[near]
        cost, best = math.inf, around(wish.x, wish.y, half=0.0)
        for reach, turn in product(_REACHES, _TURNS):
            box = _beside(wish, wish.direction + math.radians(turn), wish.gap * reach)
            covered = _covered(box, nearby) + 4.0 * box.outside(frame)
            if covered < cost:
                cost, best = covered, box
            if cost <= 0.0:
                break
        if cost > 0.0 and not wish.must:
            centres.append(None)
            continue
        edges = np.append(edges, [(best.left, best.bottom, best.right, best.top)], axis=0)
        centres.append(((best.left + best.right) / 2.0, (best.bottom + best.top) / 2.0))
    return centres


def along(start: tuple[float, float], end: tuple[float, float], *, half: float) -> list[Box]:
    """Cover a line with small boxes, so that labels keep off it; ``half`` is their half width in pixels."""
    (x0, y0), (x1, y1) = start, end
    steps = max(1, min(400, math.ceil(math.hypot(x1 - x0, y1 - y0) / (2.0 * half))))
    parts = [step / steps for step in range(steps + 1)]
    return [around(x0 + (x1 - x0) * part, y0 + (y1 - y0) * part, half=half) for part in parts]


def around(x: float, y: float, *, half: float) -> Box:
    """Give the square around a point."""
    return Box(left=x - half, bottom=y - half, right=x + half, top=y + half)


def _covered(box: Box, edges: npt.NDArray[np.float64]) -> float:
    """Give the area that a box takes from others, each given as left, bottom, right and top."""
    low = np.maximum(edges[:, :2], (box.left, box.bottom))
    high = np.minimum(edges[:, 2:], (box.right, box.top))
    return float(np.maximum(high - low, 0.0).prod(axis=1).sum())


def _beside(wish: Wish, direction: float, gap: float) -> Box:
    """Put the label's nearest edge ``gap`` pixels from its point."""
    cos, sin = math.cos(direction), math.sin(direction)
    half_width, half_height = wish.width / 2.0, wish.height / 2.0
    x = wish.x + cos * (gap + half_width)
    y = wish.y + sin * (gap + half_height)
    return Box(left=x - half_width, bottom=y - half_height, right=x + half_width, top=y + half_height)
