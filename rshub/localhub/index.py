"""The search index: what listings and repository pages answer from, without opening git.

One row per repository and one per tag, written while the repository's lock is held, right after its main branch moved.
"""

from __future__ import annotations

import base64
import binascii
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from rshub.localhub.accounts import Identity
from rshub.localhub.database import Database
from rshub.localhub.errors import bad_request
from rshub.localhub.facts import Facts, dump_files, load_files
from rshub.localhub.names import RepoKind
from rshub.localhub.repos import COLUMNS, HubRepo, from_row

LARGEST_PAGE = 1000
# What can be sorted by; likes and downloads are not counted here, so every repository ties and the newest come first.
_TIED = "'0'"
_SORT_COLUMNS = {
    "lastModified": "modified_at",
    "last_modified": "modified_at",
    "createdAt": "created_at",
    "created_at": "created_at",
    "likes": _TIED,
    "downloads": _TIED,
    "trendingScore": _TIED,
    "trending_score": _TIED,
}


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a listing asks for; all conditions must hold, tags match exactly."""

    kind: RepoKind
    tags: Sequence[str] = ()
    author: str | None = None
    text: str | None = None
    pipeline_tag: str | None = None
    gated: bool | None = None
    sort: str = "lastModified"
    limit: int = LARGEST_PAGE
    cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """Part of a listing, and the cursor of the next part."""

    rows: list[tuple[HubRepo, Facts]] = field(default_factory=list)
    cursor: str | None = None


class Index:
    """Stores facts and searches them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def store(self, connection: sqlite3.Connection, key: str, facts: Facts, moment: str | None) -> bool:
        """Replace what is known of a repository's main branch; tell whether the repository still exists.

        Args:
            connection: The caller's transaction.
            key: The repository.
            facts: What holds at its new head.
            moment: The time of the change; None leaves it as it was.
        """
        changed = connection.execute(
            "UPDATE repos SET sha = ?, pipeline_tag = ?, facts = ?, files = ?, modified_at = coalesce(?, modified_at)"
            " WHERE key = ?",
            (
                facts.sha,
                facts.pipeline_tag,
                json.dumps({"tags": facts.tags, **facts.described}),
                dump_files(facts.files),
                moment,
                key,
            ),
        )
        if changed.rowcount == 0:
            return False
        connection.execute("DELETE FROM repo_tags WHERE key = ?", (key,))
        connection.executemany("INSERT OR IGNORE INTO repo_tags VALUES (?, ?)", [(tag, key) for tag in facts.tags])
        return True

    def facts(self, key: str) -> Facts | None:
        """Return what is known of a repository's main branch."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT sha, facts, files FROM repos WHERE key = ?", (key,)).fetchone()
        return None if row is None or not row["sha"] else _facts(row)

    def heads(self) -> dict[str, tuple[RepoKind, str]]:
        """Return key -> (kind, commit that is described) of every repository."""
        with self._database.reading() as connection:
            return {
                row["key"]: (row["kind"], row["sha"]) for row in connection.execute("SELECT key, kind, sha FROM repos")
            }

    def search(self, search: Search, identity: Identity, *, with_files: bool) -> Page:
        """Return one page of the repositories that match and that the caller may know of.

        Raises:
            Refusal: 400, the sort key or cursor is unknown.
        """
        column = _SORT_COLUMNS.get(search.sort)
        if column is None:
            raise bad_request(f"Cannot sort by {search.sort!r}: use one of {', '.join(sorted(_SORT_COLUMNS))}.")
        where, values = _conditions(search, identity)
        if search.cursor is not None:
            where.append(f"({column}, serial) < (?, ?)")
            values += _read_cursor(search.cursor)
        files = "files" if with_files else "'[]' AS files"
        columns = f"{COLUMNS}, sha, facts, {column} AS sort_value, {files}"
        query = (
            f"SELECT {columns} FROM repos WHERE {' AND '.join(where)}"  # noqa: S608 - constants; values are bound
            f" ORDER BY {column} DESC, serial DESC LIMIT ?"
        )
        with self._database.reading() as connection:
            rows = connection.execute(query, [*values, search.limit + 1]).fetchall()
        cursor = None
        if len(rows) > search.limit:
            rows = rows[: search.limit]
            cursor = _write_cursor(rows[-1]["sort_value"], rows[-1]["serial"])
        return Page(rows=[(from_row(row), _facts(row)) for row in rows], cursor=cursor)


def _conditions(search: Search, identity: Identity) -> tuple[list[str], list[object]]:
    where, values = ["kind = ?", "sha != ''"], list[object]([search.kind])
    visible = [identity.user, *identity.orgs] if identity.user else []
    where.append(f"(private = 0 OR namespace IN ({', '.join('?' * len(visible))}))")
    values += visible
    for tag in search.tags:
        where.append("EXISTS (SELECT 1 FROM repo_tags WHERE repo_tags.key = repos.key AND tag = ?)")
        values.append(tag)
    if search.author is not None:
        where.append("namespace = ?")
        values.append(search.author)
    if search.text:
        where.append("instr(lower(namespace || '/' || name), ?) > 0")
        values.append(search.text.lower())
    if search.pipeline_tag is not None:
        where.append("pipeline_tag = ?")
        values.append(search.pipeline_tag)
    if search.gated is not None:
        where.append("gated IS NOT NULL" if search.gated else "gated IS NULL")
    return where, values


def _facts(row: sqlite3.Row) -> Facts:
    described = json.loads(row["facts"])
    tags = tuple(described.pop("tags", ()))
    return Facts(
        sha=row["sha"],
        files=load_files(row["files"]),
        tags=tags,
        pipeline_tag=described.get("pipeline_tag"),
        described=described,
    )


def _write_cursor(value: str | int, serial: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([value, serial]).encode()).decode()


def _read_cursor(cursor: str) -> list[str | int]:
    try:
        value, serial = json.loads(base64.urlsafe_b64decode(cursor))
    except (ValueError, TypeError, binascii.Error) as error:
        raise bad_request("The cursor is not one of this hub's.") from error
    if not isinstance(value, str | int) or not isinstance(serial, int):
        raise bad_request("The cursor is not one of this hub's.")
    return [value, serial]
