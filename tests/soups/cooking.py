"""Composing from the registry of the tests in one line."""

from rshub.soups.compose import compose

PAIR = "recall=0.25, precision=0.75"


def cook(registry, out, what=PAIR, base="lab/base", **options):
    base = None if what.endswith(".json") else base
    return compose(what, base=base, out=out, endpoint=registry.endpoint, **options)
