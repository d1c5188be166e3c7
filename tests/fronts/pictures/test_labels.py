"""Labels cover neither one another nor what is drawn."""

import math
import random
from itertools import combinations, pairwise

from rshub.fronts.pictures.labels import Box, Wish, along, around, place

FRAME = Box(left=0, bottom=0, right=1000, top=600)


def wish(x, y, *, must=False, direction=0.0):
    return Wish(x=x, y=y, width=40, height=14, gap=8, direction=direction, must=must)


def box(centre):
    return Box(left=centre[0] - 20, bottom=centre[1] - 7, right=centre[0] + 20, top=centre[1] + 7)


def test_a_label_with_room_goes_where_it_likes_best():
    assert place([wish(500, 300)], [around(500, 300, half=5)], FRAME) == [(528.0, 300.0)]
    (centre,) = place([wish(500, 300, direction=math.pi / 2)], [], FRAME)
    assert centre[0] == 500
    assert centre[1] == 300 + 8 + 7


def test_nothing_that_was_placed_is_covered():
    chance = random.Random(0)
    spots = [(chance.uniform(0, 1000), chance.uniform(0, 600)) for _ in range(60)]
    marks = [around(*spot, half=6) for spot in spots] + along((0, 0), (1000, 600), half=2)
    found = [box(centre) for centre in place([wish(*spot) for spot in spots], marks, FRAME) if centre]
    assert len(found) > 30
    assert all(one.overlap(other) == 0 for one, other in combinations([*found], 2))
    assert all(label.overlap(mark) == 0 and label.outside(FRAME) == 0 for label in found for mark in marks)


def test_a_label_without_room_is_left_out_unless_it_must_be_there():
    everywhere = [FRAME]
    assert place([wish(500, 300)], everywhere, FRAME) == [None]
    assert place([wish(500, 300, must=True)], everywhere, FRAME)[0] is not None


def test_a_line_is_covered_from_end_to_end():
    boxes = along((10, 10), (60, 10), half=2)
    assert (boxes[0].left, boxes[-1].right) == (8, 62)
    assert all(left.right >= right.left for left, right in pairwise(boxes))
    assert along((5, 5), (5, 5), half=1)[0] == Box(left=4, bottom=4, right=6, top=6)
