"""Changes to a tree of files, kept in memory until they are written as git trees.

Only the directories that a change touches are read and rewritten. Knows nothing of commits, refs or requests.
"""

from __future__ import annotations

import stat

from rshub.localhub.errors import bad_request, entry_not_found
from rshub.localhub.store import FILE_MODE, GitStore

_DIRECTORY_MODE = 0o040000


class TreeEdit:
    """A directory tree under change, beginning as the tree of a commit."""

    def __init__(self, store: GitStore, commit: str) -> None:
        self._store = store
        self._commit = commit
        self._root = _Directory(store, store.tree_id(commit))

    def put(self, path: str, blob: str) -> None:
        """Set a file, with the directories it needs.

        Raises:
            Refusal: 400, a file stands where a directory is needed, or the reverse.
        """
        *parents, name = path.split("/")
        directory = self._root
        for parent in parents:
            directory = directory.child(parent, create=True) or _conflict(path)
        if directory.has_directory(name):
            _conflict(path)
        directory.files[name] = (FILE_MODE, blob)

    def delete(self, path: str) -> None:
        """Remove a file or a whole directory.

        Raises:
            Refusal: 404 EntryNotFound.
        """
        *parents, name = path.split("/")
        directory: _Directory | None = self._root
        for parent in parents:
            directory = None if directory is None else directory.child(parent, create=False)
        if directory is None or not directory.remove(name):
            raise entry_not_found(path, self._commit)

    def clear(self) -> None:
        """Remove everything."""
        self._root = _Directory(self._store, None)

    def get(self, path: str) -> str | None:
        """Return the blob id of a file, or None."""
        *parents, name = path.split("/")
        directory: _Directory | None = self._root
        for parent in parents:
            directory = None if directory is None else directory.child(parent, create=False)
        found = None if directory is None else directory.files.get(name)
        return None if found is None else found[1]

    def write(self) -> str:
        """Store the changed trees and return the id of the root."""
        return self._root.write() or self._store.write_tree({})


class _Directory:
    """One directory; subdirectories are opened when something looks into them."""

    def __init__(self, store: GitStore, tree: str | None) -> None:
        self._store = store
        entries = store.tree(tree) if tree else {}
        self.files = {name: entry for name, entry in entries.items() if not stat.S_ISDIR(entry[0])}
        self._closed = {name: oid for name, (mode, oid) in entries.items() if stat.S_ISDIR(mode)}
        self._open: dict[str, _Directory] = {}

    def child(self, name: str, *, create: bool) -> _Directory | None:
        """Return a subdirectory; None when there is none, or a file stands in the way of a new one."""
        if name in self._closed:
            self._open[name] = _Directory(self._store, self._closed.pop(name))
        elif name not in self._open and create and name not in self.files:
            self._open[name] = _Directory(self._store, None)
        return self._open.get(name)

    def has_directory(self, name: str) -> bool:
        """Whether a subdirectory of that name would be written."""
        return name in self._closed or (name in self._open and not self._open[name].empty)

    @property
    def empty(self) -> bool:
        """Whether nothing is left to write: git stores no empty directories."""
        return not self.files and not self._closed and all(child.empty for child in self._open.values())

    def remove(self, name: str) -> bool:
        """Remove a file or subdirectory; tell whether there was one."""
        found = name in self.files or self.has_directory(name)
        self.files.pop(name, None)
        self._closed.pop(name, None)
        self._open.pop(name, None)
        return found

    def write(self) -> str | None:
        """Store this directory and return its id; None when it is empty."""
        entries = dict(self.files)
        entries.update({name: (_DIRECTORY_MODE, oid) for name, oid in self._closed.items()})
        for name, child in self._open.items():
            oid = child.write()
            if oid is not None:
                entries[name] = (_DIRECTORY_MODE, oid)
        return self._store.write_tree(entries) if entries else None


def _conflict(path: str) -> _Directory:
    raise bad_request(f"Path {path!r} is a file and a directory at once.")
