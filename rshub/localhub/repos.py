"""Repositories as the database knows them: names, settings, and which large files belong to which.

Git content is elsewhere (`store.py`); who may do what is decided elsewhere (`access.py`).
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from rshub.localhub import clock
from rshub.localhub.database import Database
from rshub.localhub.errors import Refusal
from rshub.localhub.names import RepoKind

COLUMNS = "serial, key, kind, namespace, name, private, gated, sdk, created_at, modified_at"


@dataclass(frozen=True, kw_only=True)
class HubRepo:
    """One repository.

    Args:
        key: Random, never shown, never reused: the name of its directory.
        gated: "auto", "manual" or None.
    """

    serial: int
    key: str
    kind: RepoKind
    namespace: str
    name: str
    private: bool
    gated: str | None
    sdk: str | None
    created_at: str
    modified_at: str

    @property
    def id(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def web_path(self) -> str:
        """The path of its page: models have no prefix."""
        return f"/{self.id}" if self.kind == "model" else f"/{self.kind}s/{self.id}"


def from_row(row: sqlite3.Row) -> HubRepo:
    """Read a row that has at least COLUMNS."""
    return HubRepo(
        serial=row["serial"],
        key=row["key"],
        kind=row["kind"],
        namespace=row["namespace"],
        name=row["name"],
        private=bool(row["private"]),
        gated=row["gated"],
        sdk=row["sdk"],
        created_at=row["created_at"],
        modified_at=row["modified_at"],
    )


class Registry:
    """Finds, creates and changes repository records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, kind: RepoKind, namespace: str, name: str) -> HubRepo | None:
        """Return the repository of this name or former name, whatever its case."""
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT {COLUMNS} FROM repos WHERE kind = ? AND namespace = ? AND name = ?",  # noqa: S608
                (kind, namespace, name),
            ).fetchone()
            if row is None:
                row = connection.execute(
                    f"SELECT {COLUMNS} FROM repos WHERE key ="  # noqa: S608
                    " (SELECT key FROM aliases WHERE kind = ? AND namespace = ? AND name = ?)",
                    (kind, namespace, name),
                ).fetchone()
        return None if row is None else from_row(row)

    def keys(self) -> set[str]:
        """Return the key of every repository."""
        with self._database.reading() as connection:
            return {row["key"] for row in connection.execute("SELECT key FROM repos")}

    def insert(
        self,
        connection: sqlite3.Connection,
        *,
        key: str,
        kind: RepoKind,
        namespace: str,
        name: str,
        private: bool,
        sdk: str | None,
    ) -> HubRepo:
        """Record a new repository in the caller's transaction.

        Raises:
            sqlite3.IntegrityError: The name is taken.
        """
        moment = clock.now()
        connection.execute(
            "INSERT INTO repos (key, kind, namespace, name, private, sdk, created_at, modified_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (key, kind, namespace, name, private, sdk, moment, moment),
        )
        # A new repository takes its name back from one that moved away.
        connection.execute("DELETE FROM aliases WHERE kind = ? AND namespace = ? AND name = ?", (kind, namespace, name))
        row = connection.execute(f"SELECT {COLUMNS} FROM repos WHERE key = ?", (key,)).fetchone()  # noqa: S608
        return from_row(row)

    def update(self, repo: HubRepo, *, private: bool, gated: str | None) -> None:
        """Store settings."""
        with self._database.writing() as connection:
            connection.execute("UPDATE repos SET private = ?, gated = ? WHERE key = ?", (private, gated, repo.key))

    def move(self, repo: HubRepo, namespace: str, name: str) -> None:
        """Rename; the former name keeps leading here until another repository takes it.

        Raises:
            Refusal: 409, the new name is taken.
        """
        try:
            with self._database.writing() as connection:
                connection.execute(
                    "UPDATE repos SET namespace = ?, name = ? WHERE key = ?", (namespace, name, repo.key)
                )
                connection.execute(
                    "DELETE FROM aliases WHERE kind = ? AND namespace = ? AND name = ?", (repo.kind, namespace, name)
                )
                if repo.id.lower() != f"{namespace}/{name}".lower():
                    connection.execute(
                        "INSERT OR REPLACE INTO aliases VALUES (?, ?, ?, ?)",
                        (repo.kind, repo.namespace, repo.name, repo.key),
                    )
        except sqlite3.IntegrityError as error:
            raise Refusal(409, f"A {repo.kind} repository called {namespace}/{name} already exists.") from error

    def delete(self, repo: HubRepo) -> None:
        """Forget a repository and everything that hangs on it."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM repos WHERE key = ?", (repo.key,))

    def link_objects(self, key: str, objects: Iterable[tuple[str, int]]) -> None:
        """Record that large files (oid, size) were given to this repository."""
        with self._database.writing() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO repo_objects VALUES (?, ?, ?)", [(key, oid, size) for oid, size in objects]
            )

    def object_size(self, key: str, oid: str) -> int | None:
        """Return the size of a large file that belongs to this repository, or None.

        Objects are shared on disk, but knowing a digest must not be enough to read somebody else's file.
        """
        with self._database.reading() as connection:
            row = connection.execute("SELECT size FROM repo_objects WHERE key = ? AND oid = ?", (key, oid)).fetchone()
        return None if row is None else int(row["size"])

    def holders(self, oid: str) -> list[tuple[HubRepo, int]]:
        """Return every repository that has been given this large file, with the file's size."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {COLUMNS}, size FROM repos JOIN repo_objects USING (key) WHERE oid = ?",  # noqa: S608
                (oid,),
            ).fetchall()
        return [(from_row(row), row["size"]) for row in rows]


def new_key() -> str:
    """Return a key for a new repository."""
    return secrets.token_hex(16)
