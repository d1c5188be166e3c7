"""Changes beside the layers of a torch model: x @ A, times a gate, @ B, added to what the layer gives.

The factors of all experts of a layer lie stacked; the gate between them holds lambda_i * scale_i for every rank, so a
move to other coefficients writes a few short vectors and no weight. A gate is one vector for the whole batch, or one
for each of its rows. Branches are forward hooks: the layer, its weight and its class stay what they are, and a branch
whose gate is zero leaves the layer's output alone, bit for bit. Only layers that are known to be the plain product are
taken; a subclass, which may do more, is not.

Branches are worked out in float32, beside float64 layers in float64. That holds beside layers of 16 bits too, so that
neither factors nor coefficients are rounded to them. Source: LoRA, arXiv 2106.09685, section 4.1: h = W x + s B A x.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rshub.errors import Incompatible, InvalidInput
from rshub.tensors.dtypes import Array
from rshub.tensors.factors import Factors

CONVOLUTIONS: Mapping[type[nn.Module], Callable[..., Tensor]] = {
    nn.Conv1d: functional.conv1d,
    nn.Conv2d: functional.conv2d,
    nn.Conv3d: functional.conv3d,
}


@dataclass(frozen=True, kw_only=True)
class Slot:
    """The ranks of one expert in a stack; ``number`` is that of its coefficient."""

    number: int
    scale: float
    rank: int


class Gate:
    """The numbers between stacked factors; layers with equal slots share one."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._numbers = [slot.number for slot in slots]
        self._scales = np.array([slot.scale for slot in slots])
        self._ranks = [slot.rank for slot in slots]
        self._values = torch.zeros(sum(self._ranks), dtype=torch.float64)
        self._ready: dict[tuple[torch.device, torch.dtype, int], Tensor] = {}
        self.active = False

    def values(self, coefficients: Array) -> Array:
        """Work the gate out: of one coefficient for each expert, or of rows of these.

        Raises:
            Incompatible: A number is too large for float32.
        """
        weighted = coefficients[..., self._numbers] * self._scales
        if not (np.abs(weighted) <= np.finfo(np.float32).max).all():
            raise Incompatible(
                "a coefficient times the scale of its adapter overflows", remedy="use smaller coefficients"
            )
        return np.repeat(weighted, self._ranks, axis=-1)

    def set(self, values: Array) -> None:
        """Let these values count from now on."""
        self._values = torch.from_numpy(values)
        self._ready.clear()
        self.active = bool(values.any())

    def beside(self, like: Tensor, where: str, *, batched: bool) -> Tensor:
        """Give the gate in the dtype and on the device of a tensor: one vector, or one for each row of its batch.

        Args:
            like: What the gate is meant for; its first dimension is that of the batch, if it has one.
            where: The layer, for errors.
            batched: Whether it has.

        Raises:
            InvalidInput: Each row has coefficients of its own, and these are not the rows of such a batch.
        """
        repeats = 1
        if self._values.ndim == 2:
            rows = len(self._values)
            if not batched or like.shape[0] % rows:
                raise InvalidInput(
                    f"{where} works on {list(like.shape)}, which is no batch of {rows} rows or of a multiple of them",
                    where=where,
                    remedy="give coefficients for as many rows as the batch has, or one mixture for all of them",
                )
            repeats = like.shape[0] // rows
        key = (like.device, like.dtype, repeats)
        if key not in self._ready:
            values = self._values.to(like.device, like.dtype)
            self._ready[key] = values.repeat_interleave(repeats, dim=0) if repeats > 1 else values
        return self._ready[key]


@dataclass(kw_only=True)
class Branch:
    """Stacked factors beside one layer.

    Attributes:
        where: The layer's name.
        gate: What the ranks are multiplied by.
        narrow: To the ranks: (ranks, inputs) of a linear layer, (entries, ranks) of an embedding, or the kernel of a
            convolution.
        wide: From the ranks: (ranks, outputs), or a kernel of size 1.
        reduce: Gives what lies between the factors.
        spatial: How many dimensions follow that of the ranks.
        unbatched: The dimensions of what lies between the factors when it is of no batch.
    """

    where: str
    gate: Gate
    narrow: Tensor
    wide: Tensor
    reduce: Callable[[nn.Module, Tensor, Tensor], Tensor]
    spatial: int = 0
    unbatched: int = 1

    def __call__(
        self, layer: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Tensor
    ) -> Tensor | None:
        """Give the layer's output with the branch added; None leaves it as it is."""
        if not self.gate.active:
            return None
        given = args[0] if args else kwargs["input"]
        if self.narrow.device != given.device:
            self.narrow, self.wide = self.narrow.to(given.device), self.wide.to(given.device)
        hidden = self.reduce(layer, given, self.narrow)
        gate = self.gate.beside(hidden, self.where, batched=hidden.ndim > self.unbatched)
        hidden = hidden * _across(gate, hidden.ndim, self.spatial)
        if self.spatial:
            return (output + CONVOLUTIONS[type(layer)](hidden, self.wide)).to(output.dtype)
        if torch.is_grad_enabled() or not _holds(self.wide, hidden, output):
            return (output + hidden @ self.wide).to(output.dtype)
        flat = output.view(-1, self.wide.shape[1])  # added in place: each pass over the output costs
        sums = flat.to(self.wide.dtype).addmm_(hidden.reshape(-1, self.wide.shape[0]), self.wide)
        if sums is not flat:
            flat.copy_(sums)
        return output


@dataclass(kw_only=True)
class Shift:
    """The experts' changes of a layer's bias, (experts, outputs), added in the sum that the gate says."""

    where: str
    gate: Gate
    changes: Tensor
    spatial: int = 0

    def __call__(
        self, _layer: nn.Module, _args: tuple[Any, ...], _kwargs: Mapping[str, Any], output: Tensor
    ) -> Tensor | None:
        """Give the layer's output shifted; None leaves it as it is."""
        if not self.gate.active:
            return None
        if self.changes.device != output.device:
            self.changes = self.changes.to(output.device)
        gate = self.gate.beside(output, self.where, batched=output.ndim > 1 + self.spatial)
        shift = gate.to(self.changes.dtype) @ self.changes
        return (output + _across(shift, output.ndim, self.spatial)).to(output.dtype)


def branch_for(layer: nn.Module, parts: Sequence[Factors], gate: Gate, where: str) -> Branch:
    """Stack the factors of several experts, in the layout of its weight, beside a layer that takes branches."""
    weight = layer.get_parameter("weight")
    dtype = torch.float64 if weight.dtype == torch.float64 else torch.float32

    def tensor(values: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(weight.device, dtype)

    left = tensor(np.concatenate([factors.left for factors in parts], axis=1))
    right = tensor(np.concatenate([factors.right for factors in parts], axis=0))
    if type(layer) is nn.Embedding:
        return Branch(where=where, gate=gate, narrow=left, wide=right, reduce=_looked_up, unbatched=2)
    if type(layer) in CONVOLUTIONS:
        spatial = weight.ndim - 2
        return Branch(
            where=where,
            gate=gate,
            narrow=right.view(-1, *weight.shape[1:]),
            wide=left.view(*left.shape, *[1] * spatial),
            reduce=_convolved,
            spatial=spatial,
            unbatched=1 + spatial,
        )
    if type(layer) is nn.Linear:
        return Branch(where=where, gate=gate, narrow=right, wide=left.T, reduce=_multiplied)
    return Branch(where=where, gate=gate, narrow=left.T, wide=right, reduce=_multiplied)


def takes_branches(layer: nn.Module) -> bool:
    """Say whether a layer is known to be a plain product with its weight, plus its bias."""
    if type(layer) in CONVOLUTIONS:
        return bool(layer.groups == 1 and layer.padding_mode == "zeros")
    if type(layer) is nn.Embedding:
        return layer.max_norm is None
    return type(layer) is nn.Linear or _stored_transposed(layer)


def spatial_of(layer: nn.Module) -> int:
    """Give how many dimensions follow that of the outputs."""
    return layer.get_parameter("weight").ndim - 2 if type(layer) in CONVOLUTIONS else 0


def _stored_transposed(layer: nn.Module) -> bool:
    """Recognise the linear layer of GPT-2, whose weight is stored inputs by outputs."""
    return (type(layer).__module__, type(layer).__name__) == ("transformers.pytorch_utils", "Conv1D")


def _holds(wide: Tensor, hidden: Tensor, output: Tensor) -> bool:
    """Say whether the output can be added to in the dtype of the factors, where it lies."""
    widest = torch.promote_types(output.dtype, wide.dtype)
    return hidden.dtype == wide.dtype == widest and output.is_contiguous()


def _multiplied(_layer: nn.Module, given: Tensor, narrow: Tensor) -> Tensor:
    return functional.linear(given.to(narrow.dtype), narrow)


def _looked_up(_layer: nn.Module, given: Tensor, narrow: Tensor) -> Tensor:
    return functional.embedding(given, narrow)


def _convolved(layer: nn.Module, given: Tensor, narrow: Tensor) -> Tensor:
    convolve = CONVOLUTIONS[type(layer)]
    return convolve(given.to(narrow.dtype), narrow, stride=layer.stride, padding=layer.padding, dilation=layer.dilation)


def _across(values: Tensor, dimensions: int, spatial: int) -> Tensor:
    """Shape one vector, or one for each row, so that it meets the dimension of ranks or outputs."""
    if values.ndim == 1:
        return values.view(-1, *[1] * spatial)
    return values.view(len(values), *[1] * (dimensions - 2 - spatial), -1, *[1] * spatial)
