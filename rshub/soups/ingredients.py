"""What goes into a soup: the experts that were asked for, those of equal content as one, and the tensors they change.

Terms with coefficient zero are not read. Ingredients are sorted by content, so the order of the experts and the way a
coefficient is split never change the result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rshub.deltas.delta import Kind, Layout, LowRank
from rshub.deltas.expert_tensors import ExpertTensors, read_expert
from rshub.deltas.matching import Placement
from rshub.deltas.naming import clash
from rshub.deltas.tying import tied_pair
from rshub.errors import Incompatible
from rshub.preferences.preference import INIT
from rshub.soups.twins import placed_with_twins
from rshub.tensors.checkpoint import Checkpoint, Placed
from rshub.types import TensorName


@dataclass(frozen=True, kw_only=True)
class Term:
    """One expert as it was asked for: what to call it, where it lies, and its coefficient.

    An ``anchor`` is no expert: it is the start that the experts continue, and that their deltas contain. ``files`` are
    those of the folder that count; all of them if absent.
    """

    label: str
    folder: Path
    coefficient: float
    anchor: bool = False
    files: tuple[str, ...] | None = None

    @property
    def is_start(self) -> bool:
        """Whether it is what the experts began with, contained in their deltas or beneath them."""
        return self.anchor or self.label == INIT


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """Experts of equal content as one, with the sum of their coefficients."""

    expert: ExpertTensors
    coefficient: float
    terms: tuple[int, ...]
    placements: tuple[Placement, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What one ingredient brings to one tensor."""

    ingredient: int
    placement: Placement


@dataclass(frozen=True, kw_only=True)
class Touched:
    """A tensor of the output that changes; ``module`` is its path in the model, ``placed`` is where theta_0 lies."""

    tensor: TensorName
    module: str
    placed: Placed
    contributions: tuple[Contribution, ...]

    @property
    def low_rank(self) -> tuple[LowRank, ...] | None:
        """The deltas, when all of them are plain factors."""
        return self._factors if len(self._factors) == len(self.contributions) else None

    @property
    def _factors(self) -> tuple[LowRank, ...]:
        deltas = (part.placement.delta for part in self.contributions)
        return tuple(delta for delta in deltas if isinstance(delta, LowRank))

    @property
    def kind(self) -> Kind:
        """The kind of layer: as the factors say; without factors, as the shape says."""
        shape: Kind = "conv" if len(self.placed.shape) > 2 else "linear"
        return next((delta.kind for delta in self._factors), shape)

    @property
    def layout(self) -> Layout:
        """How factors of this change lie in the stored tensor."""
        factors = (part.placement for part in self.contributions if isinstance(part.placement.delta, LowRank))
        return next((placement.layout for placement in factors), "plain")

    @property
    def rows(self) -> int:
        """The first dimension of the stored tensor; one for a single number."""
        return self.placed.shape[0] if self.placed.shape else 1

    @property
    def columns(self) -> int:
        """All other dimensions of the stored tensor as one."""
        return math.prod(self.placed.shape[1:])


def gather(terms: Sequence[Term], base: Checkpoint) -> tuple[tuple[Ingredient, ...], tuple[str, ...]]:
    """Read the experts, put those of equal content together, and sort them by content."""
    tied = tied_pair(base)
    groups: dict[str, tuple[ExpertTensors, list[int]]] = {}
    for number, term in enumerate(terms):
        if term.coefficient:
            expert = read_expert(term.folder, label=term.label, names=term.files)
            groups.setdefault(expert.content_key, (expert, []))[1].append(number)
    found: list[Ingredient] = []
    warnings: list[str] = []
    for _, (expert, numbers) in sorted(groups.items()):
        placements = placed_with_twins(expert, base, tied)
        warnings.extend(expert.notes)
        total = math.fsum(terms[number].coefficient for number in numbers)
        if total:
            found.append(Ingredient(expert=expert, coefficient=total, terms=tuple(numbers), placements=placements))
        else:
            names = ", ".join(terms[number].label for number in numbers)
            warnings.append(f"{names} are the same expert and cancel exactly")
    return tuple(found), tuple(warnings)


def refuse_two_namings(ingredients: Sequence[Ingredient]) -> None:
    """Refuse experts that were trained on model classes with other module paths: no adapter fits both."""
    placed = [(ingredient.expert.label, placement) for ingredient in ingredients for placement in ingredient.placements]
    components = {each.placed.shard.rpartition("/")[0] for one in ingredients for each in one.placements}
    if len(components) > 1:
        raise Incompatible(
            f"the experts change more than one component of the pipeline ({', '.join(sorted(components))}), "
            "and an adapter is of one",
            where="format",
            remedy="write a checkpoint, or mix experts of one component",
        )
    clashing = clash([(placement.tensor, placement.rename) for _, placement in placed])
    if clashing is not None:
        (first, one), (second, other) = (placed[number] for number in clashing)
        raise Incompatible(
            f"{first} and {second} name the base's tensors differently ({one.module}, {other.module}), so that no "
            "adapter fits both",
            where=second,
            remedy="write a checkpoint, or mix experts that were trained on the same model class",
        )


def touched_tensors(ingredients: Sequence[Ingredient]) -> tuple[Touched, ...]:
    """Gather the tensors that change, in the order of their names."""
    tensors: dict[TensorName, list[Contribution]] = {}
    for number, ingredient in enumerate(ingredients):
        for placement in ingredient.placements:
            parts = tensors.setdefault(placement.tensor, [])
            _refuse_other_layer(placement, [part.placement for part in parts])
            parts.append(Contribution(ingredient=number, placement=placement))
    return tuple(
        Touched(
            tensor=name,
            module=parts[0].placement.module,
            placed=parts[0].placement.placed,
            contributions=tuple(parts),
        )
        for name, parts in sorted(tensors.items())
    )


def _refuse_other_layer(placement: Placement, others: Sequence[Placement]) -> None:
    """Refuse factors that take a tensor for another kind of layer than those of another expert do."""
    delta = placement.delta
    for other in others:
        if not isinstance(delta, LowRank) or not isinstance(other.delta, LowRank):
            continue
        if (delta.kind, placement.layout) != (other.delta.kind, other.layout):
            raise Incompatible(
                f"{delta.label}: the tensor {delta.first_name} treats {placement.tensor} as another kind of "
                f"layer than {other.delta.label} does",
                where=delta.first_name,
                remedy="mix experts that were trained on the same model class",
            )
