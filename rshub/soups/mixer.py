"""Many soups from one model in memory: the base and its experts loaded once, remixed in milliseconds.

Each changed tensor is worked out anew from the stored one, theta_0 + sum_i lambda_i * Delta_i, added up in float64 and
rounded once to float32; nothing accumulates from mix to mix, and ``mix({})`` gives the stored bits back. What the exact
composer refuses is refused here too: adapters that do not fit, coefficients beyond its limit, experts that change
nothing, sums that overflow. Sweeps and previews use this; models that are kept are composed to disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rshub.deltas.adapters import Adapter, read_adapter
from rshub.errors import Incompatible, InvalidInput
from rshub.formats.fields import nearest
from rshub.soups.plan import LARGEST_COEFFICIENT
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.factors import inner_products


class Mixer:
    """A base model and its experts, mixed on demand.

    Args:
        base_folder: The base as a model folder (weights, config, tokenizer).
        adapters: Label to adapter folder; the labels name the coefficients.

    Attributes:
        model: The torch model; its weights are those of the last mix, at first those of the base.
        tokenizer: The base's tokenizer, padding on the left.

    Raises:
        Incompatible: An adapter has a module that the base lacks or does not fit, or is of a kind that is not mixed.
        IntegrityError: An adapter is damaged.
        NotFound: A folder or file is missing.
    """

    def __init__(self, base_folder: Path, adapters: Mapping[str, Path]) -> None:
        self.model, self.tokenizer = _load(base_folder)
        self._parts: dict[str, list[tuple[str, float, torch.Tensor, torch.Tensor]]] = {}
        self._stored: dict[str, torch.Tensor] = {}
        self._idle: set[str] = set()
        self.labels = tuple(adapters)
        base = Checkpoint.open(Path(base_folder))
        for label, folder in adapters.items():
            self._add(read_adapter(Path(folder), label=label), base)

    def mix(self, coefficients: Mapping[str, float]) -> Any:
        """Set the model's weights to theta_0 + sum lambda_i * Delta_i and give the model.

        Args:
            coefficients: Label to lambda; a label that is absent counts as zero. Any sum and sign.

        Raises:
            InvalidInput: A label that is not loaded, or a coefficient that is not finite or beyond the composer's.
            Incompatible: An expert that changes nothing has a coefficient (the model stays as it was), or a weight
                overflows (the model is the start again).
        """
        for label, value in coefficients.items():
            if label not in self.labels:
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
        try:
            self._set(coefficients)
        except Incompatible:
            self._set({})
            raise
        return self.model

    def _set(self, coefficients: Mapping[str, float]) -> None:
        with torch.no_grad():
            for module, stored in self._stored.items():
                self.model.get_submodule(module).weight.copy_(self._mixture(module, stored, coefficients))

    def _mixture(self, module: str, stored: torch.Tensor, coefficients: Mapping[str, float]) -> torch.Tensor:
        """Work one tensor out from the stored one; untouched, it is the stored one itself."""
        used = [
            (coefficients.get(label, 0.0) * scale, left, right) for label, scale, left, right in self._parts[module]
        ]
        used = [part for part in used if part[0] != 0.0]
        if not used:
            return stored
        total = stored.double().reshape(len(used[0][1]), -1)
        for weight, left, right in used:
            total += weight * (left.to(total) @ right.to(total))
        mixed = total.reshape(stored.shape).to(stored.dtype)
        if not mixed.isfinite().all() and stored.isfinite().all():
            raise Incompatible(
                f"the tensor {module}.weight overflows", where=f"{module}.weight", remedy="use smaller coefficients"
            )
        return mixed

    def _add(self, adapter: Adapter, base: Checkpoint) -> None:
        """Take an adapter's changes in the layout of the stored tensors, and keep those tensors."""
        energy = 0.0
        for place in adapter.place(base):
            module = place.module
            try:
                weight = self.model.get_submodule(module).weight
            except AttributeError as fault:
                raise Incompatible(
                    f"{adapter.label}: the base has no module {module}",
                    where=module,
                    remedy="use the base that it was trained on",
                ) from fault
            low_rank = adapter.modules[module]
            factors = low_rank.factors(place.layout)
            energy += low_rank.scale**2 * float(inner_products([factors])[0, 0])
            part = (adapter.label, low_rank.scale, torch.tensor(factors.left), torch.tensor(factors.right))
            self._parts.setdefault(module, []).append(part)
            self._stored.setdefault(module, weight.detach().clone())
        if not energy:
            self._idle.add(adapter.label)


def _load(folder: Path) -> tuple[Any, Any]:
    """Load a causal language model in float32 with its tokenizer; nothing in the folder is executed."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, trust_remote_code=False, local_files_only=True, use_safetensors=True
        )
        tokenizer = AutoTokenizer.from_pretrained(
            folder, padding_side="left", trust_remote_code=False, local_files_only=True
        )
    finally:
        if bars:
            logging.enable_progress_bar()
    return model.eval(), tokenizer
