"""The plan of a soup: every tensor that will change, by what, and how much will be moved, before a byte is written.

Only headers and configs decide, so a plan can be printed and refused at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from rshub.deltas.matching import refuse_quantised
from rshub.deltas.tying import TiedHead, tied_pair
from rshub.errors import Incompatible, InvalidInput
from rshub.formats.fields import nearest
from rshub.formats.header import span_bytes
from rshub.soups.adapter_form import Form, Kept, adapter_forms, kept_whole
from rshub.soups.ingredients import Ingredient, Term, Touched, gather, refuse_two_namings, touched_tensors
from rshub.soups.methods.method import Method, Options, Setting, Share
from rshub.soups.methods.registry import check_method, find_method, refuse_start, settle_options
from rshub.soups.untie import settle_head, untied_warning
from rshub.tensors.changes import Change
from rshub.tensors.checkpoint import Checkpoint, Placed
from rshub.tensors.dtypes import CODES, FLOATS, SINGLE, working
from rshub.tensors.stored import StoredTensor
from rshub.tensors.tiles import Grid
from rshub.types import TensorName

__all__ = ["DTYPES", "FORMATS", "LAYOUTS", "ComposePlan", "Term", "plan_soup"]

FORMATS = ("checkpoint", "adapter")
LAYOUTS = ("base", "split")
DTYPES = ("auto", "bfloat16", "float16", "float32")
LARGEST_RANK = 65_536
LARGEST_SINGLE_RANK = 48
"""Sums of more products than this are formed in float64: in float32 more than one bfloat16 element in ten thousand
would not be rounded right."""
LARGEST_COEFFICIENT = 1e9
"""Beyond this a soup is noise, and its figures overflow."""


@dataclass(frozen=True, kw_only=True)
class ComposePlan:
    """Everything that is decided before writing.

    ``forms`` says how an adapter holds each change; ``untied`` is a head that the base has as its embedding and the
    soup as a tensor of its own; ``layout`` says how tensors are dealt to shards; ``memo`` is what methods found by
    reading a tensor whole.
    """

    base: Checkpoint
    terms: tuple[Term, ...]
    ingredients: tuple[Ingredient, ...]
    method: Method
    options: Options
    format: Literal["checkpoint", "adapter"]
    rank: int | None
    pad_rank: int | None
    dtype: str
    touched: tuple[Touched, ...]
    warnings: tuple[str, ...]
    forms: Mapping[TensorName, Form] = field(default_factory=dict, repr=False)
    untied: TiedHead | None = None
    layout: str = "base"
    memo: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def tensors(self) -> Mapping[TensorName, Placed]:
        """The tensors of a checkpoint of this soup, and where their theta_0 lies in the base."""
        if self.untied is None or self.untied.stored:
            return self.base.tensors
        head = replace(self.base.tensors[self.untied.embedding], name=self.untied.head)
        return {**self.base.tensors, self.untied.head: head}

    def target_dtype(self, stored: str) -> str:
        """Give the dtype, as in a header, in which a tensor of a stored dtype is written."""
        return CODES[self.dtype] if self.dtype != "auto" and stored in FLOATS else stored

    def rank_of(self, touched: Touched) -> int:
        """Give the rank of a tensor's change before any truncation: at most that of a matrix of its shape."""
        low_rank = touched.low_rank
        if low_rank is None or self.method.ranks == "full":
            return min(touched.rows, touched.columns)
        ranks = [delta.rank for delta in low_rank]
        return max(ranks) if self.method.ranks == "largest" else sum(ranks)

    @property
    def full_rank(self) -> int:
        """The largest rank of any change before truncation; zero when nothing changes."""
        return max((self.rank_of(touched) for touched in self.low_rank), default=0)

    @property
    def low_rank(self) -> tuple[Touched, ...]:
        """The changes that an adapter holds as factors; in a checkpoint all of them."""
        if self.format == "checkpoint":
            return self.touched
        return tuple(touched for touched in self.touched if self.forms[touched.tensor].low_rank)

    @property
    def kept_whole(self) -> tuple[Kept, ...]:
        """The parameters that an adapter holds with their absolute values."""
        return kept_whole(self.touched, self.forms, self.base) if self.format == "adapter" else ()

    @property
    def needs_weights(self) -> bool:
        """Whether theta_0 is needed, and not only its headers."""
        return self.format == "checkpoint" or any(one.low_rank is None for one in self.touched)

    @property
    def adapter_rank(self) -> int:
        """The one rank of the soup as an adapter."""
        kept = self.full_rank if self.rank is None else min(self.rank, self.full_rank)
        return max(kept, 1) if self.pad_rank is None else self.pad_rank

    @property
    def anchor(self) -> int | None:
        """The ingredient that the experts continue, if there is one."""
        found = (n for n, group in enumerate(self.ingredients) if any(self.terms[term].anchor for term in group.terms))
        return next(found, None)

    def work(self, touched: Touched) -> np.dtype[Any]:
        """Give the dtype in which a tensor is worked on: float64 also where sums of many products would lose bits."""
        stored = touched.placed.dtype
        if touched.low_rank is not None and self.rank_of(touched) > LARGEST_SINGLE_RANK:
            return np.dtype(np.float64)
        return working(stored, self.target_dtype(stored)) if self.format == "checkpoint" else working(stored)

    def stored(self, touched: Touched) -> StoredTensor | None:
        """Open theta_0 of a tensor; None when only the base's headers are at hand."""
        if self.base.folder is None:
            return None
        return StoredTensor(self.base.path(touched.placed.shard), touched.tensor, touched.placed)

    def shares(self, touched: Touched, stored: StoredTensor | None, work: np.dtype[Any] = SINGLE) -> list[Share]:
        """Open the experts' deltas of one tensor, in a working dtype.

        Raises:
            IntegrityError: When a factor holds NaN or an infinity.
            Incompatible: When theta_0 is needed and only its header is at hand.
        """
        if stored is None and touched.low_rank is None:
            raise Incompatible(
                f"{touched.tensor}: the change is a difference to the base, of which only the headers are at hand",
                where=touched.tensor,
                remedy="download the base and name its folder with --base",
            )
        return [
            Share(
                coefficient=self.ingredients[part.ingredient].coefficient,
                part=part.placement.delta.open(stored, part.placement.layout, work),
                content=self.ingredients[part.ingredient].expert.content_key,
            )
            for part in touched.contributions
        ]

    def setting(self, touched: Touched, stored: StoredTensor | None, work: np.dtype[Any] = SINGLE) -> Setting:
        """Say for the method which tensor this is, and what was asked for."""
        return Setting(
            tensor=touched.tensor,
            grid=Grid(rows=touched.rows, columns=touched.columns),
            stored=stored,
            work=work,
            total=math.fsum(abs(ingredient.coefficient) for ingredient in self.ingredients),
            options=self.options,
            memo=self.memo,
        )

    def change(
        self, touched: Touched, work: np.dtype[Any] = SINGLE, look: Callable[[list[Share], Setting], None] | None = None
    ) -> Change:
        """Mix the experts' deltas of one tensor, in a working dtype.

        Args:
            touched: The tensor.
            work: float32 or float64.
            look: Called with the deltas when they are open, before they are mixed.

        Raises:
            IntegrityError: When a factor holds NaN or an infinity.
            Incompatible: When a weighted factor overflows.
        """
        stored = self.stored(touched)
        shares, setting = self.shares(touched, stored, work), self.setting(touched, stored, work)
        if look is not None:
            look(shares, setting)
        try:
            return self.method.mix(shares, setting)
        except Incompatible as fault:
            raise Incompatible(f"{touched.tensor}: {fault}", where=touched.tensor, remedy=fault.remedy) from fault

    def describe(self) -> dict[str, Any]:
        """Say what would be done, as a JSON value."""
        sizes = self.base.sizes.values()
        read = sum(ingredient.expert.size for ingredient in self.ingredients)
        checkpoint = self.format == "checkpoint"
        experts = {term: ingredient.expert for ingredient in self.ingredients for term in ingredient.terms}
        return {
            "format": self.format,
            "method": {
                "name": self.method.name,
                "source": self.method.source,
                "laws": list(self.method.laws),
                "options": {name: value for name, value in vars(self.options).items() if value is not None},
            },
            "dtype": self.dtype,
            "base": {"source": self.base.source, "shards": len(self.base.shards), "bytes": sum(sizes)},
            "experts": [
                {
                    "label": term.label,
                    "coefficient": term.coefficient,
                    "modules": len(experts[number].modules) if number in experts else 0,
                    "rank": experts[number].rank if number in experts else 0,
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
                "read": read + (sum(sizes) if checkpoint else 0),
                "written": self.checkpoint_bytes() if checkpoint else self.adapter_bytes(),
            },
            "warnings": list(self.warnings),
        }

    def checkpoint_bytes(self) -> int:
        """Give the size of all tensors in a checkpoint of this dtype (bytes, without headers)."""
        return sum(span_bytes(self.target_dtype(span.dtype), span.shape) for span in self.tensors.values())

    def adapter_bytes(self) -> int:
        """Give the size of the soup as an adapter (bytes, without the header)."""
        factors = sum(4 * self.adapter_rank * (touched.rows + touched.columns) for touched in self.low_rank)
        return factors + sum(span_bytes("F32", kept.placed.shape) for kept in self.kept_whole)


def plan_soup(
    *,
    base: Checkpoint,
    terms: Sequence[Term],
    method: str = "delta",
    format: str = "checkpoint",  # noqa: A002 - the word that people use
    rank: int | None = None,
    pad_rank: int | None = None,
    dtype: str = "auto",
    density: float | None = None,
    seed: int | None = None,
    layout: str = "base",
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
        density: The share of each delta that is kept, for a method that keeps less than all.
        seed: What chooses the elements that are kept, for a method that draws them.
        layout: ``base`` keeps the base's shards; ``split`` puts what changes and what does not into files of their own.

    Raises:
        InvalidInput: For an option that is not one, or a coefficient that is not a finite number.
        Incompatible: For an expert that does not fit the base, by tensor name.
        IntegrityError: For an expert whose files are not sound.
        NotFound: For a folder that is not there.
    """
    check_options(format, rank, pad_rank, dtype, layout)
    chosen = find_method(method)
    options = settle_options(chosen, Options(density=density, seed=seed))
    for term in terms:
        if not abs(term.coefficient) <= LARGEST_COEFFICIENT:
            raise InvalidInput(
                f"the coefficient of {term.label} is {term.coefficient}, beyond {LARGEST_COEFFICIENT:g}",
                where=term.label,
                remedy="use a smaller coefficient",
            )
    if any(term.is_start for term in terms):
        refuse_start(chosen)
    refuse_quantised(base)
    ingredients, warnings = gather(terms, base)
    if format == "adapter":
        refuse_two_namings(ingredients)
    check_method(chosen, [i.coefficient for i in ingredients], [i.expert for i in ingredients])
    touched, untied = touched_tensors(ingredients), None
    forms: Mapping[TensorName, Form] = {}
    if format == "checkpoint":
        touched, untied = settle_head(touched, base, tied_pair(base))
    else:
        forms = adapter_forms(touched, ingredients, base, chosen, rank)
    plan = ComposePlan(
        base=base,
        terms=tuple(terms),
        ingredients=ingredients,
        method=chosen,
        options=options,
        format="adapter" if format == "adapter" else "checkpoint",
        rank=rank,
        pad_rank=pad_rank,
        dtype=dtype,
        touched=touched,
        warnings=(*warnings, untied_warning(untied)) if untied else warnings,
        forms=forms,
        untied=untied,
        layout=layout,
    )
    if pad_rank is not None and pad_rank < min(plan.full_rank, rank or plan.full_rank):
        raise InvalidInput(
            f"pad_rank {pad_rank} is less than the soup's rank {min(plan.full_rank, rank or plan.full_rank)}",
            where="pad_rank",
            remedy="use a larger pad_rank, or cut the rank with --rank",
        )
    return plan


def check_options(form: str, rank: int | None, pad_rank: int | None, dtype: str, layout: str = "base") -> None:
    """Refuse output options that are none, or that do not go together.

    Raises:
        InvalidInput: With what is there instead.
    """
    for value, valid, name in ((form, FORMATS, "format"), (dtype, DTYPES, "dtype"), (layout, LAYOUTS, "layout")):
        if value not in valid:
            guess = nearest(value, valid)
            raise InvalidInput(
                f"there is no {name} {value!r}" + (f"; did you mean {guess!r}?" if guess else ""),
                where=name,
                remedy=f"use one of: {', '.join(valid)}",
            )
    for number, name in ((rank, "rank"), (pad_rank, "pad_rank")):
        if number is not None and (not 1 <= number <= LARGEST_RANK or form != "adapter"):
            is_rank = 1 <= number <= LARGEST_RANK
            raise InvalidInput(
                f"{name} = {number}" + (f" has no meaning for a {form}" if is_rank else " is no rank"),
                where=name,
                remedy=f"give a whole number from 1 to {LARGEST_RANK} together with --format adapter",
            )
    if form == "adapter" and dtype not in {"auto", "float32"}:
        raise InvalidInput(
            f"an adapter is written in float32, not {dtype}",
            where="dtype",
            remedy="leave --dtype away, or write a checkpoint",
        )
    if form == "adapter" and layout != "base":
        raise InvalidInput(
            f"the layout {layout} has no meaning for an adapter, which is one file",
            where="layout",
            remedy="leave --layout away, or write a checkpoint",
        )
