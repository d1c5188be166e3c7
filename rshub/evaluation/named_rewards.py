"""Rewards as people name them on a command line: ``NAME=SPEC``, or a spec that brings its own name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rshub.errors import InvalidInput
from rshub.rewards.spec import Reward, reward_from_spec


def named_rewards(rewards: Sequence[str] | Mapping[str, str]) -> dict[str, Reward]:
    """Read rewards with their names: ``NAME=SPEC``, or a single term, which is called by its own name.

    What stands before the first ``=`` is a name where it has no colon: a spec has one before any option.

    Raises:
        InvalidInput: A spec is malformed, a sum has no name, or a name is there twice.
    """
    if isinstance(rewards, Mapping):
        rewards = [f"{name}={spec}" for name, spec in rewards.items()]
    named: dict[str, Reward] = {}
    for text in rewards:
        name, equals, spec = text.partition("=")
        has_name = bool(equals) and ":" not in name
        reward = reward_from_spec(spec if has_name else text)
        if not has_name:
            if len(reward.terms) > 1:
                raise InvalidInput(f"{text!r} needs a name", where=text, remedy=f"write NAME={text}")
            name = _own_name(next(iter(reward.terms)))
        name = name.strip()
        if not name or name in named:
            raise InvalidInput(f"the reward {name!r} is there twice or has no name", where=text, remedy="NAME=SPEC")
        named[name] = reward
    if not named:
        raise InvalidInput("no reward was named", where="--reward", remedy="write --reward metric:rouge1.recall")
    return named


def _own_name(term: str) -> str:
    """Call a term by what it names: a metric by its name, a classifier by its repo's."""
    place = re.split("[@#]", term.partition(":")[2])[0]
    return place.rpartition("/")[2].lower()
