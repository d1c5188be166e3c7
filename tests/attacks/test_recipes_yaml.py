"""Hostile YAML ends in a typed refusal in bounded time."""

import time

import pytest

from rshub.errors import InvalidInput
from rshub.formats.strict_yaml import MAX_BYTES, load_yaml

HOSTILE = {
    "billion laughs": "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
    "constructor": "a: !!python/object/new:os.system ['echo owned']\n",
    "module": "a: !!python/module:os\n",
    "deep flow": "a: " + "[" * 60000,
    "deep block": "\n".join(" " * level + "a:" for level in range(600)),
    "deep list": "- " * 60000,
    "endless number": "a: " + "9" * 100000 + "\n",
    "endless exponent": "a: 1e" + "9" * 100000 + "\n",
    "open quote": 'a: "' + "x" * 200000,
    "null byte": "a: \0\n",
    "too long": "a: " + "x" * MAX_BYTES,
    "merge bomb": "<<: [{a: 1}, {b: 2}]\n",
    "self reference": "a: &a [*a]\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_quickly(name):
    begun = time.process_time()
    with pytest.raises(InvalidInput) as caught:
        load_yaml(HOSTILE[name].encode(), source="r.yaml")
    assert len(caught.value.message) < 300
    assert time.process_time() - begun < 5
