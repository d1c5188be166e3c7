"""What an adapter holds beside its factors: biases, whole modules, saved embeddings, trained rows of tokens.

All but the biases inside the adapter are absolute values. A tensor that was trained as a copy beside the original
(``modules_to_save``) is told from one that was trained in place, because what is tied to the original goes with the
latter only.
"""

from __future__ import annotations

from collections.abc import Mapping

from rshub.deltas.adapter_pairs import ByRole, broken
from rshub.deltas.added import Added
from rshub.deltas.decomposed import Decomposed
from rshub.deltas.delta import LowRank
from rshub.deltas.matching import WEIGHT, Wanted
from rshub.deltas.peft_config import LoraSettings
from rshub.deltas.replaced import Replaced, ReplacedRows, same_bytes
from rshub.errors import Incompatible, IntegrityError
from rshub.tensors.tensor_file import TensorFile
from rshub.types import TensorName

UNDER = ".base_layer."
"""What PEFT puts into the name of a layer that lies under factors; it ignores any other name for such a layer."""


def read_extras(
    roles: ByRole, file: TensorFile, settings: LoraSettings, modules: Mapping[str, LowRank | Decomposed]
) -> tuple[Wanted, ...]:
    """Give every change that is not low-rank, by the parameter that it is of.

    Raises:
        IntegrityError: For two different tensors of one parameter, or rows that the config does not number.
        Incompatible: For changes of one parameter that do not add up.
    """
    found = [*_biases(roles, file, modules), *_wholes(roles, file, settings), *_rows(roles, file, settings)]
    kinds: dict[str, list[Wanted]] = {}
    for module, delta in modules.items():
        kinds[module + WEIGHT] = [Wanted(path=module + WEIGHT, delta=delta)]
    for extra in found:
        kinds.setdefault(extra.path, []).append(extra)
    for path, several in kinds.items():
        if len(several) > 1 and not _adds_up(several):
            name = several[-1].delta.first_name
            raise Incompatible(
                f"{settings.label}: the tensor {name} changes {path}, which {several[0].delta.first_name} changes too, "
                "and the two do not add up",
                where=name,
                remedy="leave this expert out, or train only one of the two",
            )
    return tuple(found)


def _adds_up(several: list[Wanted]) -> bool:
    """Say whether changes of one parameter lie on top of each other: one in the layer itself, and one over it."""
    kinds = {type(wanted.delta) for wanted in several}
    wholes = [wanted for wanted in several if isinstance(wanted.delta, Replaced)]
    beneath = all(wanted.in_place and UNDER in wanted.delta.first_name for wanted in wholes)
    over = kinds <= {LowRank, Added, Replaced} or kinds == {Decomposed, Replaced}
    return len(several) == len(kinds) and over and beneath


def _biases(roles: ByRole, file: TensorFile, modules: Mapping[str, LowRank | Decomposed]) -> list[Wanted]:
    """Give the biases inside the adapter: the bias of B, scaled, is added to that of the layer."""
    found = []
    for module, names in roles["bias"].items():
        delta = modules[module]
        if isinstance(delta, Decomposed):
            raise Incompatible(
                f"{delta.label}: the tensor {names[0]} is a bias inside DoRA, which nobody defines",
                where=names[0],
                remedy="leave this expert out",
            )
        added = Added(label=delta.label, file=file, name=names[0], scale=delta.scale)
        found.append(Wanted(path=f"{module}.bias", delta=added))
    return found


def _wholes(roles: ByRole, file: TensorFile, settings: LoraSettings) -> list[Wanted]:
    """Give the tensors that were saved whole; PEFT saves some biases twice, which must agree."""
    found = []
    for path, names in roles["whole"].items():
        for name in names[1:]:
            if not same_bytes(file, names[0], file, name):
                broken(settings.label, name, f"differs from {names[0]}, which is the same parameter")
        delta = Replaced(label=settings.label, file=file, name=names[0])
        in_place = not any(".modules_to_save." in name for name in names) and not settings.is_saved(path)
        found.append(Wanted(path=path, delta=delta, in_place=in_place))
    return found


def _rows(roles: ByRole, file: TensorFile, settings: LoraSettings) -> list[Wanted]:
    """Give the trained rows with the numbers that the config has for them."""
    label, numbered = settings.label, settings.rows
    found = []
    used: set[tuple[int, ...]] = set()
    for module, names in roles["rows"].items():
        if len(names) > 1:
            broken(label, names[1], f"is the same as {names[0]}")
        fitting = [rows for key, rows in numbered.items() if module.endswith(key)]
        if len(fitting) != 1 or ("" in numbered and len(roles["rows"]) > 1):
            _unnumbered(label, names[0], "does not say which rows these are")
        rows = fitting[0]
        shape = file.tensors[names[0]].shape
        if len(shape) != 2 or shape[0] != len(rows):
            _unnumbered(label, names[0], f"numbers {len(rows)} rows, not those of shape {list(shape)}")
        used.add(rows)
        delta = ReplacedRows(label=label, file=file, name=names[0], rows=rows)
        found.append(Wanted(path=module + WEIGHT, delta=delta))
    for key, rows in numbered.items():
        if rows and rows not in used:
            raise IntegrityError(
                f"{label}: adapter_config.json has trainable_token_indices for {key or 'the embedding'}, "
                "and no such rows are saved",
                where="trainable_token_indices",
                remedy="use the adapter_config.json that was saved with these tensors",
            )
    return found


def _unnumbered(label: str, name: TensorName, why: str) -> None:
    raise IntegrityError(
        f"{label}: the tensor {name} holds rows of tokens, but adapter_config.json {why}",
        where=name,
        remedy="use the adapter_config.json that was saved with these tensors",
    )
