"""Creating, deleting, renaming and setting up repositories."""

from __future__ import annotations

import sqlite3

from starlette.responses import Response

from rshub.localhub import access, accounts
from rshub.localhub.errors import Refusal, bad_request, repo_not_found
from rshub.localhub.exchange import API_REPO, Call, json_response, route
from rshub.localhub.names import check_kind, check_repo_name, split_repo_id
from rshub.localhub.repos import HubRepo

_SDKS = ("docker", "gradio", "static", "streamlit")


def create(call: Call) -> Response:
    """A new repository with its first commit; 409 names the one that is already there."""
    user = access.require_token(call.identity)
    body = call.json()
    kind, name = check_kind(body.get("type")), check_repo_name(body.get("name"))
    namespace = check_repo_name(body.get("organization") or user)
    access.require_namespace(call.identity, namespace)
    known = accounts.account(call.hub.database, namespace)
    namespace = known[0] if known else namespace
    sdk = body.get("sdk")
    if sdk is not None and sdk not in _SDKS:
        raise bad_request(f"`sdk` must be one of {', '.join(_SDKS)}.")
    existing = call.hub.registry.find(kind, namespace, name)
    if existing is not None and existing.id.lower() == f"{namespace}/{name}".lower():
        raise _exists(call, existing)
    try:
        repo = call.hub.create(kind, namespace, name, author=user, private=_private(body, default=False), sdk=sdk)
    except sqlite3.IntegrityError:
        winner = call.hub.registry.find(kind, namespace, name)
        raise _exists(call, winner) if winner else repo_not_found(anonymous=False) from None
    return json_response({"url": call.base_url + repo.web_path, "name": repo.id, "id": repo.key[:24]})


def delete(call: Call) -> Response:
    """Remove a repository for good."""
    user = access.require_token(call.identity)
    body = call.json()
    namespace, name = split_repo_id(f"{body.get('organization') or user}/{body.get('name')}")
    repo = access.require_read(call.identity, call.hub.registry.find(check_kind(body.get("type")), namespace, name))
    access.require_write(call.identity, repo)
    call.hub.delete(repo)
    return Response("OK", media_type="text/plain")


def move(call: Call) -> Response:
    """Rename a repository, perhaps into another namespace; the former name keeps working."""
    body = call.json()
    kind = check_kind(body.get("type"))
    old_namespace, old_name = split_repo_id(body.get("fromRepo"))
    namespace, name = split_repo_id(body.get("toRepo"))
    repo = access.require_read(call.identity, call.hub.registry.find(kind, old_namespace, old_name))
    access.require_write(call.identity, repo)
    access.require_namespace(call.identity, namespace)
    known = accounts.account(call.hub.database, namespace)
    call.hub.registry.move(repo, known[0] if known else namespace, name)
    return Response("OK", media_type="text/plain")


def settings(call: Call) -> Response:
    """Change visibility and gating."""
    repo = call.writable_repo()
    body = call.json()
    gated = body.get("gated", repo.gated or False)
    if gated not in {False, "auto", "manual"}:
        raise bad_request('`gated` must be "auto", "manual" or false.')
    private = _private(body, default=repo.private)
    call.hub.registry.update(repo, private=private, gated=gated or None)
    return json_response({"private": private, "gated": gated})


def auth_check(call: Call) -> Response:
    """Whether the caller may read the files."""
    access.require_files(call.identity, call.repo())
    return json_response({})


def auth_check_write(call: Call) -> Response:
    """Whether the caller may write."""
    call.writable_repo()
    return json_response({})


def _private(body: dict[str, object], *, default: bool) -> bool:
    private, visibility = body.get("private"), body.get("visibility")
    if isinstance(private, bool):
        return private
    if visibility is None and private is None:
        return default
    if visibility not in {"public", "private"}:
        raise bad_request('`visibility` must be "public" or "private".')
    return visibility == "private"


def _exists(call: Call, repo: HubRepo) -> Refusal:
    return Refusal(
        409,
        f"You already created this {repo.kind} repo: {repo.id}",
        extra={"url": call.base_url + repo.web_path},
    )


ROUTES = [
    route("/api/repos/create", create, "POST"),
    route("/api/repos/delete", delete, "DELETE"),
    route("/api/repos/move", move, "POST"),
    route(API_REPO + "/settings", settings, "PUT"),
    route(API_REPO + "/auth-check", auth_check, "GET"),
    route(API_REPO + "/auth-check/write", auth_check_write, "GET"),
]
