"""Discussions and pull requests over HTTP."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rshub.localhub import access, merging, pulls
from rshub.localhub.discussions import PAGE, Discussion
from rshub.localhub.errors import Refusal, bad_request
from rshub.localhub.exchange import API_REPO, Call, json_response, route
from rshub.localhub.repos import HubRepo
from rshub.localhub.store import MAIN

_TYPES = {"discussion": False, "pull_request": True}
_STATES = {"open": True, "closed": False}


def listing(call: Call) -> Response:
    """One page of a repository's discussions, newest first."""
    repo = call.repo()
    page = call.number("p", 0, largest=10**6)
    found, count = call.hub.discussions.listed(
        repo.key,
        author=call.value("author"),
        pull_requests=_choice(call, "type", _TYPES),
        still_open=_choice(call, "status", _STATES),
        page=page,
    )
    return json_response(
        {
            "discussions": [_summary(repo, discussion) for discussion in found],
            "count": count,
            "start": page * PAGE,
        }
    )


def details(call: Call) -> Response:
    """One discussion with its events; a pull request with its changes."""
    repo, discussion = _discussion(call)
    shown = {**_summary(repo, discussion), "events": call.hub.discussions.events(repo.key, discussion.num)}
    if discussion.is_pull_request:
        shown["changes"] = {"base": discussion.target}
        if discussion.merge_commit is not None:
            shown["changes"]["mergeCommitId"] = discussion.merge_commit
        with call.hub.git(repo) as store:
            theirs, _ = store.resolve(pulls.pull_ref(discussion.num))
            # The branch may be gone by now; what the proposal began at stays.
            ours = store.ref_target(discussion.target or MAIN) or discussion.base or theirs
            mergeable = discussion.status in {"open", "draft"}
            shown["filesWithConflicts"] = merging.conflicts(store, ours, theirs) if mergeable else []
            if call.flag("diff"):
                access.require_files(call.identity, repo)
                shown["diff"] = merging.diff_text(store, discussion.base or ours, theirs)
    return json_response(shown)


def create(call: Call) -> Response:
    """Open a discussion, or a draft pull request to commit to."""
    repo = call.repo()
    user = access.require_token(call.identity)
    body = call.json()
    title, description = _text(body, "title"), _text(body, "description", default="")
    if body.get("pullRequest"):
        num = pulls.open_empty(call.hub, repo, author=user, title=title, description=description)
    else:
        with call.hub.database.writing() as connection:
            num = call.hub.discussions.open(
                connection, repo.key, title=title, description=description, author=user, status="open"
            )
    address = f"{call.base_url}{repo.web_path}/discussions/{num}"
    return json_response({"num": num, "url": address, "pullRequest": bool(body.get("pullRequest"))})


def comment(call: Call) -> Response:
    """Say something; everybody who can read the repository may."""
    repo, discussion = _discussion(call)
    user = access.require_token(call.identity)
    event = call.hub.discussions.comment(repo.key, discussion.num, user, _text(call.json(), "comment"))
    return json_response({"newMessage": event})


def title(call: Call) -> Response:
    """Rename it."""
    repo, discussion = _discussion(call)
    user = _require_steward(call, repo, discussion)
    event = call.hub.discussions.set_title(repo.key, discussion, user, _text(call.json(), "title"))
    return json_response({"newTitle": event})


def status(call: Call) -> Response:
    """Close it, or open it, which also publishes a draft."""
    repo, discussion = _discussion(call)
    user = _require_steward(call, repo, discussion)
    body = call.json()
    event = pulls.set_status(
        call.hub,
        repo,
        discussion.num,
        author=user,
        status=_text(body, "status"),
        comment=_text(body, "comment", default=""),
    )
    return json_response({"newStatus": event})


def merge(call: Call) -> Response:
    """Merge a pull request; only who can write to the repository may."""
    repo, discussion = _discussion(call)
    user = access.require_write(call.identity, repo)
    text = _text(call.json(), "comment", default="")
    commit = pulls.merge(call.hub, repo, discussion.num, author=user, comment=text)
    return json_response({"success": True, "mergeCommitId": commit})


def change_comment(call: Call) -> Response:
    """Edit one's own comment, or hide one."""
    repo, discussion = _discussion(call)
    user = access.require_token(call.identity)
    edit = call.param("change") == "edit"
    if not edit and call.param("change") != "hide":
        raise Refusal(404, "A comment can be edited or hidden.")
    event = call.hub.discussions.change_comment(
        repo.key,
        discussion.num,
        call.param("event"),
        user,
        text=_text(call.json(), "content") if edit else None,
        may_hide=access.can_write_namespace(call.identity, repo.namespace),
    )
    return json_response({"updatedComment": event})


def _discussion(call: Call) -> tuple[HubRepo, Discussion]:
    repo, num = call.repo(), call.param("num")
    if not num.isascii() or not num.isdecimal() or len(num) > 9:
        raise Refusal(404, "A discussion has a number.")
    return repo, call.hub.discussions.find(repo.key, int(num))


def _require_steward(call: Call, repo: HubRepo, discussion: Discussion) -> str:
    user = access.require_token(call.identity)
    if discussion.author.lower() == user.lower():
        return user
    return access.require_write(call.identity, repo)


def _summary(repo: HubRepo, discussion: Discussion) -> dict[str, Any]:
    return {
        "num": discussion.num,
        "title": discussion.title,
        "status": discussion.status,
        "author": {"name": discussion.author},
        "createdAt": discussion.created_at,
        "isPullRequest": discussion.is_pull_request,
        "repo": {"name": repo.id, "type": repo.kind},
    }


def _text(body: dict[str, Any], name: str, *, default: str | None = None) -> str:
    value = body.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise bad_request(f"`{name}` must be a string.")
    return value


def _choice(call: Call, name: str, choices: dict[str, bool]) -> bool | None:
    value = call.value(name)
    if value is None or value == "all":
        return None
    if value not in choices:
        raise bad_request(f"Query parameter {name} must be one of {', '.join(choices)}.")
    return choices[value]


_ONE = API_REPO + "/discussions/{num}"

ROUTES = [
    route(API_REPO + "/discussions", listing, "GET"),
    route(API_REPO + "/discussions", create, "POST"),
    route(_ONE, details, "GET"),
    route(_ONE + "/comment", comment, "POST"),
    route(_ONE + "/title", title, "POST"),
    route(_ONE + "/status", status, "POST"),
    route(_ONE + "/merge", merge, "POST"),
    route(_ONE + "/comment/{event}/{change}", change_comment, "POST"),
]
