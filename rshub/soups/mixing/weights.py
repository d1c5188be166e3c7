"""Weights of a torch model that are worked out anew: theta_0 + sum_i lambda_i * Delta_i, for deltas of any kind.

Theta_0 is read from the base's file, tile by tile as the composer reads it, added up in the composer's working dtype
and rounded once to the model's. The result takes the place of the model's own parameter, which is kept untouched and
put back; nothing accumulates from mix to mix. A model whose weights are not those of the file is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rshub.deltas.matching import Placement
from rshub.errors import Incompatible, IntegrityError
from rshub.tensors.changes import Part, refuse_not_finite, refuse_unsound_parts
from rshub.tensors.checkpoint import Checkpoint, Placed
from rshub.tensors.dtypes import CODES, Array, working
from rshub.tensors.stored import StoredTensor
from rshub.tensors.tiles import Scratch, Tile
from rshub.types import TensorName


@dataclass(frozen=True, kw_only=True)
class Stake:
    """What one expert brings to a weight; ``number`` is that of its coefficient."""

    number: int
    placement: Placement


@dataclass(frozen=True, kw_only=True)
class Weight:
    """One tensor of the model and what the experts want of it.

    ``owner`` is the module that holds it as ``leaf``, under the path ``where``; ``original`` is the model's own.
    """

    tensor: TensorName
    where: str
    owner: nn.Module
    leaf: str
    original: Tensor
    file: Path
    placed: Placed
    stakes: tuple[Stake, ...]

    @classmethod
    def find(cls, model: nn.Module, base: Checkpoint, stakes: tuple[Stake, ...]) -> Weight:
        """Find the tensor in a model, under its module's path or under its name on disk.

        Raises:
            Incompatible: It is not there, or is held in another form.
        """
        placement = stakes[0].placement
        leaf = placement.tensor.rpartition(".")[2]
        paths = [f"{placement.module}.{leaf}", placement.tensor]
        body = getattr(model, "base_model_prefix", "")
        if body:
            paths += [f"{body}.{path}" for path in paths] + [path.removeprefix(f"{body}.") for path in paths]
        for path in paths:
            where = path.rpartition(".")[0]
            try:
                owner = model.get_submodule(where)
                held = getattr(owner, leaf)
            except AttributeError:
                continue
            if isinstance(held, Tensor) and tuple(held.shape) == placement.placed.shape and held.is_floating_point():
                return cls(
                    tensor=placement.tensor,
                    where=where,
                    owner=owner,
                    leaf=leaf,
                    original=held,
                    file=base.path(placement.placed.shard).resolve(),
                    placed=placement.placed,
                    stakes=stakes,
                )
        raise Incompatible(
            f"{placement.delta.label}: the model in memory has no {paths[0]} of shape {list(placement.placed.shape)}",
            where=placement.tensor,
            remedy="use the base that it was trained on; or compose to disk, if the library renames its tensors on "
            "loading",
        )

    @property
    def numbers(self) -> set[int]:
        """The numbers of the experts that change it."""
        return {stake.number for stake in self.stakes}

    def put(self, coefficients: Array) -> None:
        """Let the model work with the weight of a mixture; ``put_back`` ends that.

        Args:
            coefficients: One for each expert; with nothing but zeros the model's own weight is put back.

        Raises:
            Incompatible: The weight overflows, or the model's own is not the file's.
            IntegrityError: The base or an expert is not finite there.
        """
        if not any(coefficients[stake.number] for stake in self.stakes):
            self.put_back()
            return
        mixed = self.remade(coefficients)
        parameter = isinstance(self.original, nn.Parameter)
        setattr(self.owner, self.leaf, nn.Parameter(mixed, requires_grad=False) if parameter else mixed)

    def put_back(self) -> None:
        """Let the model work with its own weight again."""
        setattr(self.owner, self.leaf, self.original)

    def remade(self, coefficients: Array) -> Tensor:
        """Work the weight of a mixture out; errors as for ``put``."""
        scratch, stored, work = Scratch(), self._stored(), self._work()
        opened = [(coefficients[number], part) for number, part in self._opened(stored, coefficients)]
        mixed = torch.empty(self.original.shape, dtype=self.original.dtype)
        flat, own = mixed.view(-1), self.original.detach().reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            for tile, before in stored.walk(work, scratch):
                place = flat[tile.low : tile.high]
                place.copy_(torch.from_numpy(before))
                if not torch.equal(place, own[tile.low : tile.high].cpu()) and np.isfinite(before).all():
                    self._refuse_other_values()
                values = scratch.take("mixed", tile.count, work)
                np.copyto(values, before)
                for coefficient, part in opened:
                    delta = part.delta(tile, before, scratch)
                    delta *= coefficient
                    values += delta
                place.copy_(torch.from_numpy(values))
                if not place.isfinite().all():
                    self._refuse_unsound([part for _, part in opened], tile, before, scratch)
        return mixed.to(self.original.device)

    def moves(self, number: int) -> bool:
        """Say whether an expert changes anything here."""
        scratch, stored, work = Scratch(), self._stored(), self._work()
        only = np.zeros(number + 1)
        only[number] = 1.0
        return any(
            part.delta(tile, before, scratch).any()
            for _, part in self._opened(stored, only)
            for tile, before in stored.walk(work, scratch)
        )

    def change_of(self, stake: Stake) -> Array:
        """Give what one expert wants of a small tensor whole, flat, in float64."""
        scratch, stored, work = Scratch(), self._stored(), self._work()
        part = stake.placement.delta.open(stored, stake.placement.layout, work)
        changes = [part.delta(tile, before, scratch).astype(np.float64) for tile, before in stored.walk(work, scratch)]
        whole = np.concatenate(changes)
        refuse_not_finite(part.label, whole)
        return whole

    def _stored(self) -> StoredTensor:
        return StoredTensor(self.file, self.tensor, self.placed)

    def _work(self) -> np.dtype[Any]:
        return working(self.placed.dtype, CODES[str(self.original.dtype).removeprefix("torch.")])

    def _opened(self, stored: StoredTensor, coefficients: Array) -> Iterator[tuple[int, Part]]:
        """Open the deltas of the experts that count."""
        for stake in self.stakes:
            if stake.number < len(coefficients) and coefficients[stake.number]:
                placement = stake.placement
                yield stake.number, placement.delta.open(stored, placement.layout, self._work())

    def _refuse_unsound(self, parts: list[Part], tile: Tile, before: Array, scratch: Scratch) -> None:
        """Say why a weight is not finite."""
        if not np.isfinite(before).all():
            raise IntegrityError(
                f"the base's tensor {self.tensor} holds NaN or an infinity",
                where=self.tensor,
                remedy="mix on a healthy base",
            )
        refuse_unsound_parts(parts, tile, before, scratch)
        raise Incompatible(f"the tensor {self.tensor} overflows", where=self.tensor, remedy="use smaller coefficients")

    def _refuse_other_values(self) -> None:
        raise Incompatible(
            f"{self.where}.{self.leaf} of the model in memory is not {self.tensor} of {self.file}",
            where=self.tensor,
            remedy="mix on a model that was loaded from the base and not changed since",
        )
