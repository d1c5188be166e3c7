"""A pipeline: several models in one folder, each a component in a folder of its own, as diffusers lays them out.

``model_index.json`` names the components; its own classes are never imported. A component is a plain folder name; what
would lead elsewhere is refused.
"""

from __future__ import annotations

import os
from pathlib import Path

from rshub.errors import IntegrityError
from rshub.formats.canonical import load_json
from rshub.formats.fields import is_file_name
from rshub.tensors.plain_file import file_names, read_plain

MODEL_INDEX = "model_index.json"
MAX_MODEL_INDEX_BYTES = 1 << 20
TEMPLATES = "additional_chat_templates"


def components(data: bytes, *, source: str) -> tuple[str, ...]:
    """Name the components of a pipeline: every key whose value is a library and a class.

    Args:
        data: The bytes of ``model_index.json``.
        source: What to call the file in an error.

    Raises:
        IntegrityError: It is no JSON object, or a name is no plain folder name.
    """
    named = []
    for key, value in load_json(data, source=source, error=IntegrityError, max_bytes=MAX_MODEL_INDEX_BYTES).items():
        if key.startswith("_") or not isinstance(value, list) or [type(item) for item in value] != [str, str]:
            continue
        if not is_file_name(key) or "/" in key or key == TEMPLATES:
            raise IntegrityError(
                f"{source}: {key[:40]!a} is no plain name of a folder",
                where=source,
                remedy="fetch the pipeline again, or ask its publisher to mend it",
            )
        named.append(key)
    return tuple(sorted(named))


def model_files(folder: Path) -> list[str]:
    """List the files of a model in a folder by their path in it: at its top, of its components, its chat templates.

    Raises:
        NotFound: There is no such folder, or it may not be read; or one in it is a link to nothing.
        IntegrityError: Its ``model_index.json`` is broken.
    """
    names = file_names(folder)
    inside = [""]
    if MODEL_INDEX in names:
        inside += components(read_plain(folder / MODEL_INDEX), source=str(folder / MODEL_INDEX))
    for component in inside[1:]:
        if os.path.lexists(folder / component):
            names += [f"{component}/{name}" for name in file_names(folder / component)]
    for component in inside:
        place = f"{component}/{TEMPLATES}" if component else TEMPLATES
        if os.path.lexists(folder / place):
            names += [f"{place}/{name}" for name in file_names(folder / place)]
    return names
