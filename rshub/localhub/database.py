"""The one SQLite file: its schema, and connections that threads may use safely.

Readers never wait for the writer (write-ahead log); writers, this process's threads and other processes alike, wait for
each other. This module knows tables, not what they mean.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rshub.localhub.errors import LocalHubError

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE hub (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE accounts (
    name TEXT PRIMARY KEY COLLATE NOCASE, kind TEXT NOT NULL CHECK (kind IN ('user', 'org')), created_at TEXT NOT NULL
) STRICT;
CREATE TABLE memberships (
    org TEXT NOT NULL COLLATE NOCASE REFERENCES accounts, user TEXT NOT NULL COLLATE NOCASE REFERENCES accounts,
    role TEXT NOT NULL, PRIMARY KEY (org, user)
) STRICT;
CREATE TABLE tokens (
    digest TEXT PRIMARY KEY, user TEXT NOT NULL COLLATE NOCASE REFERENCES accounts, role TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE repos (
    serial INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL, namespace TEXT NOT NULL COLLATE NOCASE, name TEXT NOT NULL COLLATE NOCASE,
    private INTEGER NOT NULL, gated TEXT, sdk TEXT, created_at TEXT NOT NULL, modified_at TEXT NOT NULL,
    sha TEXT NOT NULL DEFAULT '', pipeline_tag TEXT, facts TEXT NOT NULL DEFAULT '{}', files TEXT NOT NULL DEFAULT '[]',
    UNIQUE (kind, namespace, name)
) STRICT;
CREATE TABLE aliases (
    kind TEXT NOT NULL, namespace TEXT NOT NULL COLLATE NOCASE, name TEXT NOT NULL COLLATE NOCASE,
    key TEXT NOT NULL REFERENCES repos (key) ON DELETE CASCADE, PRIMARY KEY (kind, namespace, name)
) STRICT;
CREATE TABLE repo_tags (
    tag TEXT NOT NULL, key TEXT NOT NULL REFERENCES repos (key) ON DELETE CASCADE, PRIMARY KEY (tag, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX repo_tags_by_key ON repo_tags (key);
CREATE TABLE repo_objects (
    key TEXT NOT NULL REFERENCES repos (key) ON DELETE CASCADE, oid TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (key, oid)
) STRICT, WITHOUT ROWID;
CREATE INDEX repo_objects_by_oid ON repo_objects (oid);

CREATE TABLE discussions (
    key TEXT NOT NULL REFERENCES repos (key) ON DELETE CASCADE, num INTEGER NOT NULL, title TEXT NOT NULL,
    author TEXT NOT NULL, created_at TEXT NOT NULL, status TEXT NOT NULL, is_pull_request INTEGER NOT NULL,
    target TEXT, base TEXT, merge_commit TEXT, PRIMARY KEY (key, num)
) STRICT;
CREATE TABLE events (
    serial INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL, num INTEGER NOT NULL,
    kind TEXT NOT NULL, author TEXT NOT NULL, created_at TEXT NOT NULL, data TEXT NOT NULL,
    FOREIGN KEY (key, num) REFERENCES discussions ON DELETE CASCADE
) STRICT;
CREATE INDEX events_by_discussion ON events (key, num);

CREATE TABLE xorbs (
    owner TEXT NOT NULL, hash TEXT NOT NULL, chunk_sizes BLOB NOT NULL, PRIMARY KEY (owner, hash)
) STRICT, WITHOUT ROWID;
CREATE TABLE xorb_spans (
    owner TEXT NOT NULL, hash TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, oid TEXT NOT NULL,
    offset INTEGER NOT NULL, PRIMARY KEY (owner, hash, first, last),
    FOREIGN KEY (owner, hash) REFERENCES xorbs ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
"""


class Database:
    """The open file; use it from any thread.

    Raises:
        LocalHubError: The file cannot be opened, is not ours, or was written by a newer hub.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._closed = False
        self._write_lock = threading.Lock()
        try:
            with self._connection() as connection:
                connection.execute("PRAGMA journal_mode = WAL")
            with self.writing() as connection:
                self._create_or_check(connection)
            path.chmod(0o600)
        except (sqlite3.Error, OSError) as error:
            msg = f"the hub database {path} cannot be used: {error}"
            raise LocalHubError(msg) from error

    def _create_or_check(self, connection: sqlite3.Connection) -> None:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            msg = f"the hub database {self._path} was written by a newer version (schema {version})"
            raise LocalHubError(msg)
        if version == 0:
            # Not executescript: that would commit the transaction this runs in.
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._idle_lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
        try:
            yield connection
        finally:
            with self._idle_lock:
                if self._closed:
                    connection.close()
                else:
                    self._idle.append(connection)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for queries; each statement sees a consistent state."""
        with self._connection() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection inside one transaction: all of it is stored on leaving, or nothing after an exception."""
        with self._write_lock, self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close every connection, those in use on their return; the last one folds the log back into the file."""
        with self._idle_lock:
            self._closed = True
            for connection in self._idle:
                connection.close()
            self._idle.clear()
