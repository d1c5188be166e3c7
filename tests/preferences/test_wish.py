"""What a preference makes of rewards, in raw and in normalised units."""

import json

import pytest

from rshub.errors import InvalidInput
from rshub.preferences.evidence import gather
from rshub.preferences.scores import Scores
from rshub.preferences.wish import make_wish


def scores(table, directions=("max", "max", "max")):
    names = ("a", "b", "extra")
    points = [
        {
            "kind": "expert",
            "coefficients": {expert: 1},
            "rewards": {name: value for name, value in zip(names, row, strict=True) if value is not None},
        }
        for expert, row in table.items()
    ]
    rewards = {name: {"direction": way} for name, way in zip(names, directions, strict=True)}
    return Scores.parse(json.dumps({"rewards": rewards, "points": points}).encode())


TABLE = {"a": (10, 1, 3), "b": (6, 5, 7), "c": (8, 2, 4)}


def wish(mu, units="normalised", table=None, **options):
    stored = scores(table or TABLE, **options)
    return make_wish(mu, units, gather(stored, tuple(table or TABLE)), stored)


def test_raw_units_are_the_rewards_own():
    assert wish({"a": 0.3, "b": 0.7, "init": 0.5}, "raw").factors == {"a": 0.3, "b": 0.7}


def test_normalised_units_count_the_reach_from_the_worst_expert_to_the_own_or_the_best():
    assert wish({"a": 1, "b": 1, "extra": 1}).factors == pytest.approx({"a": 1 / 4, "b": 1 / 4, "extra": 1 / 4})
    down = {"a": (-10, 1, 3), "b": (-6, 5, 7), "c": (-8, 2, 4)}
    assert wish({"a": 1}, table=down, directions=("min", "max", "max")).factors == pytest.approx({"a": 1 / 4})


def test_the_wish_of_rewards():
    found = wish({"a": 2, "b": -1}, "raw")
    assert found.of({"a": 3.0, "b": 1.0, "extra": 9.0}) == 5.0
    assert found.of({"a": 3.0}) is None
    stored = scores(TABLE, directions=("max", "min", "max"))
    assert found.of_point(stored.points[0], stored.rewards) == 2 * 10 - 1 * -1


@pytest.mark.parametrize(
    ("mu", "table", "said"),
    [
        ({"extr": 1}, TABLE, "did you mean 'extra'"),
        ({"a": 1}, {"a": (None, 1, 3), "b": (6, 5, 7)}, "the expert for a was not measured on a"),
        ({"extra": 1}, {"a": (1, 1, 3), "b": (6, 5, None)}, "measured on 1 of 2 experts"),
        ({"a": 1}, {"a": (1, 1, 3), "b": (6, 5, 1)}, "the expert for a is no better on a than the worst"),
        ({"extra": 1}, {"a": (1, 1, 3), "b": (6, 5, 3)}, "no expert is better"),
    ],
)
def test_what_has_no_unit_is_refused_by_name(mu, table, said):
    with pytest.raises(InvalidInput, match=said):
        wish(mu, table=table)
    if "mean" not in said:
        assert wish(mu, "raw", table=table).factors == mu


def test_one_expert_needs_no_unit():
    assert wish({"a": 1}, table={"a": (1, 2, 3)}).factors == {"a": 1}
