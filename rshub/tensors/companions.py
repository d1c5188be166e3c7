"""The files beside a model's weights that make it whole: config, tokenizer, chat template, generation config.

They are known by the names that models use for them; those of a pipeline's components lie in their folders, like
schedulers that have no weights at all. All else is no part of a model: pickles, programs, other weights, cards, what
belongs to an expert or to a soup, and what people keep beside a model.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.pipeline import TEMPLATES, model_files
from rshub.tensors.used_names import NAMES, PATTERNS
from rshub.tensors.weight_files import INDEX_SUFFIX, WeightFiles


def side_files(folder: Path, model: Checkpoint | WeightFiles) -> list[str]:
    """List the files of a model that go with its weights, by their path within it.

    Raises:
        NotFound: There is no such folder, or it may not be read.
    """
    return sorted(name for name in model_files(folder) if is_side_file(name, model))


def is_side_file(name: str, model: Checkpoint | WeightFiles) -> bool:
    """Say whether a file of a model repo goes with its weights, by its path within the repo."""
    path = PurePosixPath(name)
    if name.endswith(INDEX_SUFFIX):
        return name in model.indices
    inside = path.parts[1:] if len(path.parts) > 1 and path.parts[0] in model.components else path.parts
    if len(inside) == 2:
        return inside[0] == TEMPLATES and path.suffix == ".jinja"
    return len(inside) == 1 and (inside[0] in NAMES or PATTERNS.fullmatch(inside[0]) is not None)
