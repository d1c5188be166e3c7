"""What an expert was trained on: the share of each reward, as its manifest or the summary beside an adapter says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rshub.errors import InvalidInput
from rshub.experts.publish import TRAINING
from rshub.formats.canonical import load_json
from rshub.preferences.scores import LARGEST
from rshub.soups.choose import Candidate


def trained_on(candidate: Candidate) -> dict[str, float]:
    """Give the shares of an expert's training that are not zero; empty where nothing is said.

    Raises:
        InvalidInput: What is said is no share of each reward.
    """
    if candidate.manifest is not None:
        return _shares(candidate.manifest.training, candidate.place)
    return shares_beside(Path(candidate.place)) if candidate.commit is None else {}


def shares_beside(folder: Path) -> dict[str, float]:
    """Give the shares that the summary in an adapter's folder names; empty where it is not there."""
    summary = folder / TRAINING
    if not summary.is_file():
        return {}
    return _shares(load_json(summary.read_bytes(), source=str(summary)), str(summary))


def _shares(training: Mapping[str, Any], source: str) -> dict[str, float]:
    mixture = training.get("mixture")
    if mixture is None:
        return {}
    if not isinstance(mixture, Mapping):
        raise InvalidInput(f"{source}: 'mixture' is no object", where=source, remedy="name each reward with its share")
    for name, share in mixture.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not abs(share) <= LARGEST:
            raise InvalidInput(
                f"{source}: 'mixture' gives {name} no share", where=source, remedy="name each reward with its share"
            )
    return {str(name): float(share) for name, share in mixture.items() if share}
