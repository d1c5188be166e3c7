"""Pull requests: a discussion record and the ref `refs/pr/N` that belongs to it.

They live in the repository that they want to change, so who cannot write to it can still propose. A merge puts one
commit on the branch that was meant, which stays linear.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable

from rshub.localhub import access, commits, merging
from rshub.localhub.accounts import Identity
from rshub.localhub.discussions import Discussion, Status, comment_data
from rshub.localhub.errors import bad_request, revision_not_found
from rshub.localhub.hub import Hub
from rshub.localhub.repos import HubRepo
from rshub.localhub.store import MAIN

# The full name only: `pr/1` may also be a branch, which the author of a pull request must not write to.
_REF = re.compile(r"refs/pr/([1-9][0-9]{0,8})")


def pull_ref(num: int) -> str:
    """Return the ref of a pull request."""
    return f"refs/pr/{num}"


def number_of(revision: str) -> int | None:
    """Return the number of the pull request that a revision names, or None."""
    match = _REF.fullmatch(revision)
    return None if match is None else int(match[1])


def require_push(hub: Hub, identity: Identity, repo: HubRepo, revision: str) -> str:
    """Return the user's name if the caller may commit to a revision: a writer, or the author of that pull request.

    Raises:
        Refusal: 401, 403 or 404.
    """
    num = number_of(revision)
    if num is not None:
        user = access.require_token(identity)
        if hub.discussions.find(repo.key, num).author.lower() == user.lower():
            return user
    return access.require_write(identity, repo)


def open_empty(hub: Hub, repo: HubRepo, *, author: str, title: str, description: str) -> int:
    """Open a draft pull request that changes nothing yet, and return its number."""
    with hub.changing(repo) as store:
        head, _ = store.resolve("main")
        return _open(
            hub,
            repo,
            head,
            head,
            target=MAIN,
            author=author,
            title=title,
            description=description,
            status="draft",
        )


def propose(
    hub: Hub, repo: HubRepo, identity: Identity, revision: str, chunks: Iterable[bytes], *, author: str
) -> tuple[str, int]:
    """Open a pull request with a first commit; return (commit, number).

    Raises:
        Refusal: 404, the revision is not a branch; and whatever the operations deserve.
    """
    with hub.git(repo) as store:
        request = hub.read_commit(repo, identity, chunks, store)
    with hub.changing(repo) as store:
        head, ref = store.resolve(revision)
        if ref is None or not ref.startswith("refs/heads/"):
            raise revision_not_found(f"{revision} (a pull request is opened against a branch)")
        base = store.resolve(request.parent)[0] if request.parent else head
        commit = commits.write(store, request, base, author=author)
        num = _open(
            hub,
            repo,
            base,
            commit,
            target=ref,
            author=author,
            title=request.summary,
            description=request.description,
            status="open",
        )
        _record_commit(hub, repo, num, author=author, commit=commit, summary=request.summary)
    return commit, num


def record_push(hub: Hub, repo: HubRepo, revision: str, *, author: str, commit: str, summary: str) -> None:
    """Note a commit that landed on a pull request."""
    num = number_of(revision)
    if num is not None:
        _record_commit(hub, repo, num, author=author, commit=commit, summary=summary)


def merge(hub: Hub, repo: HubRepo, num: int, *, author: str, comment: str | None) -> str:
    """Merge an open pull request into its branch as one commit, and return the commit.

    Raises:
        Refusal: 400, it is not an open pull request; 409, files conflict.
    """
    with hub.changing(repo) as store:
        discussion = hub.discussions.find(repo.key, num)
        target = _require_mergeable(discussion)
        theirs, _ = store.resolve(pull_ref(num))
        ours, _ = store.resolve(target)
        tree = merging.merged_tree(store, ours, theirs)
        commit = store.write_commit(tree, [ours], f"{discussion.title} (#{num})", author=author)

        def record(connection: sqlite3.Connection) -> None:
            hub.discussions.set_status(connection, repo.key, num, author=author, status="merged", merge_commit=commit)
            if comment:
                _record_comment(hub, connection, repo, num, author=author, text=comment)

        hub.advance(repo, store, target, ours, commit, alongside=record)
    return commit


def set_status(
    hub: Hub, repo: HubRepo, num: int, *, author: str, status: str, comment: str | None
) -> dict[str, object]:
    """Open (which publishes a draft) or close a discussion.

    Raises:
        Refusal: 400, it is merged, or there is no such status.
    """
    if status not in {"open", "closed"}:
        raise bad_request('`status` must be "open" or "closed".')
    wanted: Status = "open" if status == "open" else "closed"
    with hub.changing(repo):
        if hub.discussions.find(repo.key, num).status == "merged":
            raise bad_request("A merged pull request stays merged.")
        with hub.database.writing() as connection:
            event = hub.discussions.set_status(connection, repo.key, num, author=author, status=wanted)
            if comment:
                _record_comment(hub, connection, repo, num, author=author, text=comment)
    return event


def _open(
    hub: Hub,
    repo: HubRepo,
    base: str,
    head: str,
    *,
    target: str,
    author: str,
    title: str,
    description: str,
    status: Status,
) -> int:
    with hub.database.writing() as connection, hub.git(repo) as store:
        num = hub.discussions.open(
            connection,
            repo.key,
            title=title,
            description=description,
            author=author,
            status=status,
            target=target,
            base=base,
        )
        # The number was never given out before, so a ref that is already there was left by a killed process.
        store.put_ref(pull_ref(num), head)
    return num


def _record_commit(hub: Hub, repo: HubRepo, num: int, *, author: str, commit: str, summary: str) -> None:
    with hub.database.writing() as connection:
        data = {"subject": summary, "oid": commit}
        hub.discussions.record(connection, repo.key, num, kind="commit", author=author, data=data)


def _record_comment(
    hub: Hub, connection: sqlite3.Connection, repo: HubRepo, num: int, *, author: str, text: str
) -> None:
    data = comment_data(text, author)
    hub.discussions.record(connection, repo.key, num, kind="comment", author=author, data=data)


def _require_mergeable(discussion: Discussion) -> str:
    if discussion.target is None:
        raise bad_request("This is a discussion, not a pull request.")
    if discussion.status == "draft":
        raise bad_request("This pull request is a draft: publish it first by setting its status to open.")
    if discussion.status != "open":
        raise bad_request(f"This pull request is {discussion.status}.")
    return discussion.target
