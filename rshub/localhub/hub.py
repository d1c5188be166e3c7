"""The hub without HTTP: what the routes call, opened over one root, and the writes that touch git and index alike.

The order of a write is always the same: git objects, then one database transaction in which the ref moves last but
for the commit of the transaction itself. A process killed in between leaves either nothing visible or a head that the
index does not describe yet; `Hub.open` mends the latter.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dulwich.errors import NotGitRepository

from rshub.localhub import access, clock, commits
from rshub.localhub.accounts import Identity
from rshub.localhub.database import Database
from rshub.localhub.discussions import Discussions
from rshub.localhub.errors import repo_not_found, revision_not_found, stale_parent
from rshub.localhub.facts import Facts, facts_at
from rshub.localhub.index import Index
from rshub.localhub.layout import Layout
from rshub.localhub.locks import Locks
from rshub.localhub.multipart import PartStore
from rshub.localhub.names import RepoKind
from rshub.localhub.objects import ObjectStore
from rshub.localhub.pointers import DEFAULT_ATTRIBUTES
from rshub.localhub.repos import HubRepo, Registry, new_key
from rshub.localhub.signing import Signer
from rshub.localhub.store import MAIN, GitStore, unlock
from rshub.localhub.xet import XetStore

_LOG = logging.getLogger(__name__)


class Hub:
    """One open root; safe to use from many threads."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.database = Database(layout.database)
        self.registry = Registry(self.database)
        self.index = Index(self.database)
        self.discussions = Discussions(self.database)
        self.objects = ObjectStore(layout)
        self.parts = PartStore(layout, self.objects)
        self.xet = XetStore(layout, self.database, self.objects)
        self.signer = Signer(self.database)
        self.instance = self._instance()
        self._locks = Locks()
        self._recover()

    def close(self) -> None:
        """Release the database."""
        self.database.close()

    def _instance(self) -> str:
        """Return what tells this hub from any other that may ever answer at the same address."""
        with self.database.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO hub VALUES ('instance', ?)", (secrets.token_hex(16),))
            value: str = connection.execute("SELECT value FROM hub WHERE name = 'instance'").fetchone()["value"]
        return value

    def _recover(self) -> None:
        """Finish what a killed process left: locks, stale index rows, directories without a row, uploads."""
        self.objects.sweep()
        heads = self.index.heads()
        for directory in self.layout.repos.iterdir():
            if directory.name.removesuffix(".git") not in heads:
                shutil.rmtree(directory, ignore_errors=True)
        for key, (kind, sha) in heads.items():
            try:
                self._recover_one(key, kind, sha)
            except NotGitRepository:
                _LOG.error("the git directory %s is gone: its repository answers 404", self.git_path(key))

    def _recover_one(self, key: str, kind: RepoKind, sha: str) -> None:
        path = self.git_path(key)
        unlock(path)
        with GitStore(path) as store:
            head = store.ref_target(MAIN)
            if head is None or head == sha:
                return
            facts = facts_at(store, head, kind, self.objects)
        with self.database.writing() as connection:
            self.index.store(connection, key, facts, None)

    # --- repositories ---------------------------------------------------------------------------------------------

    def git_path(self, key: str) -> Path:
        """Return where a repository's git directory lies."""
        return self.layout.repos / f"{key}.git"

    @contextmanager
    def git(self, repo: HubRepo) -> Iterator[GitStore]:
        """Open a repository's git side for reading.

        Raises:
            Refusal: 404, it was deleted meanwhile.
        """
        try:
            opened = GitStore(self.git_path(repo.key))
        except NotGitRepository:
            raise repo_not_found(anonymous=False) from None
        with opened as store:
            yield store

    @contextmanager
    def changing(self, repo: HubRepo) -> Iterator[GitStore]:
        """Open a repository's git side for writing: one writer at a time."""
        with self._locks.holding(repo.key), self.git(repo) as store:
            yield store

    def create(
        self, kind: RepoKind, namespace: str, name: str, *, author: str, private: bool, sdk: str | None
    ) -> HubRepo:
        """Create a repository with a first commit that says which files are large.

        Raises:
            sqlite3.IntegrityError: The name is taken.
        """
        key = new_key()
        files = {".gitattributes": DEFAULT_ATTRIBUTES}
        if kind == "space":
            files["README.md"] = f"---\ntitle: {name}\nsdk: {sdk or 'static'}\n---\n".encode()
        path = self.git_path(key)
        try:
            head = GitStore.create(path, files, author=author)
            with GitStore(path) as store:
                facts = facts_at(store, head, kind, self.objects)
            with self.database.writing() as connection:
                repo = self.registry.insert(
                    connection, key=key, kind=kind, namespace=namespace, name=name, private=private, sdk=sdk
                )
                self.index.store(connection, key, facts, None)
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        return repo

    def delete(self, repo: HubRepo) -> None:
        """Delete a repository; its large files stay, others may share them."""
        with self.changing(repo):
            self.registry.delete(repo)
            shutil.rmtree(self.git_path(repo.key), ignore_errors=True)

    def facts(self, repo: HubRepo, revision: str | None = None) -> Facts:
        """Describe a revision, the main branch by default.

        Raises:
            Refusal: 404 RevisionNotFound.
        """
        indexed = self.index.facts(repo.key)
        if indexed is not None and revision in {None, "main", MAIN}:
            return indexed
        with self.git(repo) as store:
            sha, _ = store.resolve(revision or "main")
            if indexed is not None and sha == indexed.sha:
                return indexed
            return facts_at(store, sha, repo.kind, self.objects, indexed.files if indexed else ())

    # --- writes ---------------------------------------------------------------------------------------------------

    def usable_object(self, repo: HubRepo, identity: Identity, oid: str) -> int | None:
        """Return the size of a large file that the caller may put into this repository, or None.

        It was uploaded to this repository, or lies in another whose files the caller can read.
        """
        size = self.registry.object_size(repo.key, oid)
        if size is not None:
            return size
        for holder, held in self.registry.holders(oid):
            if access.can_read_files(identity, holder):
                self.registry.link_objects(repo.key, [(oid, held)])
                return held
        return None

    def commit(
        self, repo: HubRepo, identity: Identity, revision: str, chunks: Iterable[bytes], *, author: str
    ) -> tuple[str, str, commits.Request]:
        """Commit to a branch or pull request and return (commit, ref, request).

        Raises:
            Refusal: 412, the head is not the parent that the caller names; and whatever the operations deserve.
        """
        with self.git(repo) as store:
            request = self.read_commit(repo, identity, chunks, store)
        with self.changing(repo) as store:
            head, ref = store.resolve(revision)
            if ref is None or not ref.startswith(("refs/heads/", "refs/pr/")):
                raise revision_not_found(revision)
            if request.parent is not None and not is_commit(head, request.parent):
                raise stale_parent()
            commit = commits.write(store, request, head, author=author)
            self.advance(repo, store, ref, head, commit)
        return commit, ref, request

    def read_commit(
        self, repo: HubRepo, identity: Identity, chunks: Iterable[bytes], store: GitStore
    ) -> commits.Request:
        """Read a commit request for a repository, storing its blobs."""
        return commits.read_request(
            commits.read_lines(chunks), store, lambda oid: self.usable_object(repo, identity, oid)
        )

    def advance(
        self,
        repo: HubRepo,
        store: GitStore,
        ref: str,
        old: str,
        new: str,
        *,
        alongside: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        """Move a ref, and with the main branch the index; the caller holds the repository's lock.

        Args:
            repo: The repository.
            store: Its git side.
            ref: Full name.
            old: Where the caller saw it.
            new: Where it goes.
            alongside: Further writes of the same transaction.

        Raises:
            Refusal: 412, the ref is not at `old`; 404, the repository was deleted meanwhile.
        """
        facts = None
        if ref == MAIN:
            known = self.index.facts(repo.key)
            facts = facts_at(store, new, repo.kind, self.objects, known.files if known else ())
        with self.database.writing() as connection:
            if facts is not None and not self.index.store(connection, repo.key, facts, clock.now()):
                raise repo_not_found(anonymous=False)
            if alongside is not None:
                alongside(connection)
            store.move_ref(ref, old, new)


def is_commit(commit: str, named: str) -> bool:
    """Whether a caller's full or short commit id means this commit."""
    return len(named) >= 7 and commit.startswith(named)
