"""The plan of a soup: every tensor that will change, by what, and how much will be moved, before a byte is written.

Only headers and configs decide, so a plan can be printed and refused at once. Terms with coefficient zero drop out;
terms with equal content are one term, and terms are sorted by content, so the order of the experts and the way a
coefficient is split never change the result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rshub.errors import Incompatible, InvalidInput
from rshub.formats.fields import nearest
from rshub.formats.header import span_bytes
from rshub.soups.methods import Method, Share, check_method, find_method
from rshub.tensors.adapters import Adapter, match_modules, read_adapter
from rshub.tensors.checkpoint import Checkpoint, Placed
from rshub.tensors.delta import Factors, Kind, Layout, LowRank
from rshub.tensors.dtypes import CODES, FLOATS, working
from rshub.tensors.matching import Match, refuse_quantised
from rshub.tensors.windows import MAX_WORKERS, WINDOW_BYTES
from rshub.types import TensorName

FORMATS = ("checkpoint", "adapter")
DTYPES = ("auto", "bfloat16", "float16", "float32")


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


@dataclass(frozen=True, kw_only=True)
class ComposePlan:
    """Everything that is decided before writing."""

    base: Checkpoint
    terms: tuple[Term, ...]
    ingredients: tuple[Ingredient, ...]
    method: Method
    format: Literal["checkpoint", "adapter"]
    rank: int | None
    pad_rank: int | None
    dtype: str
    touched: tuple[Touched, ...]
    warnings: tuple[str, ...]

    def target_dtype(self, stored: str) -> str:
        """Give the dtype, as in a header, in which a tensor of a stored dtype is written."""
        return CODES[self.dtype] if self.dtype != "auto" and stored in FLOATS else stored

    def rank_of(self, touched: Touched) -> int:
        """Give the rank of a tensor's change before any truncation."""
        ranks = [part.module.rank for part in touched.contributions]
        return max(ranks) if self.method.alike else sum(ranks)

    @property
    def full_rank(self) -> int:
        """The largest rank of any change before truncation; zero when nothing changes."""
        return max((self.rank_of(touched) for touched in self.touched), default=0)

    @property
    def adapter_rank(self) -> int:
        """The one rank of the soup as an adapter."""
        kept = self.full_rank if self.rank is None else min(self.rank, self.full_rank)
        return max(kept, 1) if self.pad_rank is None else self.pad_rank

    def shares(self, touched: Touched, work: np.dtype[Any] | None = None) -> list[Share]:
        """Read the factors of all experts for one tensor, in a working dtype (float32 if absent).

        Raises:
            IntegrityError: When a factor holds NaN or an infinity.
        """
        return [
            Share(
                coefficient=self.ingredients[part.ingredient].coefficient,
                scale=part.module.scale,
                factors=part.module.factors(touched.layout, work),
            )
            for part in touched.contributions
        ]

    def change(self, touched: Touched, work: np.dtype[Any] | None = None) -> Factors:
        """Mix the experts' factors for one tensor, in a working dtype (float32 if absent).

        Raises:
            IntegrityError: When a factor holds NaN or an infinity.
            Incompatible: When a weighted factor overflows.
        """
        shares = self.shares(touched, work)
        try:
            return self.method.mix(shares)
        except Incompatible as fault:
            raise Incompatible(f"{touched.tensor}: {fault}", where=touched.tensor, remedy=fault.remedy) from fault

    def describe(self) -> dict[str, Any]:
        """Say what would be done, as a JSON value."""
        sizes = self.base.sizes.values()
        experts = sum(ingredient.adapter.file.size for ingredient in self.ingredients)
        checkpoint = self.format == "checkpoint"
        return {
            "format": self.format,
            "method": {"name": self.method.name, "source": self.method.source},
            "dtype": self.dtype,
            "base": {"source": self.base.source, "shards": len(self.base.shards), "bytes": sum(sizes)},
            "experts": [
                {
                    "label": term.label,
                    "coefficient": term.coefficient,
                    **self._expert(number),
                }
                for number, term in enumerate(self.terms)
            ],
            "touched": {
                "tensors": len(self.touched),
                "elements": sum(touched.rows * touched.columns for touched in self.touched),
                "names": [touched.tensor for touched in self.touched],
            },
            "rank": {"full": self.full_rank, "written": self.full_rank if checkpoint else self.adapter_rank},
            "bytes": {
                "read": experts + (sum(sizes) if checkpoint else 0),
                "written": self.checkpoint_bytes() if checkpoint else self.adapter_bytes(),
            },
            "memory_bound": self._memory(),
            "warnings": list(self.warnings),
        }

    def checkpoint_bytes(self) -> int:
        """Give the size of all tensors in a checkpoint of this dtype (bytes, without headers)."""
        return sum(span_bytes(self.target_dtype(span.dtype), span.shape) for span in self.base.tensors.values())

    def _expert(self, number: int) -> dict[str, Any]:
        for ingredient in self.ingredients:
            if number in ingredient.terms:
                return {"modules": len(ingredient.adapter.modules), "rank": ingredient.adapter.rank}
        return {"modules": 0, "rank": 0}

    def adapter_bytes(self) -> int:
        """Give the size of all factors of the soup as an adapter (bytes, without the header)."""
        return sum(4 * self.adapter_rank * (touched.rows + touched.columns) for touched in self.touched)

    def _memory(self) -> int:
        """Bound the memory beyond the imports (bytes): the windows, one tile, and the factors of tensors in flight."""
        factors = [
            self.rank_of(touched) * (touched.rows + touched.columns)
            * working(touched.placed.dtype, self.target_dtype(touched.placed.dtype)).itemsize
            for touched in self.touched
        ]  # fmt: skip
        largest = max(factors, default=0)
        if self.format == "adapter":
            return 4 * largest
        return MAX_WORKERS * (WINDOW_BYTES + (4 << 20)) + 3 * MAX_WORKERS * largest


def plan_soup(
    *,
    base: Checkpoint,
    terms: Sequence[Term],
    method: str = "delta",
    format: str = "checkpoint",  # noqa: A002 - the word that people use
    rank: int | None = None,
    pad_rank: int | None = None,
    dtype: str = "auto",
) -> ComposePlan:
    """Decide what a soup will be.

    Args:
        base: The base; its headers are enough for an adapter.
        terms: The experts with their coefficients.
        method: A name in ``METHODS``.
        format: ``checkpoint`` for a whole model, ``adapter`` for one adapter.
        rank: The most rank that an adapter keeps, the rest is cut off and reported; exact if absent.
        pad_rank: The rank to fill an adapter up to with zeros.
        dtype: ``auto`` keeps each tensor's stored dtype.

    Raises:
        InvalidInput: For an option that is not one, or a coefficient that is not a finite number.
        Incompatible: For an expert that does not fit the base, by tensor name.
        IntegrityError: For an expert whose files are not sound.
        NotFound: For a folder that is not there.
    """
    _check_options(format, rank, pad_rank, dtype)
    chosen = find_method(method)
    for term in terms:
        if not math.isfinite(term.coefficient):
            raise InvalidInput(f"the coefficient of {term.label} is {term.coefficient}", where=term.label)
    refuse_quantised(base)
    ingredients, warnings = _ingredients(terms, base)
    if format == "adapter":
        _refuse_two_namings(ingredients)
    check_method(chosen, [i.coefficient for i in ingredients], [i.adapter for i in ingredients])
    plan = ComposePlan(
        base=base,
        terms=tuple(terms),
        ingredients=ingredients,
        method=chosen,
        format="adapter" if format == "adapter" else "checkpoint",
        rank=rank,
        pad_rank=pad_rank,
        dtype=dtype,
        touched=_touched(ingredients),
        warnings=warnings,
    )
    if pad_rank is not None and pad_rank < min(plan.full_rank, rank or plan.full_rank):
        raise InvalidInput(
            f"pad_rank {pad_rank} is less than the soup's rank {min(plan.full_rank, rank or plan.full_rank)}",
            where="pad_rank",
            remedy="use a larger pad_rank, or cut the rank with --rank",
        )
    return plan


def _check_options(form: str, rank: int | None, pad_rank: int | None, dtype: str) -> None:
    for value, valid, name in ((form, FORMATS, "format"), (dtype, DTYPES, "dtype")):
        if value not in valid:
            guess = nearest(value, valid)
            raise InvalidInput(
                f"there is no {name} {value!r}" + (f"; did you mean {guess!r}?" if guess else ""),
                where=name,
                remedy=f"use one of: {', '.join(valid)}",
            )
    for number, name in ((rank, "rank"), (pad_rank, "pad_rank")):
        if number is not None and (number < 1 or form != "adapter"):
            raise InvalidInput(
                f"{name} = {number}" + (" is no rank" if number < 1 else f" has no meaning for a {form}"),
                where=name,
                remedy="give a whole number above zero together with --format adapter",
            )
    if form == "adapter" and dtype not in {"auto", "float32"}:
        raise InvalidInput(
            f"an adapter is written in float32, not {dtype}",
            where="dtype",
            remedy="leave --dtype away, or write a checkpoint",
        )


def _ingredients(terms: Sequence[Term], base: Checkpoint) -> tuple[tuple[Ingredient, ...], tuple[str, ...]]:
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


def _refuse_two_namings(ingredients: Sequence[Ingredient]) -> None:
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


def _touched(ingredients: Sequence[Ingredient]) -> tuple[Touched, ...]:
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
