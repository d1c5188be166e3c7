"""Which tensor of a base each change of an adapter is for, and in which layout.

A parameter that is found nowhere or in more than one place, a tensor of another shape, changes of one tensor that do
not add up, and a quantised base are refused by name. What is tied to what is settled by others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from rshub.deltas.added import Added
from rshub.deltas.decomposed import Decomposed
from rshub.deltas.delta import Delta, Layout, LowRank
from rshub.deltas.naming import Rename, Spot, clash, find_spots
from rshub.deltas.replaced import Replaced, ReplacedRows, same_bytes
from rshub.deltas.square import square_layouts
from rshub.deltas.summed import Summed
from rshub.deltas.tying import MANY, tied_pair
from rshub.errors import Incompatible
from rshub.tensors.checkpoint import Checkpoint, Placed
from rshub.tensors.dtypes import FLOATS
from rshub.types import TensorName

WEIGHT = ".weight"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A change of one parameter of the model in memory, by its path.

    ``in_place`` says that the parameter itself was trained, so that the change goes with all that is tied to it.
    """

    path: str
    delta: Delta
    in_place: bool = False

    @property
    def module(self) -> str:
        """The path without its ``.weight``."""
        return self.path.removesuffix(WEIGHT)


@dataclass(frozen=True, kw_only=True)
class Placement:
    """One delta of an expert and the tensor that it changes.

    ``tensor`` is the name in the output, ``placed`` is where theta_0 lies, ``module`` is the path in the model.
    ``layout`` says how factors lie in the stored tensor; what is no factor is always plain. ``rename`` says which
    leading part of the name differs between memory and disk.
    """

    tensor: TensorName
    module: str
    placed: Placed
    delta: Delta
    layout: Layout = "plain"
    rename: Rename | None = None


def match(wanted: Sequence[Wanted], base: Checkpoint, *, fan_in_fan_out: bool, label: str) -> tuple[Placement, ...]:
    """Find the base's tensor for every change.

    Args:
        wanted: An adapter's changes; of one parameter there may be several, which add up.
        base: The checkpoint, or its headers.
        fan_in_fan_out: What the adapter's config says of weights that are stored inputs by outputs.
        label: What to call the adapter in an error.

    Raises:
        Incompatible: For a change that does not fit, by tensor name.
    """
    refuse_quantised(base)
    spots = {each.path: _spot(each, base, label) for each in wanted}
    _refuse_clash(wanted, spots, label)
    for each in wanted:
        _refuse_misfit(each.delta, spots[each.path], label)
    layouts = _layouts(wanted, spots, base, fan_in_fan_out=fan_in_fan_out, label=label)
    return _together([*_placements(wanted, spots, layouts), *_twins(wanted, spots, base)], label)


def refuse_quantised(base: Checkpoint) -> None:
    """Refuse a base whose weights are packed.

    Raises:
        Incompatible: When the config has a quantization_config.
    """
    method = base.config.get("quantization_config")
    if method:
        kind = method.get("quant_method", "unknown") if isinstance(method, dict) else method
        raise Incompatible(
            f"{base.source}: this base is quantised ({kind}); its packed weights cannot be changed",
            where="quantization_config",
            remedy="compose on the base that it was quantised from",
        )


def _spot(wanted: Wanted, base: Checkpoint, label: str) -> Spot:
    found = find_spots(wanted.path, base)
    if len(found) != 1:
        names = sorted(spot.tensor for spot in found)
        _refuse_unmatched(wanted, f"matches more than one thing: {', '.join(names)}" if names else "", base, label)
    return found[0]


def _refuse_clash(wanted: Sequence[Wanted], spots: Mapping[str, Spot], label: str) -> None:
    """Refuse names that cannot all be those of one model, and two parameters in one tensor."""
    first_of: dict[str, str] = {}
    twice = next((path for path, spot in spots.items() if first_of.setdefault(spot.tensor, path) != path), None)
    if twice is not None:
        first, second = first_of[spots[twice].tensor], twice
        why = f"of two modules of the adapter and change the one tensor {spots[twice].tensor}"
    else:
        clashing = clash([(spot.tensor, spot.rename) for spot in spots.values()])
        if clashing is None:
            return
        first, second = (list(spots)[number] for number in clashing)
        why = f"not named as those of one model: they lead to {spots[first].tensor} and {spots[second].tensor}"
    names = [next(each.delta.first_name for each in wanted if each.path == path) for path in (first, second)]
    raise Incompatible(
        f"{label}: {names[0]} and {names[1]} are {why}",
        where=spots[second].tensor,
        remedy="save the adapter again with plain module names",
    )


def _refuse_misfit(delta: Delta, spot: Spot, label: str) -> None:
    """Refuse a change of another shape than the tensor, and a tensor that is no floating-point one."""
    shape = spot.placed.shape
    low_rank = delta.low_rank if isinstance(delta, Decomposed) else delta
    if isinstance(low_rank, LowRank):
        fits = bool(low_rank.layouts(shape))
        a, b = low_rank.a_name, low_rank.b_name
        what = f"{b} {list(low_rank.b_shape)} times {a} {list(low_rank.a_shape)}"
    elif isinstance(delta, ReplacedRows):
        saved = delta.file.tensors[delta.name].shape
        fits = len(shape) == 2 and saved[1:] == shape[1:] and max(delta.rows) < shape[0]
        what = f"{delta.name} {list(saved)} for rows up to {max(delta.rows)}"
    else:
        assert isinstance(delta, Replaced | Added)
        saved = delta.file.tensors[delta.name].shape
        fits = saved == shape
        what = f"{delta.name} {list(saved)}"
    if not fits:
        raise Incompatible(
            f"{label}: {what} does not fit {spot.tensor} {list(shape)} of the base",
            where=delta.first_name,
            remedy="check that the expert was trained on this base, and that its vocabulary was not changed",
        )
    if spot.placed.dtype not in FLOATS:
        raise Incompatible(
            f"{label}: {spot.tensor} of the base is {spot.placed.dtype}: a quantised tensor cannot be changed",
            where=spot.tensor,
            remedy="compose on the base in bfloat16, float16 or float32",
        )


def _layouts(
    wanted: Sequence[Wanted], spots: Mapping[str, Spot], base: Checkpoint, *, fan_in_fan_out: bool, label: str
) -> dict[str, Layout]:
    """Say how each layer with factors lies on disk, by its path: as its shape shows, or as others of its name do."""
    factors = {
        each.path: delta
        for each in wanted
        if isinstance(delta := each.delta.low_rank if isinstance(each.delta, Decomposed) else each.delta, LowRank)
    }
    fitting = {path: delta.layouts(spots[path].placed.shape) for path, delta in factors.items()}
    settled = {path: next(iter(fits)) for path, fits in fitting.items() if len(fits) == 1}
    linear = {delta.module: settled[path] for path, delta in factors.items() if path in settled}
    linear = {module: layout for module, layout in linear.items() if factors[module + WEIGHT].kind == "linear"}
    squares = {factors[path].module: factors[path] for path, fits in fitting.items() if len(fits) > 1}
    judged = square_layouts(squares, linear, base, fan_in_fan_out=fan_in_fan_out, label=label)
    return settled | {module + WEIGHT: layout for module, layout in judged.items()}


def _placements(wanted: Sequence[Wanted], spots: Mapping[str, Spot], layouts: Mapping[str, Layout]) -> list[Placement]:
    return [
        Placement(
            tensor=spots[each.path].tensor,
            module=each.module,
            placed=spots[each.path].placed,
            delta=each.delta,
            layout=layouts.get(each.path, "plain"),
            rename=spots[each.path].rename,
        )
        for each in wanted
    ]


def _twins(wanted: Sequence[Wanted], spots: Mapping[str, Spot], base: Checkpoint) -> list[Placement]:
    """Give, for what was trained in place, the change of the other side of a tied head and embedding."""
    tied = tied_pair(base)
    twins = []
    for each in wanted:
        tensor = spots[each.path].tensor
        if tied is not None and each.in_place and tensor in {tied.head, tied.embedding}:
            other = tied.head if tensor == tied.embedding else tied.embedding
            placed = base.tensors[other if tied.stored else tied.embedding]
            module = other.removesuffix(WEIGHT)
            twins.append(Placement(tensor=other, module=module, placed=placed, delta=each.delta))
    return twins


def _together(placements: Sequence[Placement], label: str) -> tuple[Placement, ...]:
    """Make one placement of those on one tensor: the sum of their deltas, an equal saved tensor counted once."""
    tensors: dict[TensorName, list[Placement]] = {}
    for placement in placements:
        tensors.setdefault(placement.tensor, []).append(placement)
    return tuple(_sum(several, label) for _, several in sorted(tensors.items()))


def _sum(several: list[Placement], label: str) -> Placement:
    """Make one delta of several: lengths are those over a saved tensor, all others add up."""
    deltas: list[Delta] = []
    for placement in several:
        delta = placement.delta
        known = next((each for each in deltas if isinstance(each, Replaced)), None)
        if isinstance(delta, Replaced) and known is not None:
            if not same_bytes(known.file, known.name, delta.file, delta.name):
                _refuse_both(known, delta, placement.tensor, label)
        else:
            deltas.append(delta)
    if len(deltas) == 1:
        return replace(several[0], delta=deltas[0])
    one, other = deltas[:2]
    low_rank = [each.layout for each in several if isinstance(each.delta, LowRank | Decomposed)]
    layout = low_rank[0] if low_rank else several[0].layout
    if isinstance(one, Decomposed) and isinstance(other, Replaced) and len(deltas) == 2:
        return replace(several[0], delta=replace(one, under=other.name), layout=layout)
    if not all(isinstance(each, LowRank | Added | Replaced) for each in deltas):
        _refuse_both(one, other, several[0].tensor, label)
    return replace(several[0], delta=Summed(deltas=tuple(deltas)), layout=layout)


def _refuse_both(one: Delta, other: Delta, tensor: TensorName, label: str) -> NoReturn:
    raise Incompatible(
        f"{label}: the tensors {one.first_name} and {other.first_name} both change {tensor}, and do not add up",
        where=other.first_name,
        remedy="leave this expert out, or train only one of the two",
    )


def _refuse_unmatched(wanted: Wanted, why: str, base: Checkpoint, label: str) -> NoReturn:
    name = wanted.delta.first_name
    if isinstance(wanted.delta, Added):
        raise Incompatible(
            f"{label}: the tensor {name} adds to a bias, and the base has no {wanted.path}: a new tensor would change "
            "the architecture",
            where=name,
            remedy="leave this expert out, or train it with lora_bias false",
        )
    if not why and wanted.module.rpartition(".")[2] in {"lm_head", "embed_out"}:
        shared = next((name for name in MANY if name in base.tensors), None)
        why = (
            f"is of a head that is tied to {shared}, which other parts are too: such changes are not read"
            if shared
            else ("matches nothing in the base, which stores no head and does not say that it is the embedding")
        )
    why = why or f"matches nothing in the base: there is no {wanted.path}"
    whether = f"check that the expert was trained on {base.source}"
    raise Incompatible(
        f"{label}: the tensor {name} {why}",
        where=name,
        remedy=f"{whether}; if it was, the base stores its tensors under other names than the model has in memory, "
        "which is not read yet",
    )
