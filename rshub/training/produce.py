"""From the trainer's output to an expert's folder: an adapter's two files, or weights with a model's other files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rshub.deltas.adapters import CONFIG, WEIGHTS
from rshub.deltas.expert_files import ENDING
from rshub.experts.base_identity import BaseIdentity
from rshub.formats.canonical import file_bytes, load_json
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.companions import side_files
from rshub.tensors.model_config import CONFIG as MODEL_CONFIG
from rshub.tensors.weight_files import INDEX_SUFFIX

_LISTS = ("target_modules", "modules_to_save", "exclude_modules")


def put_adapter(made: Path, folder: Path, base: BaseIdentity) -> None:
    """Put an adapter into a folder; its config names the base's true name and commit, and its lists have one order."""
    config = load_json((made / CONFIG).read_bytes(), source=str(made / CONFIG))
    for key in _LISTS:
        if isinstance(config.get(key), list):
            config[key] = sorted(config[key])
    place = base.repo_id or str(Path(base.path or "").resolve())
    named = config | {"base_model_name_or_path": place, "revision": base.revision}
    (folder / CONFIG).write_bytes(file_bytes(named))
    shutil.copyfile(made / WEIGHTS, folder / WEIGHTS)


def put_model(made: Path, folder: Path, base: Path) -> None:
    """Put a whole model into a folder: its weights, and all else as the base has it; only weights were trained."""
    for path in made.iterdir():
        if path.name.endswith((ENDING, INDEX_SUFFIX)):
            shutil.move(path, folder / path.name)
    for name in side_files(base, Checkpoint.open(base)):
        if not name.endswith(INDEX_SUFFIX):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(base / name, folder / name)
    config: dict[str, Any] = load_json((base / MODEL_CONFIG).read_bytes(), source=str(base / MODEL_CONFIG))
    config.pop("torch_dtype", None)
    (folder / MODEL_CONFIG).write_bytes(file_bytes(config | {"dtype": "float32"}))
