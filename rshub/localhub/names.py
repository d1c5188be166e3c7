"""The names that cross the wire: repositories, accounts, paths in a repository. Pure; opens nothing.

Every name is checked here before it reaches the database or git. Names never become paths on this machine: repositories
lie on disk under random keys and objects under their digest.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from rshub.localhub.errors import LocalHubError, Refusal, bad_request

RepoKind = Literal["model", "dataset", "space"]
Role = Literal["read", "contributor", "write", "admin"]

KINDS: tuple[RepoKind, ...] = ("model", "dataset", "space")
TOKEN_ROLES: tuple[Role, ...] = ("read", "write", "admin")
ORG_ROLES: tuple[Role, ...] = ("read", "contributor", "write", "admin")
LONGEST_PATH = 1024  # bytes
DEEPEST_PATH = 64  # segments
OID = re.compile(r"[0-9a-f]{64}")

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
# First segments that the hub's own routes begin with.
_RESERVED = frozenset({"api", "models", "datasets", "spaces", "collections", "settings", "lfs", "cas", "v1", "new"})
# Code points that HFS+ ignores when it compares names; git refuses `.git` spelled with them, and so do we.
_IGNORED_BY_HFS = dict.fromkeys([*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])
_GIT_DIRECTORY = re.compile(r"(?:\.git|git~\d+)[. ]*(?::.*)?", re.IGNORECASE)
_GIT_FILE = re.compile(r"(?:\.gitmodules|gitmod~\d+)[. ]*(?::.*)?", re.IGNORECASE)


def is_name(name: str) -> bool:
    """Whether the text can name an account or the second half of a repo id."""
    return (
        _NAME.fullmatch(name) is not None
        and "--" not in name
        and ".." not in name
        and not name.lower().endswith((".git", ".ipynb"))
    )


def check_account_name(name: str) -> str:
    """Return the name of a user or an organisation.

    Raises:
        LocalHubError: It is malformed, or the hub's own routes begin with it.
    """
    if not is_name(name) or name.lower() in _RESERVED:
        msg = (
            f"{name!r} is not a usable account name: 1-96 of A-Z a-z 0-9 . _ -, beginning and ending with A-Z a-z 0-9 _"
        )
        raise LocalHubError(msg)
    return name


def check_repo_name(name: object) -> str:
    """Return the second half of a repo id.

    Raises:
        Refusal: 400, it is malformed.
    """
    if not isinstance(name, str) or not is_name(name):
        text = repr(name)[:120]
        raise bad_request(f"Invalid repo name {text}: use 1-96 of A-Z a-z 0-9 . _ -, without '--' or '..'.")
    return name


def split_repo_id(repo_id: object) -> tuple[str, str]:
    """Return (namespace, name) of `namespace/name`.

    Raises:
        Refusal: 400, there are not exactly two well-formed halves.
    """
    if not isinstance(repo_id, str) or repo_id.count("/") != 1:
        raise bad_request(f"Invalid repo id {repr(repo_id)[:200]}: expected namespace/name.")
    namespace, name = repo_id.split("/")
    return check_repo_name(namespace), check_repo_name(name)


def check_kind(kind: object) -> RepoKind:
    """Return a repository kind; None means a model.

    Raises:
        Refusal: 400, there is no such kind.
    """
    if kind is None:
        return "model"
    for known in KINDS:
        if kind == known:
            return known
    raise bad_request(f"Invalid repo type {repr(kind)[:80]}: this hub holds models, datasets and spaces.")


def check_path(path: object) -> str:
    """Return a path inside a repository, fit for any file system that may check it out.

    Raises:
        Refusal: 400, or 422 for a back-slash, which clients expect.
    """
    if not isinstance(path, str) or not path:
        raise bad_request("Invalid path: expected a non-empty string.")
    shown = repr(path)[:200]
    if "\\" in path:
        raise Refusal(422, f"Invalid path {shown}: back-slashes are not allowed.")
    if len(path.encode()) > LONGEST_PATH:
        raise bad_request(f"Invalid path {shown}: longer than {LONGEST_PATH} bytes.")
    if any(unicodedata.category(character) == "Cc" for character in path):
        raise bad_request(f"Invalid path {shown}: it holds a control character.")
    segments = path.split("/")
    if len(segments) > DEEPEST_PATH:
        raise bad_request(f"Invalid path {shown}: more than {DEEPEST_PATH} segments.")
    for segment in segments:
        if segment in {"", ".", ".."}:
            raise bad_request(f"Invalid path {shown}: empty, '.' and '..' segments are not allowed.")
        plain = segment.translate(_IGNORED_BY_HFS)
        if _GIT_DIRECTORY.fullmatch(plain) or _GIT_FILE.fullmatch(plain):
            raise bad_request(f"Invalid path {shown}: {segment!r} belongs to git.")
    return path
