"""One bare git repository: reading commits, trees, blobs and refs, and writing the objects that a commit needs.

Real git throughout, so `git clone` and `git fsck` work on what lies here. Moving a ref is compare-and-swap; the lock
that orders writers is held by the caller (`commits.py`, `pulls.py`).
"""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dulwich.file import FileLocked
from dulwich.object_store import iter_tree_contents, tree_lookup_path
from dulwich.objects import Blob, Commit, ObjectID, ShaFile, Tag, Tree
from dulwich.refs import Ref, check_ref_format
from dulwich.repo import Repo

from rshub.localhub.errors import Refusal, bad_request, entry_not_found, revision_not_found, stale_parent
from rshub.localhub.locks import Locks
from rshub.localhub.pointers import LONGEST_POINTER, Pointer, parse_pointer

MAIN = "refs/heads/main"
FILE_MODE = 0o100644
_NO_COMMIT = b"0" * 40
# Two threads that store the same object at once would trip over each other's lock file.
_STORING = Locks()
_SHORT_SHA = re.compile(r"[0-9a-f]{4,40}")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file or directory at a commit: `pointer` when it is a large file; `size` is that of the content, in bytes."""

    path: str
    oid: str
    is_directory: bool = False
    size: int = 0
    pointer: Pointer | None = None
    blob_size: int = 0


class GitStore:
    """An open repository; a context manager, for one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._repo = Repo(str(path))
        # Objects must be on disk before a ref that names them is.
        self._repo.object_store.fsync_object_files = True

    @classmethod
    def create(cls, path: Path, files: Mapping[str, bytes], *, author: str) -> str:
        """Make a bare repository whose first commit holds these top-level files, and return that commit."""
        path.mkdir()
        Repo.init_bare(str(path), default_branch=b"main").close()
        with cls(path) as store:
            tree = store.write_tree({name: (FILE_MODE, store.write_blob(data)) for name, data in files.items()})
            commit = store.write_commit(tree, [], "initial commit", author=author)
            store.move_ref(MAIN, None, commit)
        return commit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._repo.close()

    @property
    def dulwich(self) -> Repo:
        """The repository for those who speak git's own protocol."""
        return self._repo

    # --- revisions -----------------------------------------------------------------------------------------------

    def ref_target(self, ref: str) -> str | None:
        """Return the commit that a full ref name leads to, through an annotated tag."""
        try:
            oid = self._repo.refs[Ref(ref.encode())]
        except (KeyError, ValueError):
            return None
        target = self._repo[oid]
        while isinstance(target, Tag):
            target = self._repo[target.object[1]]
        sha: str = target.id.decode()
        return sha

    def resolve(self, revision: str) -> tuple[str, str | None]:
        """Return (commit, full ref name or None) for a branch, tag, pull request, or full or short commit id.

        Raises:
            Refusal: 404 RevisionNotFound.
        """
        names = [revision] if revision.startswith("refs/") else []
        names += [f"refs/{area}/{revision}" for area in ("heads", "tags", "convert", "pr")]
        for name in names:
            sha = self.ref_target(name)
            if sha is not None:
                return sha, name
        if _SHORT_SHA.fullmatch(revision):
            found = [oid for oid in self._ids_beginning(revision) if isinstance(self._repo[oid], Commit)]
            if len(found) == 1:
                return found[0].decode(), None
        raise revision_not_found(revision)

    def _ids_beginning(self, prefix: str) -> set[ObjectID]:
        if len(prefix) == 40:
            oid = ObjectID(prefix.encode())
            return {oid} if oid in self._repo.object_store else set()
        return set(self._repo.object_store.iter_prefix(prefix.encode()))

    def refs(self) -> dict[str, str]:
        """Return full ref name -> commit, without HEAD."""
        found = {name.decode(): None for name in self._repo.refs.allkeys() if name.startswith(b"refs/")}
        targets = {name: self.ref_target(name) for name in sorted(found)}
        return {name: sha for name, sha in targets.items() if sha is not None}

    def move_ref(self, ref: str, old: str | None, new: str) -> None:
        """Set a ref if it still is what the caller saw (None: absent).

        Raises:
            Refusal: 412, somebody else moved it; 400, git does not allow such a name.
        """
        name = Ref(ref.encode())
        if not check_ref_format(name):
            raise bad_request(f"{ref!r} is not a valid git reference name.")
        try:
            swapped = self._repo.refs.set_if_equals(name, old.encode() if old else _NO_COMMIT, new.encode())
        except FileLocked as error:
            raise stale_parent() from error
        except OSError as error:
            # `a` and `a/b` cannot both be branches: a ref is a file and so is its neighbour's directory.
            raise Refusal(409, f"Reference {ref} conflicts with an existing one.") from error
        if not swapped:
            raise stale_parent()

    def put_ref(self, ref: str, new: str) -> None:
        """Set a ref that only the caller can know of, whatever a crash may have left there."""
        self._repo.refs[Ref(ref.encode())] = ObjectID(new.encode())

    def drop_ref(self, ref: str) -> None:
        """Delete a ref."""
        del self._repo.refs[Ref(ref.encode())]

    # --- reading --------------------------------------------------------------------------------------------------

    def tree_id(self, commit: str) -> str:
        """Return the root tree of a commit."""
        tree: str = self._repo[commit.encode()].tree.decode()
        return tree

    def tree(self, oid: str) -> dict[str, tuple[int, str]]:
        """Return name -> (mode, id) of one tree object."""
        return {
            entry.path.decode("utf-8", "surrogateescape"): (entry.mode, entry.sha.decode())
            for entry in self._repo[oid.encode()].iteritems()
        }

    def lookup(self, commit: str, path: str) -> tuple[int, str] | None:
        """Return (mode, id) of a path at a commit; None when there is none."""
        tree = self._repo[commit.encode()].tree
        try:
            mode, oid = tree_lookup_path(self._repo.object_store.__getitem__, tree, path.encode())
        except (KeyError, ValueError, OSError):
            return None
        return mode, oid.decode()

    def blob(self, oid: str) -> bytes:
        """Return the content of a blob."""
        data: bytes = self._repo.object_store.get_raw(ObjectID(oid.encode()))[1]
        return data

    def file(self, commit: str, path: str) -> bytes | None:
        """Return the stored bytes of a file (a pointer for a large one), or None."""
        found = self.lookup(commit, path)
        return None if found is None or stat.S_ISDIR(found[0]) else self.blob(found[1])

    def entry(self, path: str, mode: int, oid: str) -> Entry:
        """Describe a file or directory, reading the blob for its size."""
        if stat.S_ISDIR(mode):
            return Entry(path=path, oid=oid, is_directory=True)
        data = self.blob(oid)
        pointer = parse_pointer(data) if len(data) <= LONGEST_POINTER else None
        size = pointer.size if pointer else len(data)
        return Entry(path=path, oid=oid, size=size, pointer=pointer, blob_size=len(data))

    def files(self, commit: str) -> Iterator[tuple[str, str]]:
        """Yield (path, blob id) of every file, in git's order."""
        for entry in iter_tree_contents(self._repo.object_store, ObjectID(self.tree_id(commit).encode())):
            yield entry.path.decode("utf-8", "surrogateescape"), entry.sha.decode()

    def listing(self, commit: str, directory: str, *, recursive: bool) -> list[tuple[str, int, str]]:
        """Return (path, mode, id) below a directory ("" for the root).

        Raises:
            Refusal: 404 EntryNotFound, the directory does not exist.
        """
        root = self.tree_id(commit)
        if directory:
            found = self.lookup(commit, directory)
            if found is None or not stat.S_ISDIR(found[0]):
                raise entry_not_found(directory, commit)
            root = found[1]
        listed = []
        pending = [(f"{directory}/" if directory else "", root)]
        while pending:
            prefix, oid = pending.pop()
            for name, (mode, child) in self.tree(oid).items():
                listed.append((prefix + name, mode, child))
                if recursive and stat.S_ISDIR(mode):
                    pending.append((f"{prefix}{name}/", child))
        return sorted(listed)

    def parents(self, commit: str) -> list[str]:
        """Return the parent commits."""
        return [parent.decode() for parent in self._repo[commit.encode()].parents]

    # --- writing --------------------------------------------------------------------------------------------------

    def _store(self, item: ShaFile) -> None:
        with _STORING.holding(str(self._path)):
            self._repo.object_store.add_object(item)

    def write_blob(self, data: bytes) -> str:
        """Store a file's bytes and return the blob id."""
        blob = Blob.from_string(data)
        self._store(blob)
        oid: str = blob.id.decode()
        return oid

    def write_tree(self, entries: Mapping[str, tuple[int, str]]) -> str:
        """Store one tree object and return its id."""
        tree = Tree()
        for name, (mode, oid) in entries.items():
            tree.add(name.encode("utf-8", "surrogateescape"), mode, ObjectID(oid.encode()))
        self._store(tree)
        tree_id: str = tree.id.decode()
        return tree_id

    def write_commit(self, tree: str, parents: Sequence[str], message: str, *, author: str) -> str:
        """Store a commit and return its id; no ref moves."""
        commit = Commit()
        commit.tree = ObjectID(tree.encode())
        commit.parents = [ObjectID(parent.encode()) for parent in parents]
        commit.author = commit.committer = _person(author)
        commit.author_time = commit.commit_time = int(time.time())
        commit.author_timezone = commit.commit_timezone = 0
        commit.encoding = b"UTF-8"
        commit.message = message.replace("\0", " ").encode()
        self._store(commit)
        commit_id: str = commit.id.decode()
        return commit_id

    def write_tag(self, name: str, commit: str, message: str, *, author: str) -> str:
        """Store an annotated tag object and return its id; no ref moves."""
        tag = Tag()
        tag.name = name.encode()
        tag.object = (Commit, ObjectID(commit.encode()))
        tag.message = message.replace("\0", " ").encode()
        tag.tagger = _person(author)
        tag.tag_time = int(time.time())
        tag.tag_timezone = 0
        self._store(tag)
        tag_id: str = tag.id.decode()
        return tag_id


def unlock(path: Path) -> None:
    """Remove lock files that a killed process left in a repository; nobody else may be using it."""
    for pattern in ("*.lock", "refs/**/*.lock", "objects/??/*.lock", "objects/pack/*.lock"):
        for lock in path.glob(pattern):
            lock.unlink(missing_ok=True)


def _person(author: str) -> bytes:
    return f"{author} <{author}@users.noreply.localhub>".encode()
