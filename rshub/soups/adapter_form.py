"""How each change of a soup is said in an adapter, decided from headers; what an adapter cannot say is refused by name.

Low-rank changes are factors. What is no factor is a matrix that is cut to a rank, when one was asked for. What experts
that are adapters saved beside their factors is written as they do, as mixed absolute values: whole modules, and biases
in place. Vectors that only whole models changed must turn out not to change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rshub.deltas.adapters import Adapter
from rshub.deltas.decomposed import Decomposed
from rshub.deltas.delta import Delta, Kind, Layout, LowRank
from rshub.deltas.matching import WEIGHT
from rshub.deltas.square import FAMILIES, NAMES
from rshub.deltas.summed import Summed
from rshub.deltas.tying import tied_pair
from rshub.errors import Incompatible
from rshub.soups.ingredients import Ingredient, Touched
from rshub.soups.methods.method import Method
from rshub.tensors.checkpoint import Checkpoint, Placed
from rshub.tensors.dtypes import FLOATS
from rshub.types import TensorName

BIAS = ".bias"
EMBEDDINGS = ("wte", "wpe", "shared", "relative_attention_bias")
"""Last names of embeddings that do not have ``embed`` in them."""

How = Literal["factors", "dense", "module", "bias", "vector"]
"""Factors as they are; a matrix cut to a rank; a parameter of a module that is saved whole; a bias in place; and a
vector or a parameter of another name, which no adapter of these experts may change."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """How one change is said: ``path`` is the parameter's in the model, ``layer`` that of the layer it belongs to."""

    how: How
    path: str
    layer: str
    kind: Kind
    layout: Layout

    @property
    def low_rank(self) -> bool:
        """Whether it becomes a pair of factors."""
        return self.how in {"factors", "dense"}


def adapter_forms(
    touched: Sequence[Touched], ingredients: Sequence[Ingredient], base: Checkpoint, method: Method, rank: int | None
) -> Mapping[TensorName, Form]:
    """Decide how each change is said.

    Raises:
        Incompatible: For a change that an adapter cannot say, or not without a rank; named, with the way out.
    """
    forms = {one.tensor: _form(one, ingredients, base, method) for one in touched}
    tied = tied_pair(base)
    for one in touched:
        form = forms[one.tensor]
        if form.how == "dense" and rank is None:
            why = f"the method {method.name!r} makes" if one.low_rank is not None else "the experts make"
            raise Incompatible(
                f"{one.tensor}: the change that {why} is of full rank, and an adapter holds it only cut to a rank",
                where=one.tensor,
                remedy="say which rank, with --rank N (the loss is reported), or use --format checkpoint",
            )
        if form.how == "module" and tied is not None and one.tensor in {tied.head, tied.embedding}:
            raise Incompatible(
                f"{one.tensor} is tied to another tensor, and saved whole an adapter would take the two apart",
                where=one.tensor,
                remedy="use --format checkpoint",
            )
    return forms


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A parameter that an adapter holds with its absolute values; ``touched`` is None for one that does not change."""

    path: str
    tensor: TensorName
    placed: Placed
    touched: Touched | None


def kept_whole(touched: Sequence[Touched], forms: Mapping[TensorName, Form], base: Checkpoint) -> tuple[Kept, ...]:
    """List what is saved whole: biases in place, and of a saved module every parameter, because all are loaded.

    Raises:
        Incompatible: For a saved module with a parameter that holds no floating-point numbers.
    """
    changed = {one.tensor: one for one in touched}
    layers = {one.tensor.rpartition(".")[0]: forms[one.tensor].layer for one in touched if _is_module(forms, one)}
    found = [
        Kept(path=forms[one.tensor].path, tensor=one.tensor, placed=one.placed, touched=one)
        for one in touched
        if forms[one.tensor].how == "bias" and one.tensor.rpartition(".")[0] not in layers
    ]
    for name, placed in base.tensors.items():
        folder, _, last = name.rpartition(".")
        if folder not in layers:
            continue
        if placed.dtype not in FLOATS:
            raise Incompatible(
                f"{name} of a module that is saved whole is {placed.dtype}, which is not mixed",
                where=name,
                remedy="use --format checkpoint",
            )
        found.append(Kept(path=f"{layers[folder]}.{last}", tensor=name, placed=placed, touched=changed.get(name)))
    return tuple(sorted(found, key=lambda kept: kept.path))


def _is_module(forms: Mapping[TensorName, Form], one: Touched) -> bool:
    return forms[one.tensor].how == "module"


def parameter(touched: Touched) -> str:
    """Give the path of a parameter in the model."""
    names = (part.placement for part in touched.contributions)
    module = next((one.module for one in names if isinstance(one.delta, LowRank)), touched.module)
    bare = touched.tensor.endswith(BIAS) or not touched.tensor.endswith(WEIGHT)
    return module if bare else module.removesuffix(WEIGHT) + WEIGHT


def _form(one: Touched, ingredients: Sequence[Ingredient], base: Checkpoint, method: Method) -> Form:
    """Decide how one change is said."""
    deltas = [(ingredients[part.ingredient], part.placement.delta) for part in one.contributions]
    for ingredient, delta in deltas:
        if any(isinstance(each, Decomposed) for each in _flat(delta)):
            raise Incompatible(
                f"{ingredient.expert.label}: {one.tensor} is changed by DoRA ({delta.first_name}), which is not linear "
                "in anything that an adapter of plain factors can hold",
                where=delta.first_name,
                remedy="use --format checkpoint, where it is exact",
            )
    path = parameter(one)
    kind, layout = _lies(one, base)
    saved = any(
        isinstance(ingredient.expert, Adapter) and not all(isinstance(each, LowRank) for each in _flat(delta))
        for ingredient, delta in deltas
    )
    how: How
    if one.low_rank is not None:
        how = "dense" if method.ranks == "full" else "factors"
    elif saved:
        how = "bias" if path.endswith(BIAS) else "module"
    else:
        how = "dense" if len(one.placed.shape) > 1 and path.endswith(WEIGHT) else "vector"
    return Form(how=how, path=path, layer=path.rpartition(".")[0], kind=kind, layout=layout)


def _flat(delta: Delta) -> Iterator[Delta]:
    """Give the deltas that a delta is made of."""
    if isinstance(delta, Summed):
        yield from delta.deltas
    else:
        yield delta


def _lies(one: Touched, base: Checkpoint) -> tuple[Kind, Layout]:
    """Say what layer a tensor belongs to: as factors say; without any, as its name and the model's family say."""
    if any(isinstance(part.placement.delta, LowRank) for part in one.contributions) or len(one.placed.shape) > 2:
        return one.kind, one.layout
    last = one.tensor.removesuffix(WEIGHT).rpartition(".")[2]
    if "embed" in last or last in EMBEDDINGS:
        return "embedding", "transposed"
    return "linear", "transposed" if base.config.get("model_type") in FAMILIES and last in NAMES else "plain"
