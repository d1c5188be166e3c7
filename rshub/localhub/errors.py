"""What can go wrong, seen from the two sides of the hub.

    LocalHubError     the program that starts or seeds a hub asked for something impossible
    Refusal           a client asked for something over HTTP and gets an answer other than what it asked for

A Refusal carries the two headers that clients read (`X-Error-Code`, `X-Error-Message`); this module knows the codes,
and nothing about routes or frameworks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class LocalHubError(Exception):
    """The hub cannot be started or changed as asked: a bad name, a port in use, a root that is taken or unwritable."""


class Refusal(Exception):
    """An HTTP answer of 4xx or 5xx, raised from any depth and rendered once by the application.

    Args:
        status: HTTP status.
        message: One sentence for the person at the other end; sent as `X-Error-Message` and in the body.
        code: Value of `X-Error-Code`, where clients decide by it.
        headers: Further response headers.
        extra: Further fields of the JSON body.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


def bad_request(message: str) -> Refusal:
    """The request is malformed: 400."""
    return Refusal(400, message)


def repo_not_found(*, anonymous: bool) -> Refusal:
    """The repository does not exist or may not be known to this caller: the two must look the same."""
    if anonymous:
        return Refusal(401, "Repository not found, or it is private: pass a token.", code="RepoNotFound")
    return Refusal(404, "Repository not found", code="RepoNotFound")


def revision_not_found(revision: str) -> Refusal:
    """No branch, tag, pull request or commit answers to this name: 404."""
    return Refusal(404, f"Invalid rev id: {revision}", code="RevisionNotFound")


def entry_not_found(path: str, commit: str) -> Refusal:
    """The revision exists and has no such path; the commit is told so that the absence can be cached: 404."""
    return Refusal(404, f"Entry not found: {path}", code="EntryNotFound", headers={"X-Repo-Commit": commit})


def stale_parent() -> Refusal:
    """The branch moved between the caller's reading and writing: 412."""
    return Refusal(412, "The branch was updated since you opened this page. Please refresh and try again.")


def not_offered(what: str) -> Refusal:
    """The real Hub has this, the embedded hub does not: 501, which clients do not retry."""
    return Refusal(501, f"The embedded hub does not offer {what}.")
