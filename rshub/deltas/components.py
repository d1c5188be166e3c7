"""An expert of one component on a base that is a pipeline: which component it belongs to, and under which names.

Adapters and plain files of weights know nothing of the pipeline around their model. They belong to the one component
that they fit; one that fits none or several is refused with the reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from rshub.deltas.matching import WEIGHT, Placement
from rshub.deltas.naming import renamed
from rshub.errors import Incompatible
from rshub.tensors.checkpoint import Checkpoint
from rshub.types import TensorName


def place_in_one(
    base: Checkpoint,
    place: Callable[[Checkpoint], Iterable[Placement]],
    *,
    names: Collection[str],
    label: str,
) -> tuple[str, tuple[Placement, ...]]:
    """Place an expert in the one component that it fits.

    Args:
        base: A pipeline.
        place: Places the expert on a model, or raises ``Incompatible``.
        names: The tensors that the expert changes, as well as they are known: they say whose reason is told.
        label: What to call the expert in an error.

    Returns:
        The component and the placements in the pipeline.

    Raises:
        Incompatible: It fits no component, or more than one.
    """
    fits: dict[str, tuple[Placement, ...]] = {}
    faults: list[tuple[int, str, Incompatible]] = []
    for component in base.components:
        model = base.component(component)
        try:
            fits[component] = tuple(place(model)) if model.tensors else ()
        except Incompatible as fault:
            faults.append((len(model.tensors.keys() & names), component, fault))
    fits = {component: placements for component, placements in fits.items() if placements}
    if len(fits) == 1:
        component, placements = next(iter(fits.items()))
        return component, in_pipeline(placements, base, component, label=label)
    if fits:
        raise Incompatible(
            f"{label}: fits more than one component of {base.source}: {', '.join(sorted(fits))}",
            where=label,
            remedy="put its weights into a folder that is called as the component",
        )
    _, component, why = max(faults, key=lambda one: (one[0], one[1]))
    raise Incompatible(
        f"{why.message} (of all components of {base.source}, {component} is the nearest)",
        where=why.where,
        remedy=why.remedy,
    ) from why


def in_pipeline(
    placements: Iterable[Placement], base: Checkpoint, component: str, *, label: str
) -> tuple[Placement, ...]:
    """Give placements in a component the names that its tensors have in the pipeline.

    A head that is tied to an embedding stays so: both of them change alike, or the change is refused.

    Raises:
        Incompatible: Another change of a head than of the embedding that it is.
    """
    placed = list(placements)
    embeddings = {each.placed.name: each.delta for each in placed if each.tensor == each.placed.name}
    found = []
    for each in placed:
        name = TensorName(f"{component}/{each.tensor}")
        if name in base.tensors:
            found.append(replace(each, tensor=name, rename=renamed(each.module, name.removesuffix(WEIGHT))))
        elif embeddings.get(each.placed.name) != each.delta:
            raise Incompatible(
                f"{label}: {each.tensor} is {each.placed.name} in the component {component}, and changes alone",
                where=each.tensor,
                remedy="use an expert that leaves embedding and head alone",
            )
    return tuple(found)
