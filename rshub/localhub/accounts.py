"""Who may call: users, organisations, and the tokens that stand for them.

A token is stored as its SHA-256 only and shown once, when it is made. Tokens are long and random, so a plain digest is
enough; nothing here is a password.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rshub.localhub import clock
from rshub.localhub.database import Database
from rshub.localhub.errors import LocalHubError
from rshub.localhub.names import ORG_ROLES, TOKEN_ROLES, check_account_name

_TOKEN_LENGTH = 34
_TOKEN_ALPHABET = string.ascii_letters + string.digits
_ACCEPTABLE_TOKEN = re.compile(r"[!-~]{8,256}")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The caller of one request.

    Args:
        user: None for nobody.
        role: What the token allows: read, write or admin.
        orgs: Organisation -> role in it; keys in lower case.
        org_names: The organisations as they spell themselves.
    """

    user: str | None = None
    role: str = "read"
    orgs: Mapping[str, str] = field(default_factory=dict)
    org_names: tuple[str, ...] = ()
    created_at: str = ""

    @property
    def anonymous(self) -> bool:
        """Whether the request carried no token."""
        return self.user is None

    @property
    def may_write_somewhere(self) -> bool:
        """Whether the token allows changes at all."""
        return self.user is not None and self.role in {"write", "admin"}

    def owns(self, namespace: str) -> bool:
        """Whether the namespace is the caller's own."""
        return self.user is not None and self.user.lower() == namespace.lower()


ANONYMOUS = Identity()


def add_user(
    database: Database,
    name: str,
    *,
    role: str = "write",
    orgs: Iterable[tuple[str, str]] = (),
    token: str | None = None,
) -> str:
    """Create the user, or know it again, and store one more token for it; memberships named here are set.

    Returns:
        The token, which cannot be read again later.

    Raises:
        LocalHubError: A name, role or token is unusable, or the token belongs to someone else.
    """
    check_account_name(name)
    memberships = [(check_account_name(org), org_role) for org, org_role in orgs]
    _check_role(role, TOKEN_ROLES)
    for _, org_role in memberships:
        _check_role(org_role, ORG_ROLES)
    secret = _new_token() if token is None else token
    if _ACCEPTABLE_TOKEN.fullmatch(secret) is None:
        msg = "a token has 8 to 256 printable ASCII characters and no space"
        raise LocalHubError(msg)
    moment = clock.now()
    with database.writing() as connection:
        _ensure_account(connection, name, "user", moment)
        for org, org_role in memberships:
            _ensure_account(connection, org, "org", moment)
            connection.execute("INSERT OR REPLACE INTO memberships VALUES (?, ?, ?)", (org, name, org_role))
        row = connection.execute("SELECT user FROM tokens WHERE digest = ?", (_digest(secret),)).fetchone()
        if row is not None and row["user"].lower() != name.lower():
            msg = f"the token given for {name!r} belongs to another user"
            raise LocalHubError(msg)
        connection.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?)", (_digest(secret), name, role, moment))
    return secret


def identify(database: Database, token: str) -> Identity | None:
    """Return the owner of a token, or None when no such token was issued."""
    with database.reading() as connection:
        row = connection.execute(
            "SELECT accounts.name, tokens.role, tokens.created_at"
            " FROM tokens JOIN accounts ON accounts.name = tokens.user WHERE digest = ?",
            (_digest(token),),
        ).fetchone()
        if row is None:
            return None
        memberships = connection.execute(
            "SELECT accounts.name, memberships.role FROM memberships JOIN accounts ON accounts.name = memberships.org"
            " WHERE user = ? ORDER BY accounts.name",
            (row["name"],),
        ).fetchall()
    return Identity(
        user=row["name"],
        role=row["role"],
        orgs={member["name"].lower(): member["role"] for member in memberships},
        org_names=tuple(member["name"] for member in memberships),
        created_at=row["created_at"],
    )


def account(database: Database, name: str) -> tuple[str, str] | None:
    """Return (name as registered, "user" or "org"), or None."""
    with database.reading() as connection:
        row = connection.execute("SELECT name, kind FROM accounts WHERE name = ?", (name,)).fetchone()
    return None if row is None else (row["name"], row["kind"])


def _ensure_account(connection: sqlite3.Connection, name: str, kind: str, moment: str) -> None:
    row = connection.execute("SELECT name, kind FROM accounts WHERE name = ?", (name,)).fetchone()
    if row is None:
        connection.execute("INSERT INTO accounts VALUES (?, ?, ?)", (name, kind, moment))
    elif row["kind"] != kind:
        taken = "an organisation" if row["kind"] == "org" else "a user"
        msg = f"{name!r} is already the name of {taken}"
        raise LocalHubError(msg)


def _check_role(role: str, allowed: tuple[str, ...]) -> None:
    if role not in allowed:
        msg = f"{role!r} is not a role: use one of {', '.join(allowed)}"
        raise LocalHubError(msg)


def _new_token() -> str:
    return "hf_" + "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(_TOKEN_LENGTH))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
