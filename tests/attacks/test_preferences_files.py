"""Hostile score and policy files end in a refusal in bounded time."""

import json
import time

import pytest

from rshub.errors import InvalidInput
from rshub.preferences.policy import Policy
from rshub.preferences.scores import Scores

HEAD = '{"rewards": {"r": {"direction": "max"}}, "points": '
NASTY = {
    "deep": "[" * 100_000,
    "deep points": HEAD + "[" * 100_000,
    "huge integer": HEAD + '[{"kind": "soup", "rewards": {"r": 1' + "0" * 4_000 + "}}]}",
    "beyond any integer": HEAD + '[{"kind": "soup", "rewards": {"r": 1' + "0" * 100_000 + "}}]}",
    "repeated key": HEAD + '[{"kind": "soup", "kind": "morl", "rewards": {"r": 1}}]}',
    "not text": "\ud800",
    "many faults": HEAD + "[" + ",".join(['{"kind": 1}'] * 20_000) + "]}",
    "long unknown rewards": HEAD + '[{"kind": "soup", "rewards": {"' + "x" * 1_000_000 + '": 1}}]}',
    "escape sequence in a name": '{"rewards": {"\\u001b[31m": {"direction": "max"}}, "points": []}',
    "too large": " " * 9_000_000 + "{}",
}


@pytest.mark.parametrize("reader", [Scores.parse, Policy.parse])
@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY.keys())
def test_refused_soon(text, reader):
    data = text.encode("utf-8", "surrogatepass")
    start = time.perf_counter()
    with pytest.raises(InvalidInput) as caught:
        reader(data)
    assert time.perf_counter() - start < 3.0
    assert len(caught.value.message) < 600
    assert caught.value.message.isprintable()


def test_many_misspelt_rewards_are_refused_soon():
    rewards = {f"reward-{n}": {"direction": "max"} for n in range(200)}
    points = [{"kind": "soup", "rewards": {f"rewrad-{n}": 1.0 for n in range(200)}} for _ in range(20)]
    start = time.perf_counter()
    with pytest.raises(InvalidInput):
        Scores.parse(json.dumps({"rewards": rewards, "points": points}).encode())
    assert time.perf_counter() - start < 3.0
