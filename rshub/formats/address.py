"""Where a model lives, as people write it: ``owner/name``, ``owner/name@revision``, ``./folder`` or ``/folder``.

Nothing is guessed: whatever begins with ``./`` or ``/`` is a folder, everything else is a repo. No disk is looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rshub.errors import InvalidInput
from rshub.formats.names import is_repo_id
from rshub.types import RepoId

_REVISION = re.compile(r"[^\s@]+")


@dataclass(frozen=True, kw_only=True)
class RepoAddress:
    """A repo on a hub, and the revision that was named (None: its default branch)."""

    repo_id: RepoId
    revision: str | None = None

    def __str__(self) -> str:
        """Write it as it is typed."""
        return f"{self.repo_id}@{self.revision}" if self.revision else self.repo_id


def is_folder(text: str) -> bool:
    """Say whether this names a local folder: it begins with ``./`` or ``/``."""
    return text.startswith(("./", "/"))


def as_typed(folder: Path) -> str:
    """Write a folder so that it is read as one, and never as a repo; ``Path`` drops the ``./`` that was typed."""
    return str(folder) if folder.is_absolute() else f"./{folder}"


def parse_repo(text: str) -> RepoAddress:
    """Read ``owner/name`` or ``owner/name@revision``.

    Raises:
        InvalidInput: The text has another form.
    """
    repo_id, sign, revision = text.partition("@")
    if not is_repo_id(repo_id) or (sign and not _REVISION.fullmatch(revision)):
        raise InvalidInput(
            f"{text!r} is no repo: a repo is written owner/name or owner/name@revision",
            where=text,
            remedy="begin a local folder with ./ or /",
        )
    return RepoAddress(repo_id=RepoId(repo_id), revision=revision or None)


def parse_address(text: str) -> RepoAddress | Path:
    """Read a repo or a local folder.

    Raises:
        InvalidInput: The text is neither.
    """
    return Path(text) if is_folder(text) else parse_repo(text)
