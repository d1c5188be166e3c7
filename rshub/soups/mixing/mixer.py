"""Many soups from one model in memory: the base and its experts loaded once, and moved to any lambda at once.

Experts' factors lie beside the layers with a gate between them (see ``branches``), so that a mixture is a few
numbers and may differ from row to row of a batch; no weight is touched. What experts hold in other forms, whole
tensors or DoRA, is worked into the weights exactly (``weights``), and is then one for all rows. ``merged`` does
that for everything, for a long run at one lambda.

Nothing accumulates from mix to mix, and ``mix({})`` is the base bit for bit. What the exact composer refuses is refused
here too: experts that do not fit, coefficients beyond its limit, experts that change nothing, sums that overflow.
Sweeps, previews and servers use this; models that are kept are composed to disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from rshub.deltas.delta import LowRank
from rshub.deltas.expert_tensors import read_expert
from rshub.deltas.tying import tied_pair
from rshub.errors import Incompatible, InvalidInput, RshubError
from rshub.formats.fields import nearest
from rshub.soups.mixing.branches import Gate, Shift, Slot, branch_for, spatial_of, takes_branches
from rshub.soups.mixing.weights import Stake, Weight
from rshub.soups.plan import LARGEST_COEFFICIENT
from rshub.soups.twins import placed_with_twins
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.dtypes import Array
from rshub.tensors.factors import Factors, inner_products
from rshub.types import TensorName

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "auto": "auto"}

ROUTED = re.compile(r"(^|\.)experts?(\.|$)")
"""Layers that are given a choice of the tokens, in an order of their own, in which no row can be told from another."""


class Mixer:
    """A base model and its experts, mixed on demand.

    A call of ``mix``, ``mix_rows`` or ``merged`` changes the one model for everybody who holds it: threads take turns.

    Args:
        base: The base as a model folder (weights, config, tokenizer).
        experts: Label to the folder of an expert; the labels name the coefficients. The start that experts continue
            is one more of them: give it 1 - the sum of theirs.
        model: The base as a model in memory, of any class that calls its layers with the batch first; a causal
            language model is loaded from the folder if absent.
        dtype: In which dtype to load it: float32, bfloat16, float16, or auto for what is stored.
        device: Where to load it to.

    Attributes:
        model: The torch model, set to the last mixture, at first to the base.
        tokenizer: The base's tokenizer, padding on the left; None beside a model that was given.
        labels: The experts' labels.

    Raises:
        InvalidInput: The dtype is none of these.
        Incompatible: An expert has a tensor that the base lacks or does not fit, or is of a kind that is not mixed.
        IntegrityError: An expert is damaged.
        NotFound: A folder or file is missing.
    """

    def __init__(
        self,
        base: Path | str,
        experts: Mapping[str, Path | str],
        *,
        model: nn.Module | None = None,
        dtype: str = "float32",
        device: str | None = None,
    ) -> None:
        self.model: Any = model
        self.tokenizer: Any = None
        if model is None:
            self.model, self.tokenizer = _load(Path(base), dtype, device)
        self.labels = tuple(experts)
        self._numbers = {label: number for number, label in enumerate(self.labels)}
        self._coefficients = np.zeros(len(self.labels))
        self._gates: dict[tuple[Slot, ...], Gate] = {}
        self._merged = False
        self._closed = False
        self._hooks: list[Any] = []
        self._weights = self._find(Checkpoint.open(Path(base)), experts)
        self._bounds = np.zeros((len(self._weights), len(self.labels)))
        self._room = np.zeros(len(self._weights))
        self._energy = np.zeros(len(self.labels))
        try:
            self._remade = [left for row, weight in enumerate(self._weights) if (left := self._attach(row, weight))]
            self._idle = {label for number, label in enumerate(self.labels) if not self._moves(number)}
        except BaseException:
            self._detach()
            raise
        routed = [weight for weight in self._weights if ROUTED.search(weight.where)]
        self._for_all_rows = {weight.tensor: weight.numbers for weight in (*self._remade, *routed)}
        self._hooks.append(self.model.register_state_dict_pre_hook(self._refuse_saving))

    def mix(self, coefficients: Mapping[str, float]) -> Any:
        """Set the model to theta_0 + sum lambda_i * Delta_i, for batches of any size, and give it.

        Args:
            coefficients: Label to lambda; a label that is absent counts as zero. Any sum and sign.

        Raises:
            InvalidInput: A label that is not loaded, or a coefficient that is not finite or beyond the composer's.
            Incompatible: An expert that changes nothing has a coefficient (the model stays as it was), or a weight
                overflows (the model is the base again).
        """
        return self._move(self._vector(coefficients))

    def mix_rows(self, rows: Sequence[Mapping[str, float]]) -> Any:
        """Set every row of the batches to come to a mixture of its own, and give the model.

        A batch has as many rows as there are mixtures, or a multiple: with n times as many, each mixture counts for n
        rows that follow each other. That is how ``generate`` lays out what it makes several of, with beams or
        ``num_return_sequences``, so each prompt keeps its mixture. A batch of any other size is refused when a layer
        meets it.

        Args:
            rows: The coefficients of each row, as for ``mix``.

        Raises:
            InvalidInput: There are no rows; otherwise as for ``mix``.
            Incompatible: Rows differ in an expert that has more than factors and biases for layers that are plain
                products, or factors for layers that do not see whole rows (the model stays as it was); otherwise as
                for ``mix``.
        """
        if not rows:
            raise InvalidInput("there are no rows", where="rows", remedy="give the coefficients of each row")
        matrix = np.stack([self._vector(row) for row in rows])
        differing = {int(number) for number in np.flatnonzero((matrix != matrix[0]).any(axis=0))}
        for tensor, numbers in self._for_all_rows.items():
            if differing & numbers:
                label = self.labels[min(differing & numbers)]
                raise Incompatible(
                    f"{label}: the rows of a batch cannot differ in what it changes of {tensor}",
                    where=tensor,
                    remedy=f"give {label} the same coefficient in every row, or mix one row after another",
                )
        return self._move(matrix if len(rows) > 1 else matrix[0])

    @contextmanager
    def merged(self, coefficients: Mapping[str, float]) -> Iterator[Any]:
        """Give the model with weights theta_0 + sum lambda_i * Delta_i, for long runs at one mixture, and to be saved.

        The weights are worked out from the base's file, as the composer does, which takes as long as reading what is
        changed, and memory for a second copy of it. Afterwards the model is what it was.

        Raises:
            InvalidInput: As for ``mix``.
            Incompatible: As for ``mix``.
            IntegrityError: The base or an expert is not finite.
        """
        before = self._coefficients
        vector = self._vector(coefficients)
        self._move(np.zeros(len(self.labels)))
        try:
            self._merged = True
            for weight in self._weights:
                weight.put(vector)
            yield self.model
        finally:
            if not self._closed:
                self._move(before)

    def close(self) -> None:
        """Take the experts off the model, which is the base again and works as if it had never been here."""
        if not self._closed:
            self._move(np.zeros(len(self.labels)))
            self._detach()
            self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _vector(self, coefficients: Mapping[str, float]) -> Array:
        """Check coefficients and put them into the order of the labels."""
        if self._closed:
            raise InvalidInput("this mixer was closed", where="Mixer", remedy="make another one")
        vector = np.zeros(len(self.labels))
        for label, value in coefficients.items():
            if label not in self._numbers:
                guess = nearest(label, self.labels)
                hint = f"; did you mean {guess!r}?" if guess else ""
                raise InvalidInput(
                    f"no expert {label!r} is loaded{hint}", where=label, remedy=f"loaded: {', '.join(self.labels)}"
                )
            if not abs(value) <= LARGEST_COEFFICIENT:
                raise InvalidInput(
                    f"the coefficient of {label} is {value}, beyond {LARGEST_COEFFICIENT:g}",
                    where=label,
                    remedy="use a smaller coefficient",
                )
            if value and label in self._idle:
                raise Incompatible(
                    f"{label} has the coefficient {value!r}, but its delta is exactly zero",
                    where=label,
                    remedy="leave it out, or publish it again after training",
                )
            vector[self._numbers[label]] = value
        return vector

    def _move(self, coefficients: Array) -> Any:
        """Set gates and weights: to one vector for all rows, or to a matrix with one for each."""
        try:
            self._refuse_overflow(coefficients)
            values = [gate.values(coefficients) for gate in self._gates.values()]
            if self._merged:
                for weight in self._weights:
                    weight.put_back()
                self._merged = False
            for weight in self._remade:
                weight.put(coefficients if coefficients.ndim == 1 else coefficients[0])
        except RshubError:
            if coefficients.any():
                self._move(np.zeros(len(self.labels)))
            raise
        for gate, value in zip(self._gates.values(), values, strict=True):
            gate.set(value)
        self._coefficients = coefficients
        return self.model

    def _refuse_overflow(self, coefficients: Array) -> None:
        """Look at sums that may be too large: a bound says of nearly all of them that they are not."""
        sizes = np.abs(np.atleast_2d(coefficients))
        for row, column in zip(*np.nonzero(~(sizes @ self._bounds.T <= self._room)), strict=True):
            if sizes[row].any():
                self._weights[column].remade(np.atleast_2d(coefficients)[row])

    def _find(self, base: Checkpoint, experts: Mapping[str, Path | str]) -> list[Weight]:
        """Read the experts, and find what they change in the model."""
        tied = tied_pair(base)
        stakes: dict[TensorName, list[Stake]] = {}
        for number, (label, folder) in enumerate(experts.items()):
            for placement in placed_with_twins(read_expert(Path(folder), label=label), base, tied):
                stakes.setdefault(placement.tensor, []).append(Stake(number=number, placement=placement))
        weights = [Weight.find(self.model, base, tuple(parts)) for _, parts in sorted(stakes.items())]
        _refuse_one_for_two(weights)
        return weights

    def _moves(self, number: int) -> bool:
        """Say whether an expert changes anything at all."""
        remade = (weight for weight in self._remade if number in weight.numbers)
        return bool(self._energy[number]) or any(weight.moves(number) for weight in remade)

    def _detach(self) -> None:
        """Take everything off the model."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _attach(self, row: int, weight: Weight) -> Weight | None:
        """Put what can lie beside the layer there; give what is left to be worked into the weight."""
        original = weight.original.detach()
        low, high = (float(value) for value in torch.aminmax(original)) if original.numel() else (0.0, 0.0)
        self._room[row] = torch.finfo(original.dtype).max - max(-low, high)
        if not takes_branches(weight.owner):
            return weight
        if weight.leaf == "bias":
            self._shift(row, weight)
            return None
        beside: list[tuple[Slot, Factors]] = []
        left: list[Stake] = []
        for stake in weight.stakes:
            delta = stake.placement.delta
            if weight.leaf != "weight" or not isinstance(delta, LowRank):
                left.append(stake)
                continue
            factors = delta.factors(stake.placement.layout)
            self._bounds[row, stake.number] = abs(delta.scale) * _largest(factors)
            self._energy[stake.number] += delta.scale**2 * float(inner_products([factors])[0, 0])
            beside.append((Slot(number=stake.number, scale=delta.scale, rank=delta.rank), factors))
        if beside:
            gate = self._gate([slot for slot, _ in beside])
            self._hook(weight.owner, branch_for(weight.owner, [factors for _, factors in beside], gate, weight.where))
        return replace(weight, stakes=tuple(left)) if left else None

    def _shift(self, row: int, weight: Weight) -> None:
        """Put the experts' changes of a bias beside its layer."""
        changes = [weight.change_of(stake) for stake in weight.stakes]
        for stake, change in zip(weight.stakes, changes, strict=True):
            self._bounds[row, stake.number] = np.abs(change).max(initial=0.0)
            self._energy[stake.number] += change @ change
        gate = self._gate([Slot(number=stake.number, scale=1.0, rank=1) for stake in weight.stakes])
        kept = torch.from_numpy(np.stack(changes)).to(weight.original.device)
        kept = kept if weight.original.dtype == torch.float64 else kept.float()
        self._hook(weight.owner, Shift(where=weight.where, gate=gate, changes=kept, spatial=spatial_of(weight.owner)))

    def _gate(self, slots: Sequence[Slot]) -> Gate:
        return self._gates.setdefault(tuple(slots), Gate(slots))

    def _hook(self, layer: nn.Module, branch: Any) -> None:
        self._hooks.append(layer.register_forward_hook(branch, with_kwargs=True))

    def _refuse_saving(self, *_: Any) -> None:
        """Refuse to give weights that are not those that the model works with."""
        if any(gate.active for gate in self._gates.values()):
            raise InvalidInput(
                "the mixture lies beside the model's weights, which are those of the base",
                where="state_dict",
                remedy="save inside `with mixer.merged(coefficients) as model`, or compose to disk",
            )


def _largest(factors: Factors) -> float:
    """Bound the largest element of left @ right by the lengths of its longest row and column."""
    left = np.sqrt(np.square(factors.left, dtype=np.float64).sum(axis=1).max(initial=0.0))
    right = np.sqrt(np.square(factors.right, dtype=np.float64).sum(axis=0).max(initial=0.0))
    return float(left * right)


def _refuse_one_for_two(weights: Sequence[Weight]) -> None:
    """Refuse two tensors on disk that are one in memory: each would change it."""
    seen: dict[tuple[int, str], Weight] = {}
    for weight in weights:
        other = seen.setdefault((id(weight.owner), weight.leaf), weight)
        if other is not weight:
            raise Incompatible(
                f"{weight.stakes[0].placement.delta.label}: {weight.tensor} and {other.tensor} are one tensor of the "
                "model in memory",
                where=weight.tensor,
                remedy="compose to disk, or use experts that change one of them",
            )


def _load(folder: Path, dtype: str, device: str | None) -> tuple[Any, Any]:
    """Load a causal language model with its tokenizer; nothing in the folder is executed."""
    if dtype not in DTYPES:
        raise InvalidInput(f"the dtype {dtype!r} is not known", where="dtype", remedy=f"one of {', '.join(DTYPES)}")
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=DTYPES[dtype], trust_remote_code=False, local_files_only=True, use_safetensors=True
        )
        tokenizer = AutoTokenizer.from_pretrained(
            folder, padding_side="left", trust_remote_code=False, local_files_only=True
        )
    finally:
        if bars:
            logging.enable_progress_bar()
    return model.to(device).eval() if device else model.eval(), tokenizer
