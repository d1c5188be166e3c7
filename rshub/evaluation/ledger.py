"""What was measured before: completions and scores on disk, found again by what decided them.

An entry is one small file, named by the digest of its key and written whole: a killed run leaves every entry that it
finished, and any number of processes may work with one folder, for what two of them write at once is the same. An entry
that is not what its own digest says is as good as absent and is made again. Nothing is ever removed here: the folder
may be deleted at any time, at the price of measuring again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rshub.errors import OutputError, RshubError
from rshub.formats.canonical import canonical_bytes, digest, load_json
from rshub.tensors.plain_file import read_plain
from rshub.tensors.writer import write_whole

MAX_BYTES = 64 * 1024 * 1024


class Ledger:
    """A folder of entries.

    Args:
        folder: Where they lie; made with the first entry.
        needed: Whether an entry that cannot be written is an error. Where it is not, it is only not remembered.
    """

    def __init__(self, folder: Path, *, needed: bool = True) -> None:
        self.folder = Path(folder)
        self._needed = needed

    @classmethod
    def of_user(cls) -> Ledger:
        """Give the one in the user's cache: ``$RSHUB_CACHE/ledger``, by default ``~/.cache/rshub/ledger``."""
        return cls(cache_folder() / "ledger", needed=False)

    @classmethod
    def chosen(cls, folder: Path | str | None, *, remember: bool = True) -> Ledger | None:
        """Give the one in a folder, or the user's where none is named; None where nothing is to be remembered."""
        if not remember:
            return None
        return cls(Path(folder)) if folder is not None else cls.of_user()

    def find(self, kind: str, key: Mapping[str, Any]) -> Any:
        """Give what was kept under a key; None where there is nothing sound.

        Args:
            kind: What it is, ``completions`` or ``scores``.
            key: All that decided it, as JSON.
        """
        path = self._path(kind, key)
        with suppress(RshubError, OSError):
            entry = load_json(read_plain(path), source=str(path), max_bytes=MAX_BYTES)
            if entry.get("digest") == digest({"key": entry.get("key"), "value": entry.get("value")}):
                return entry["value"] if entry["key"] == dict(key) else None
        return None

    def keep(self, kind: str, key: Mapping[str, Any], value: Any) -> None:
        """Remember something under a key.

        Raises:
            OutputError: It cannot be written, in a ledger that is needed.
        """
        entry = {"key": dict(key), "value": value}
        try:
            write_whole(self._path(kind, key), canonical_bytes({**entry, "digest": digest(entry)}))
        except OutputError:
            if self._needed:
                raise

    def size(self) -> int:
        """Count the bytes of all entries."""
        with suppress(OSError):
            return sum(path.stat().st_size for path in self.folder.rglob("*.json"))
        return 0

    def _path(self, kind: str, key: Mapping[str, Any]) -> Path:
        name = digest(dict(key))
        return self.folder / kind / name[:2] / f"{name}.json"


def cache_folder() -> Path:
    """Give the folder of what may be made again: ``$RSHUB_CACHE``, by default ``rshub`` in the user's cache."""
    named = os.environ.get("RSHUB_CACHE") or str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "rshub")
    return Path(named).expanduser()
