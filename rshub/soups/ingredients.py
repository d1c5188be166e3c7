"""What goes into a soup: the experts that were asked for, those of equal content as one, and the tensors they change.

Terms with coefficient zero are not read. Ingredients are sorted by content, so the order of the experts and the way a
coefficient is split never change the result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rshub.errors import Incompatible
from rshub.tensors.adapters import Adapter, match_modules, read_adapter
from rshub.tensors.checkpoint import Checkpoint, Placed
from rshub.tensors.delta import Kind, Layout, LowRank
from rshub.tensors.matching import Match
from rshub.types import TensorName


@dataclass(frozen=True, kw_only=True)
class Term:
    """One expert as it was asked for: what to call it, where it lies, and its coefficient."""

    label: str
    folder: Path
    coefficient: float


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """Experts of equal content as one, with the sum of their coefficients."""

    adapter: Adapter
    coefficient: float
    terms: tuple[int, ...]
    matches: Mapping[str, Match] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What one ingredient brings to one tensor."""

    ingredient: int
    module: LowRank


@dataclass(frozen=True, kw_only=True)
class Touched:
    """A tensor of the base that changes; ``module`` is its name in the model, ``rank`` the rank of the change."""

    tensor: TensorName
    module: str
    placed: Placed
    kind: Kind
    layout: Layout
    contributions: tuple[Contribution, ...]

    @property
    def rows(self) -> int:
        """The first dimension of the stored tensor."""
        return self.placed.shape[0]

    @property
    def columns(self) -> int:
        """All other dimensions of the stored tensor as one."""
        return math.prod(self.placed.shape[1:])


def gather(terms: Sequence[Term], base: Checkpoint) -> tuple[tuple[Ingredient, ...], tuple[str, ...]]:
    """Read the experts, put those of equal content together, and sort them by content."""
    groups: dict[str, tuple[Adapter, list[int]]] = {}
    for number, term in enumerate(terms):
        if term.coefficient:
            adapter = read_adapter(term.folder, label=term.label)
            groups.setdefault(adapter.content_key, (adapter, []))[1].append(number)
    found: list[Ingredient] = []
    warnings: list[str] = []
    for _, (adapter, numbers) in sorted(groups.items()):
        matches = match_modules(adapter, base)
        total = math.fsum(terms[number].coefficient for number in numbers)
        if total:
            found.append(Ingredient(adapter=adapter, coefficient=total, terms=tuple(numbers), matches=matches))
        else:
            names = ", ".join(terms[number].label for number in numbers)
            warnings.append(f"{names} are the same expert and cancel exactly")
    return tuple(found), tuple(warnings)


def refuse_two_namings(ingredients: Sequence[Ingredient]) -> None:
    """Refuse experts that were trained on model classes with other module paths: no adapter fits both."""
    first: tuple[str, str] | None = None
    for ingredient in ingredients:
        shift = max((match.shift for match in ingredient.matches.values()), default="")
        if first is not None and shift != first[0]:
            raise Incompatible(
                f"{first[1]} and {ingredient.adapter.label} name the base's tensors differently, "
                "so that no adapter fits both",
                where=ingredient.adapter.label,
                remedy="write a checkpoint, or mix experts that were trained on the same model class",
            )
        first = first or (shift, ingredient.adapter.label)


def touched_tensors(ingredients: Sequence[Ingredient]) -> tuple[Touched, ...]:
    """Gather the tensors that change, in the order of their names."""
    tensors: dict[TensorName, tuple[Match, list[Contribution]]] = {}
    for number, ingredient in enumerate(ingredients):
        for name, match in ingredient.matches.items():
            module = ingredient.adapter.modules[name]
            first, parts = tensors.setdefault(match.tensor, (match, []))
            if first.layout != match.layout or (parts and parts[0].module.kind != module.kind):
                raise Incompatible(
                    f"{ingredient.adapter.label}: the tensor {module.a_name} treats {match.tensor} as another kind of "
                    f"layer than {parts[0].module.label} does",
                    where=module.a_name,
                    remedy="mix experts that were trained on the same model class",
                )
            parts.append(Contribution(ingredient=number, module=module))
    return tuple(
        Touched(
            tensor=name,
            module=match.module,
            placed=match.placed,
            kind=parts[0].module.kind,
            layout=match.layout,
            contributions=tuple(parts),
        )
        for name, (match, parts) in sorted(tensors.items())
    )
