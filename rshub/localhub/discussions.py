"""Discussions and pull requests as records: titles, states and what happened to them. No git here; see `pulls.py`."""

from __future__ import annotations

import html
import json
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Any, Literal

from rshub.localhub import clock
from rshub.localhub.database import Database
from rshub.localhub.errors import Refusal, bad_request

Status = Literal["draft", "open", "closed", "merged"]

PAGE = 50
LONGEST_TITLE = 1_000  # characters
LONGEST_TEXT = 64 * 1024  # characters
_HIDDEN = "This comment has been hidden"


@dataclass(frozen=True, kw_only=True)
class Discussion:
    """One discussion; a pull request also has a target branch, the commit it began at and, once merged, the merge."""

    num: int
    title: str
    author: str
    created_at: str
    status: Status
    target: str | None
    base: str | None
    merge_commit: str | None

    @property
    def is_pull_request(self) -> bool:
        """Whether it proposes a change."""
        return self.target is not None


class Discussions:
    """Reads and writes the records; numbers run per repository and are shared with pull requests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(
        self,
        connection: sqlite3.Connection,
        key: str,
        *,
        title: str,
        description: str,
        author: str,
        status: Status,
        target: str | None = None,
        base: str | None = None,
    ) -> int:
        """Record a new discussion, a pull request when it has a target, and return its number."""
        num: int = connection.execute(
            "SELECT coalesce(max(num), 0) + 1 FROM discussions WHERE key = ?", (key,)
        ).fetchone()[0]
        connection.execute(
            "INSERT INTO discussions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (key, num, checked_title(title), author, clock.now(), status, target is not None, target, base),
        )
        self.record(connection, key, num, kind="comment", author=author, data=comment_data(description, author))
        return num

    def find(self, key: str, num: int) -> Discussion:
        """Return a discussion.

        Raises:
            Refusal: 404.
        """
        with self._database.reading() as connection:
            row = connection.execute("SELECT * FROM discussions WHERE key = ? AND num = ?", (key, num)).fetchone()
        if row is None:
            raise Refusal(404, f"Discussion {num} not found.")
        return _discussion(row)

    def listed(
        self, key: str, *, author: str | None, pull_requests: bool | None, still_open: bool | None, page: int
    ) -> tuple[list[Discussion], int]:
        """Return one page, newest first, and how many there are in all."""
        where, values = ["key = ?"], list[object]([key])
        if author is not None:
            where.append("author = ? COLLATE NOCASE")
            values.append(author)
        if pull_requests is not None:
            where.append("is_pull_request = ?")
            values.append(pull_requests)
        if still_open is not None:
            where.append(f"status {'IN' if still_open else 'NOT IN'} ('open', 'draft')")
        condition = " AND ".join(where)
        with self._database.reading() as connection:
            count: int = connection.execute(
                f"SELECT count(*) FROM discussions WHERE {condition}",  # noqa: S608 - constants; values are bound
                values,
            ).fetchone()[0]
            rows = connection.execute(
                f"SELECT * FROM discussions WHERE {condition} ORDER BY num DESC LIMIT ? OFFSET ?",  # noqa: S608
                [*values, PAGE, page * PAGE],
            ).fetchall()
        return [_discussion(row) for row in rows], count

    def record(
        self, connection: sqlite3.Connection, key: str, num: int, *, kind: str, author: str, data: dict[str, Any]
    ) -> dict[str, Any]:
        """Add an event and return it as clients read it."""
        event_id, moment = secrets.token_hex(12), clock.now()
        connection.execute(
            "INSERT INTO events (id, key, num, kind, author, created_at, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (event_id, key, num, kind, author, moment, json.dumps(data)),
        )
        return _event(event_id, kind, author, moment, data)

    def events(self, key: str, num: int) -> list[dict[str, Any]]:
        """Return what happened, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM events WHERE key = ? AND num = ? ORDER BY serial", (key, num)
            ).fetchall()
        return [
            _event(row["id"], row["kind"], row["author"], row["created_at"], json.loads(row["data"])) for row in rows
        ]

    def comment(self, key: str, num: int, author: str, text: str) -> dict[str, Any]:
        """Add a comment."""
        with self._database.writing() as connection:
            return self.record(connection, key, num, kind="comment", author=author, data=comment_data(text, author))

    def set_title(self, key: str, discussion: Discussion, author: str, title: str) -> dict[str, Any]:
        """Rename, and record it."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE discussions SET title = ? WHERE key = ? AND num = ?",
                (checked_title(title), key, discussion.num),
            )
            return self.record(
                connection,
                key,
                discussion.num,
                kind="title-change",
                author=author,
                data={"from": discussion.title, "to": title},
            )

    def set_status(
        self,
        connection: sqlite3.Connection,
        key: str,
        num: int,
        *,
        author: str,
        status: Status,
        merge_commit: str | None = None,
    ) -> dict[str, Any]:
        """Change the state in the caller's transaction, and record it."""
        connection.execute(
            "UPDATE discussions SET status = ?, merge_commit = ? WHERE key = ? AND num = ?",
            (status, merge_commit, key, num),
        )
        return self.record(connection, key, num, kind="status-change", author=author, data={"status": status})

    def change_comment(
        self, key: str, num: int, event_id: str, editor: str, *, text: str | None, may_hide: bool
    ) -> dict[str, Any]:
        """Edit a comment, or hide it when there is no text.

        Raises:
            Refusal: 404, there is no such comment; 403, it is somebody else's.
        """
        with self._database.writing() as connection:
            row = connection.execute(
                "SELECT * FROM events WHERE key = ? AND num = ? AND id = ? AND kind = 'comment'", (key, num, event_id)
            ).fetchone()
            if row is None:
                raise Refusal(404, "Comment not found.")
            own = row["author"].lower() == editor.lower()
            if not own and (text is not None or not may_hide):
                raise Refusal(403, "Only its author can change a comment.")
            data = {**json.loads(row["data"]), **comment_data(_HIDDEN if text is None else text, editor)}
            data["hidden" if text is None else "edited"] = True
            connection.execute("UPDATE events SET data = ? WHERE id = ?", (json.dumps(data), event_id))
        return _event(event_id, "comment", row["author"], row["created_at"], data)


def comment_data(text: str, author: str) -> dict[str, Any]:
    """Return the data of a comment event.

    Raises:
        Refusal: 400, the text is too long.
    """
    if len(text) > LONGEST_TEXT:
        raise bad_request(f"A comment has at most {LONGEST_TEXT} characters.")
    latest = {
        "raw": text,
        "html": f"<p>{html.escape(text)}</p>",
        "updatedAt": clock.now(),
        "author": {"name": author},
    }
    return {"edited": False, "hidden": False, "latest": latest}


def checked_title(title: str) -> str:
    """Return a title that is neither empty nor too long.

    Raises:
        Refusal: 400.
    """
    if not title.strip() or len(title) > LONGEST_TITLE:
        raise bad_request(f"A title has 1 to {LONGEST_TITLE} characters.")
    return title


def _discussion(row: sqlite3.Row) -> Discussion:
    return Discussion(
        num=row["num"],
        title=row["title"],
        author=row["author"],
        created_at=row["created_at"],
        status=row["status"],
        target=row["target"],
        base=row["base"],
        merge_commit=row["merge_commit"],
    )


def _event(event_id: str, kind: str, author: str, moment: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"id": event_id, "type": kind, "author": {"name": author}, "createdAt": moment, "data": data}
