"""What can be known of an expert without fetching its base: the bytes it carries, and whether it was trained.

Integers and other things that are no numbers to mix must be the base's own; they are small as a rule, so that many are
read by range. What is not looked at is said. An expert that changes nothing is no expert.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from rshub.deltas.adapter_names import plain_name
from rshub.deltas.adapters import Adapter
from rshub.deltas.delta import LowRank
from rshub.deltas.expert_tensors import ExpertTensors
from rshub.deltas.saved_tensors import refuse_changed
from rshub.deltas.weight_sets import WeightSet
from rshub.errors import Incompatible
from rshub.experts.base_identity import BaseIdentity
from rshub.experts.manifest import Artefact
from rshub.hub.client import Hub
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.plain_file import open_plain
from rshub.types import TensorName

MOST_BYTES = 16 * 1024 * 1024
MOST_READS = 64
"""What is asked of a hub for one expert."""


@dataclass(frozen=True, kw_only=True)
class Carried:
    """The tensors that must be the base's own: those that were compared, byte for byte, and those that were not."""

    same: tuple[TensorName, ...] = ()
    unknown: tuple[TensorName, ...] = ()

    @property
    def note(self) -> str:
        """Say what was not compared; empty when there is nothing to say."""
        if not self.unknown:
            return ""
        more = f" and {len(self.unknown) - 1} more" if len(self.unknown) > 1 else ""
        what = f"not compared with the base's, because that is too much to read: {self.unknown[0]}{more}"
        return f"{what}; composing refuses what differs"


def compare_carried(expert: ExpertTensors, layout: Checkpoint, identity: BaseIdentity, hub: Hub) -> Carried:
    """Compare what is no number to mix with the base's on a hub, the smallest tensors first.

    Args:
        expert: An expert that fits the base.
        layout: The base's headers.
        identity: Where the base is.
        hub: The hub that it is on.

    Raises:
        Incompatible: A tensor differs from the base's.
        HubError: The hub or the network failed.
    """
    if not isinstance(expert, WeightSet):
        return Carried()
    carried = sorted(
        expert.carried(layout), key=lambda pair: (pair[1].end - pair[1].start, pair[1].shard, pair[1].name)
    )
    if layout.folder is not None:  # compared when it was placed
        return Carried(same=tuple(placed.name for _, placed in carried))
    same: list[TensorName] = []
    unknown: list[TensorName] = []
    left = MOST_BYTES
    for saved, placed in carried:
        length = placed.end - placed.start
        if length > left or len(same) >= MOST_READS or identity.repo_id is None or identity.revision is None:
            unknown.append(placed.name)
            continue
        left -= length
        if length:
            its = hub.read_range(
                identity.repo_id, placed.shard, commit=identity.revision, start=placed.start, length=length
            )
            with open_plain(saved.file.path) as file:
                file.seek(saved.span.start)
                if file.read(length) != its:
                    refuse_changed(saved, placed.name, expert.label)
        same.append(placed.name)
    return Carried(same=tuple(same), unknown=tuple(unknown))


def refuse_untrained(expert: ExpertTensors, artefact: Artefact, identity: BaseIdentity) -> None:
    """Refuse an expert that changes nothing, where that is known without the base's numbers.

    Raises:
        Incompatible: Its files are files of the base, or a factor of every pair is zero.
    """
    if isinstance(expert, Adapter):
        changes = not expert.plain or not all(_is_zero(module) for module in expert.modules.values())
        why = "a factor of every pair is zero"
    elif isinstance(expert, WeightSet):
        known = set(identity.files.values())
        changes = any(artefact.files[name].sha256 not in known for name in expert.files.weights)
        why = f"its weights are those of {identity}, byte for byte"
    else:
        return
    if not changes:
        raise Incompatible(
            f"{expert.label}: this expert changes nothing: {why}",
            where=expert.label,
            remedy="publish it after training, from the folder that the trained weights were saved to",
        )


def tensor_names(expert: ExpertTensors) -> frozenset[str]:
    """Give the names of an expert's tensors, as they are stored and without what wrappers add."""
    stored: Collection[TensorName] = ()
    if isinstance(expert, Adapter):
        stored = expert.file.tensors.keys()
    elif isinstance(expert, WeightSet):
        stored = [*(name for inside in expert.saved.values() for name in inside), *expert.heads]
    return frozenset((*stored, *(plain_name(name) for name in stored)))


def _is_zero(module: object) -> bool:
    if not isinstance(module, LowRank):
        return False
    factors = module.factors("plain")
    return module.scale == 0 or not factors.left.any() or not factors.right.any()
