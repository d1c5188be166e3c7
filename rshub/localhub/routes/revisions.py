"""Branches and tags, made and removed."""

from __future__ import annotations

from starlette.responses import Response

from rshub.localhub.errors import Refusal, bad_request, revision_not_found
from rshub.localhub.exchange import API_REPO, Call, json_response, route
from rshub.localhub.store import MAIN

_LONGEST_NAME = 200


def create_branch(call: Call) -> Response:
    """A branch at a revision, the main branch by default."""
    repo, name = call.writable_repo(), call.param("branch")
    ref = _branch_ref(name)
    start = call.json().get("startingPoint") or "main"
    if not isinstance(start, str):
        raise bad_request("`startingPoint` must be a string.")
    with call.hub.changing(repo) as store:
        sha, _ = store.resolve(start)
        _require_free(store.ref_target(ref), ref)
        store.move_ref(ref, None, sha)
    return json_response({})


def delete_branch(call: Call) -> Response:
    """Remove a branch; the main one stays."""
    repo, name = call.writable_repo(), call.param("branch")
    ref = _branch_ref(name)
    if ref == MAIN:
        raise Refusal(403, f"Cannot delete {MAIN}")
    with call.hub.changing(repo) as store:
        if store.ref_target(ref) is None:
            raise revision_not_found(name)
        store.drop_ref(ref)
    return json_response({})


def create_tag(call: Call) -> Response:
    """A tag at a revision; with a message it is an annotated one."""
    repo, body = call.writable_repo(), call.json()
    name, message = body.get("tag"), body.get("message") or ""
    if not isinstance(name, str) or not name or not isinstance(message, str):
        raise bad_request("Expected `tag`, and perhaps `message`, as strings.")
    ref = f"refs/tags/{name}"
    with call.hub.changing(repo) as store:
        sha, _ = store.resolve(call.param("revision"))
        _require_free(store.ref_target(ref), ref)
        target = store.write_tag(name, sha, message, author=call.identity.user or "") if message else sha
        store.move_ref(ref, None, target)
    return json_response({})


def delete_tag(call: Call) -> Response:
    """Remove a tag; its commit stays."""
    repo, name = call.writable_repo(), call.param("tag")
    ref = f"refs/tags/{name}"
    with call.hub.changing(repo) as store:
        if store.ref_target(ref) is None:
            raise revision_not_found(name)
        store.drop_ref(ref)
    return json_response({})


def _branch_ref(name: str) -> str:
    if name.startswith("refs/") or not name:
        raise bad_request("Invalid branch name: refs/* are reserved.")
    return f"refs/heads/{name}"


def _require_free(existing: str | None, ref: str) -> None:
    if len(ref) > _LONGEST_NAME:
        raise bad_request(f"A reference name has at most {_LONGEST_NAME} characters.")
    if existing is not None:
        raise Refusal(409, f"Reference {ref} already exists")


ROUTES = [
    route(API_REPO + "/branch/{branch}", create_branch, "POST"),
    route(API_REPO + "/branch/{branch}", delete_branch, "DELETE"),
    route(API_REPO + "/tag/{revision}", create_tag, "POST"),
    route(API_REPO + "/tag/{tag}", delete_tag, "DELETE"),
]
