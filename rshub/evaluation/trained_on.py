"""What an expert was trained on: the share of each reward, as its manifest or the summary beside it says."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rshub.errors import InvalidInput, RshubError
from rshub.experts.catalog import read_manifest
from rshub.experts.manifest import FILE_NAME, ExpertManifest
from rshub.experts.training_summary import FILE_NAME as TRAINING
from rshub.experts.training_summary import training_beside
from rshub.hub.client import Hub
from rshub.soups.choose import Candidate
from rshub.soups.known import shares_of
from rshub.soups.lock import Pin


def trained_on(candidate: Candidate) -> dict[str, float]:
    """Give the shares of an expert that was looked up; empty where nothing is said."""
    if candidate.manifest is not None:
        return _counted(candidate.manifest)
    return shares_beside(Path(candidate.place)) if candidate.commit is None else {}


def trained_on_pin(pin: Pin, hub: Hub) -> dict[str, float]:
    """Give the shares of an expert of a lock, of which nothing but its place and files is known yet."""
    if pin.path is None:
        with suppress(RshubError):
            return _counted(read_manifest(hub, pin.repo_id or "", commit=pin.revision or ""))
        return {}
    manifest = manifest_in(Path(pin.path))
    return _counted(manifest) if manifest else shares_beside(Path(pin.path))


def manifest_in(folder: Path) -> ExpertManifest | None:
    """Read the manifest of an expert on this machine, if there is one.

    Raises:
        IntegrityError: It is broken.
    """
    path = folder / FILE_NAME
    return ExpertManifest.from_bytes(path.read_bytes(), source=str(path)) if path.is_file() else None


def shares_beside(folder: Path) -> dict[str, float]:
    """Give the shares that the summary of a training names; empty where there is none.

    Raises:
        InvalidInput: It names them in another form.
    """
    training = training_beside(folder) or {}
    said = training.get("mixture")
    shares = shares_of(training)
    if said and not shares:
        raise InvalidInput(
            f"{folder / TRAINING}: 'mixture' is no object of shares",
            where=str(folder / TRAINING),
            remedy="name each reward with its share",
        )
    return {name: share for name, share in shares.items() if share}


def _counted(manifest: ExpertManifest) -> dict[str, float]:
    return {name: share for name, share in shares_of(manifest.training).items() if share}
