"""Where the hub keeps things under its root: one directory to copy for a backup.

    hub.sqlite3      accounts, repository settings, discussions, search index, Xet map
    hub.lock         held by the one process that serves this root
    repos/KEY.git    one bare git repository per hub repository; KEY is random, so a rename moves no file
    objects/aa/bb/   large files by sha256, shared by all repositories
    xorbs/           Xet blocks that no stored file covers completely
    incoming/        uploads in progress; emptied at start

Only places and locks: nothing here reads or writes content.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rshub.localhub.errors import LocalHubError


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The places under one root."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "hub.sqlite3"

    @property
    def repos(self) -> Path:
        """Bare git repositories."""
        return self.root / "repos"

    @property
    def objects(self) -> Path:
        """Large files by digest."""
        return self.root / "objects"

    @property
    def xorbs(self) -> Path:
        """Xet blocks by owner and hash."""
        return self.root / "xorbs"

    @property
    def incoming(self) -> Path:
        """Uploads that are not complete."""
        return self.root / "incoming"


def prepare(root: Path) -> Layout:
    """Create what is missing under the root; the root itself is closed to other users when it is new.

    Raises:
        LocalHubError: The root cannot be created or written.
    """
    layout = Layout(root=root.expanduser().absolute())
    try:
        layout.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for place in (layout.repos, layout.objects, layout.xorbs, layout.incoming):
            place.mkdir(exist_ok=True)
    except OSError as error:
        msg = f"the hub root {layout.root} cannot be used: {error.strerror or error}"
        raise LocalHubError(msg) from error
    if not os.access(layout.root, os.W_OK):
        msg = f"the hub root {layout.root} cannot be written"
        raise LocalHubError(msg)
    return layout


@contextmanager
def exclusive(layout: Layout) -> Iterator[None]:
    """Hold the root for one serving process; the kernel lets go when the process ends, however it ends.

    Raises:
        LocalHubError: Another live hub serves this root.
    """
    try:
        handle = (layout.root / "hub.lock").open("a+")
    except OSError as error:
        msg = f"the hub root {layout.root} cannot be locked: {error.strerror or error}"
        raise LocalHubError(msg) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            msg = f"the hub root {layout.root} is already served by another hub; stop that one or choose another root"
            raise LocalHubError(msg) from error
        yield
