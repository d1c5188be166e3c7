"""``entrypoint:name``: a reward that somebody's installed package offers under the group ``rshub.rewards``.

    [project.entry-points."rshub.rewards"]
    politeness = "my_package.rewards:politeness"        a function politeness(samples, context) -> scores

Its canonical name, ``entrypoint:package/name@version``, says which package it was; another version is refused rather
than scored. Code is only ever found among what is installed: no path and no module is named in a spec. The function may
carry ``direction`` ("max" or "min"), ``range`` (two numbers), ``needs_references`` and ``about``; None in its answer
means that a sample is not scored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rshub.errors import Incompatible, InvalidInput, NotFound, RshubError
from rshub.formats.fields import nearest
from rshub.rewards.grammar import TermText
from rshub.rewards.samples import Context, TextSample
from rshub.rewards.term import UNBOUNDED, Direction, ModelSource, Range

GROUP = "rshub.rewards"


@dataclass(frozen=True, kw_only=True)
class EntryPointTerm:
    """A reward of an installed package.

    Args:
        text: As it is named; package, version and direction are in it once it is pinned.
    """

    text: TermText
    version: int = 1

    @property
    def name(self) -> str:
        """The canonical text."""
        return str(self.text)

    @property
    def pinned(self) -> bool:
        """Whether package and version are named."""
        return "/" in self.text.place and self.text.revision is not None

    @property
    def direction(self) -> Direction:
        """Whether more is better; what the function says is in the name once it is pinned."""
        return "min" if self.text.options.get("direction") == ("min",) else "max"

    @property
    def range(self) -> Range:
        """What the function says of itself."""
        if not self._is_installed():
            return UNBOUNDED
        said = getattr(self._function(), "range", UNBOUNDED)
        try:
            low, high = (float(end) for end in said)
        except (TypeError, ValueError) as fault:
            raise self._wrong(f"its range {said!r} is no pair of numbers") from fault
        return low, high

    @property
    def about(self) -> str:
        """What the function says of itself."""
        return str(getattr(self._function(), "about", "")) if self._is_installed() else ""

    @property
    def needs_references(self) -> bool:
        """What the function says of itself."""
        return bool(getattr(self._function(), "needs_references", False)) if self._is_installed() else False

    def pin(self, source: ModelSource | None) -> EntryPointTerm:
        """Name package, version and direction, as they are installed here; what names them itself may lie elsewhere.

        Raises:
            NotFound: No installed package offers such a reward.
            Incompatible: The package has another version, or another direction than is said.
            InvalidInput: Several packages offer it.
        """
        del source
        if self.pinned and not self._is_installed():
            return self
        found = self._found
        assert found.dist is not None
        said = getattr(self._function(), "direction", "max")
        if said not in {"max", "min"}:
            raise self._wrong(f"its direction {said!r} is neither max nor min")
        if self.text.options and self.text.options["direction"] != (said,):
            raise Incompatible(
                f"{self.name}: the function says direction {said}", where=self.name, remedy="leave the direction out"
            )
        return replace(
            self,
            text=replace(
                self.text,
                place=f"{found.dist.name}/{found.name}",
                revision=found.dist.version,
                options={"direction": ("min",)} if said == "min" else {},
            ),
        )

    def make_ready(self, context: Context) -> None:
        """Import the function."""
        del context
        self._function()

    def score(self, samples: Sequence[TextSample], context: Context) -> NDArray[np.float64]:
        """Ask the function.

        Raises:
            RshubError: It raised, or gave something else than one finite number or None for each sample.
        """
        function = self._function()
        try:
            answer: Any = function(samples, context)
            given = list(answer)
        except (RshubError, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as fault:  # somebody's code may raise anything, an exit of the program too
            raise self._wrong(f"it raised {type(fault).__name__}: {fault}") from fault
        if len(given) != len(samples):
            raise self._wrong(f"it gave {len(given)} scores for {len(samples)} samples")
        return np.array([self._number(value, place) for place, value in enumerate(given)], dtype=np.float64)

    def _number(self, value: Any, place: int) -> float:
        if value is None:
            return float("nan")
        try:
            number = float(value)
        except (TypeError, ValueError) as fault:
            raise self._wrong(f"its score of sample {place} is {value!r}, no number") from fault
        if not math.isfinite(number):
            raise self._wrong(f"its score of sample {place} is {number}; None says that a sample is not scored")
        return number

    def _is_installed(self) -> bool:
        try:
            return bool(self._found)
        except RshubError:
            return False

    def _function(self) -> Callable[..., Any]:
        """Import the function; Python remembers it."""
        found = self._found
        try:
            function = found.load()
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as fault:  # somebody's code may raise anything, an exit of the program too
            raise self._wrong(f"importing {found.value} raised {type(fault).__name__}: {fault}") from fault
        if not callable(function) or isinstance(function, type):
            raise self._wrong(f"{found.value} is no function", "name a function or an object that can be called")
        return function  # type: ignore[no-any-return]

    @cached_property
    def _found(self) -> EntryPoint:
        """Look through what is installed, once."""
        package, slash, name = self.text.place.rpartition("/")
        offered = [point for point in entry_points(group=GROUP) if point.dist is not None]
        found = [point for point in offered if point.name == name and (not slash or _named(point) == _normal(package))]
        if not found:
            guess = nearest(name, {point.name for point in offered})
            hint = f"; did you mean {guess!r}?" if guess else ""
            raise NotFound(
                f"{self.name}: no installed package offers the reward {self.text.place!r}{hint}",
                where=self.name,
                remedy=f"install the package that has it under the entry points {GROUP!r}",
            )
        if len({_named(point) for point in found}) > 1:
            packages = ", ".join(sorted(f"entrypoint:{_named(point)}/{name}" for point in found))
            raise InvalidInput(
                f"{self.name}: several packages offer it", where=self.name, remedy=f"name one: {packages}"
            )
        installed = found[0].dist.version if found[0].dist is not None else ""
        if self.text.revision not in {None, installed}:
            raise Incompatible(
                f"{self.name}: version {self.text.revision} is asked for, {installed} is installed",
                where=self.name,
                remedy=f"install {_named(found[0])}=={self.text.revision}, or leave the version out",
            )
        return found[0]

    def _wrong(self, why: str, remedy: str = "mend the package, or leave this reward out") -> RshubError:
        return RshubError(f"{self.name}: {why}", where=self.name, remedy=remedy)


def entry_point_term(text: TermText) -> EntryPointTerm:
    """Read the name of an entry point; nothing is looked up yet.

    Raises:
        InvalidInput: It is no such name, or has options that it cannot have.
    """
    parts = text.place.split("/")
    if len(parts) > 2 or not all(part and part[0] != "." for part in parts):
        text.refuse(f"{text.place!r} is no name of an entry point", "write entrypoint:name or entrypoint:package/name")
    for key, value in text.options.items():
        if key != "direction" or value[0] not in {"max", "min"}:
            text.refuse(f"entry points have no option {key}={value[0]}", "only direction=max or direction=min")
    return EntryPointTerm(text=text)


def _named(point: EntryPoint) -> str:
    return _normal(point.dist.name) if point.dist is not None else ""


def _normal(package: str) -> str:
    """Give the one spelling of a package's name."""
    return package.lower().replace("_", "-").replace(".", "-")
