"""What worlds draw, counted by hand: shares of what is said, answers of every kind, texts that were spoiled."""

import random
from statistics import fmean

import pytest

from scripts.twins.world import Record, Slot, anything, record, spoiled, written

SLOTS = {
    "who": Slot(values=("ada", "ben")),
    "day": Slot(values=tuple("abcdefgh"), stated=0.5, said=0.8, invented=0.1),
    "why": Slot(values=tuple("pqrstuvw"), stated=0.5, said=0.3, invented=0.2),
}
DRAWS = 4000
FOUR_ERRORS = 4 * (0.25 / (DRAWS / 4)) ** 0.5
"""Of a share that is counted on at least a quarter of the draws."""


def draws(draw):
    rng = random.Random(5)
    known = [record(SLOTS, rng) for _ in range(DRAWS)]
    return [(one, draw(SLOTS, one, rng)) for one in known]


def test_the_same_seed_draws_the_same_and_another_does_not():
    first, again, other = (record(SLOTS, random.Random(seed)) for seed in (3, 3, 9))
    assert first == again != other


def test_writers_say_what_is_stated_and_what_is_not_as_often_as_declared():
    drawn = draws(written)
    for slot in ("day", "why"):
        for stated, share in ((True, SLOTS[slot].said), (False, SLOTS[slot].invented)):
            said = [slot in saying for known, saying in drawn if (slot in known.stated) is stated]
            assert fmean(said) == pytest.approx(share, abs=FOUR_ERRORS)
    assert all(saying["who"] == known.facts["who"] for known, saying in drawn)
    assert all(known.right(slot, saying[slot]) for known, saying in drawn for slot in known.stated & saying.keys())


def test_what_is_not_stated_is_not_right_even_where_it_happens_to_be_so():
    known = Record(facts={"day": "a"}, stated=frozenset())
    assert not known.right("day", "a")
    assert Record(facts={"day": "a"}, stated=frozenset({"day"})).right("day", "a")
    assert not Record(facts={"day": "a"}, stated=frozenset({"day"})).right("day", "b")


def test_careless_answers_say_about_as_much_as_careful_ones_so_that_only_the_source_tells_them_apart():
    lengths = {True: [], False: []}
    for known, said in draws(anything):
        careful = all(known.right(slot, value) for slot, value in said.items())
        if len(said) > 1:  # a bare answer is nearly always right
            lengths[careful].append(len(said))
    assert min(map(len, lengths.values())) > DRAWS / 10
    assert fmean(lengths[True]) == pytest.approx(fmean(lengths[False]), rel=0.15)


def test_answers_of_every_kind_reach_from_the_barest_to_the_fullest():
    counts = {len(said) for _, said in draws(anything)}
    assert counts == {1, 2, 3}


def test_a_spoiled_text_is_made_of_the_words_of_the_text_and_differs_from_it():
    text = "one two three four five six seven"
    rng = random.Random(0)
    spoilt = [spoiled(text, rng) for _ in range(200)]
    assert all(one and set(one.split()) <= set(text.split()) for one in spoilt)
    assert sum(one != text for one in spoilt) > 190
    lengths = [len(one.split()) for one in spoilt]
    assert min(lengths) < 7 < max(lengths)
