"""The methods of mixing by name. A method that is not listed, or is asked for what it is not defined for, is refused.

``delta`` is the canonical one and exact. Every other method is a published one under its published conditions; which
laws it keeps is said, and its distance from ``delta`` is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

from rshub.deltas.expert_tensors import ExpertTensors
from rshub.errors import Incompatible, InvalidInput
from rshub.formats.fields import nearest
from rshub.soups.methods.dare import DARE, draws_below
from rshub.soups.methods.delta import DELTA
from rshub.soups.methods.factor import FACTOR
from rshub.soups.methods.method import Method, Options
from rshub.soups.methods.slerp import SLERP
from rshub.soups.methods.ties import TIES

LARGEST_SEED = 2**53
"""The largest whole number that every reader of JSON takes exactly."""


METHODS: Mapping[str, Method] = {method.name: method for method in (DELTA, FACTOR, SLERP, TIES, DARE)}


def find_method(name: str) -> Method:
    """Give a method by name.

    Raises:
        InvalidInput: For a name that is not listed, with those that are.
    """
    if name not in METHODS:
        guess = nearest(name, METHODS)
        raise InvalidInput(
            f"there is no method {name!r}" + (f"; did you mean {guess!r}?" if guess else ""),
            where=name,
            remedy=f"use one of: {', '.join(METHODS)}",
        )
    return METHODS[name]


def settle_options(method: Method, asked: Options) -> Options:
    """Lay what was asked for over a method's defaults.

    Raises:
        InvalidInput: For an option that the method has no use for, or a value that is none.
    """
    for option in fields(Options):
        name = option.name
        if getattr(asked, name) is not None and getattr(method.defaults, name) is None:
            users = [other.name for other in METHODS.values() if getattr(other.defaults, name) is not None]
            raise InvalidInput(
                f"the method {method.name!r} has no use for a {name}",
                where=name,
                remedy=f"leave --{name} away, or use --method {' or '.join(users)}",
            )
    if asked.density is not None and not 0.0 < asked.density <= 1.0:
        raise InvalidInput(
            f"density = {asked.density} is no share of a delta's elements",
            where="density",
            remedy="give a number above 0 and at most 1",
        )
    if method.name == DARE.name and asked.density is not None and not draws_below(asked.density):
        raise InvalidInput(
            f"density = {asked.density} keeps nothing of any delta: {method.name} draws shares in steps of 2**-32",
            where="density",
            remedy="give a larger density, or leave the expert out",
        )
    if asked.seed is not None and not 0 <= asked.seed <= LARGEST_SEED:
        raise InvalidInput(
            f"seed = {asked.seed} is out of range", where="seed", remedy=f"give a whole number from 0 to {LARGEST_SEED}"
        )
    return Options(
        density=method.defaults.density if asked.density is None else asked.density,
        seed=method.defaults.seed if asked.seed is None else asked.seed,
    )


def refuse_start(method: Method) -> None:
    """Refuse experts that began with an adapter, for a method that looks at each delta for itself.

    Raises:
        Incompatible: When the method is one of those.
    """
    if method.from_base:
        raise Incompatible(
            f"the method {method.name!r} is defined for what each expert learnt from the base, and these began with an "
            "adapter on it",
            where=method.name,
            remedy="use --method delta, which keeps the start whole",
        )


def check_method(method: Method, coefficients: Sequence[float], experts: Sequence[ExpertTensors]) -> None:
    """Refuse experts that a method cannot mix.

    Raises:
        Incompatible: When the method is not defined for these coefficients or experts, with the reason.
    """
    if method.refuse is not None:
        method.refuse(coefficients, experts)
