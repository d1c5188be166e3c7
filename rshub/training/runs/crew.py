"""One run in several processes, as a launcher (accelerate, torchrun) starts them: which of them this one is.

The recipe's numbers are those of the whole run, however many processes share it. The first process leads: it alone
writes and publishes, the others only compute.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rshub.errors import InvalidInput

if TYPE_CHECKING:
    from rshub.training.recipe import Recipe  # the command line asks who it is before it imports what trains


@dataclass(frozen=True, kw_only=True)
class Crew:
    """The processes of a run.

    Args:
        rank: The number of this one, from 0.
        size: How many they are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes and publishes."""
        return self.rank == 0

    def shares(self, recipe: Recipe) -> tuple[int, int]:
        """Give what each process does of an optimiser step: how much at once, and how many times.

        Raises:
            InvalidInput: The step cannot be divided among the processes.
        """
        each, rest = divmod(recipe.per_update, self.size)
        at_once = min(recipe.at_once, each) or 1
        if rest or each % at_once:
            key = "mini_batch" if recipe.mini_batch else "batch"
            raise InvalidInput(
                f"{key}: {recipe.per_update} cannot be divided among {self.size} processes"
                + (f", {at_once} at once" if not rest else ""),
                where=key,
                remedy=f"use a multiple of {self.size}"
                + (" and a micro_batch that divides the rest" if not rest else ""),
            )
        return at_once, each // at_once


def crew() -> Crew:
    """Say which process this is, by what the launcher put into the environment; alone without one."""
    rank, size = (os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE"))
    return Crew(rank=int(rank), size=int(size)) if rank.isdigit() and size.isdigit() else Crew()
