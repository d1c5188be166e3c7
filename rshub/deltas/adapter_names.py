"""What the names in an adapter's file mean: the role of each tensor, and the module or parameter that it is for.

Names are read after what wrappers put around them is taken off. What has the marks of an adapter and is none of the
known roles has no meaning here, and is refused by whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rshub.tensors.tensor_file import TensorFile
from rshub.types import TensorName

PREFIX = "base_model.model."

WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""Path parts that compilers and parallel wrappers add anywhere in a name."""

Role = Literal["A", "B", "embedding A", "embedding B", "bias", "magnitude", "rows", "whole", "copy", "value head"]

ROLES: Mapping[Role, re.Pattern[str]] = {
    "A": re.compile(r"(?P<path>.+)\.lora_A(?:\.default)?\.weight"),
    "B": re.compile(r"(?P<path>.+)\.lora_B(?:\.default)?\.weight"),
    "embedding A": re.compile(r"(?P<path>.+)\.lora_embedding_A(?:\.default)?"),
    "embedding B": re.compile(r"(?P<path>.+)\.lora_embedding_B(?:\.default)?"),
    "bias": re.compile(r"(?P<path>.+)\.lora_B(?:\.default)?\.bias"),
    "magnitude": re.compile(r"(?P<path>.+)\.lora_magnitude_vector(?:\.default)?(?:\.weight)?"),
    "rows": re.compile(r"(?P<path>.+)\.token_adapter\.trainable_tokens_delta(?:\.default)?"),
    "value head": re.compile(r"(?P<path>(?:v_head|value_head)\..+)"),
    "copy": re.compile(r"(?P<path>.+)\.original_module\..+"),
}
"""What is told by its name alone; the path is that of a module. A copy is the original of a module that was saved."""

SAVED = re.compile(r"(?P<module>.+)\.modules_to_save(?:\.default)?\.(?P<rest>.+)")
"""A tensor of a module that was trained as a whole, in the form that keeps the wrapper's name."""

BASE_LAYER = re.compile(r"(?P<module>.+)\.base_layer\.(?P<rest>weight|bias)")
"""A tensor of the layer that an adapter was put around."""

MARKS = frozenset({"base_layer", "modules_to_save", "original_module", "token_adapter", "trainable_tokens_delta"})
"""Parts of a path that only adapters have; so has every part that begins with ``lora_``."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a name means; ``path`` is that of a module, or of a parameter when the role is ``whole``.

    ``saved`` says that the name itself shows a module that was trained as a whole, beside the original.
    """

    role: Role
    path: str
    saved: bool = False


def plain_name(name: str) -> str:
    """Strip what wrappers put into a tensor's name: ``base_model.model.``, compilers, parallel training."""
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    name = name.removeprefix("module.")
    return name.removeprefix(PREFIX).removeprefix("module.")


def read_name(name: str) -> Named | None:
    """Say what a tensor's name means; None when it has marks of an adapter and no known meaning."""
    plain = plain_name(name)
    saved = False
    for role, pattern in ROLES.items():
        parts = pattern.fullmatch(plain)
        if parts is not None:
            return None if role != "copy" and _marked(parts["path"]) else Named(role=role, path=parts["path"])
    inside = SAVED.fullmatch(plain) or BASE_LAYER.fullmatch(plain)
    if inside is not None:
        saved = inside.re is SAVED
        plain = f"{inside['module']}.{inside['rest']}"
    return None if _marked(plain) else Named(role="whole", path=plain, saved=saved)


def by_role(file: TensorFile) -> tuple[dict[Role, dict[str, list[TensorName]]], list[TensorName]]:
    """Sort the tensors of a file by role and path; and give those without a meaning."""
    roles: dict[Role, dict[str, list[TensorName]]] = {role: {} for role in (*ROLES, "whole")}
    unknown = []
    for name in sorted(file.tensors):
        named = read_name(name)
        if named is None:
            unknown.append(name)
        else:
            roles[named.role].setdefault(named.path, []).append(name)
    return roles, unknown


def _marked(path: str) -> bool:
    return any(part in MARKS or part.startswith("lora_") for part in path.split("."))
