"""The past of a repository: refs and commits."""

from __future__ import annotations

from itertools import islice
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from rshub.localhub import clock
from rshub.localhub.exchange import API_REPO, Call, json_response, route
from rshub.localhub.history import commits_before

_PAGE = 50
_LARGEST_PAGE = 1000


def refs(call: Call) -> Response:
    """Branches, tags and, if asked for, pull requests."""
    repo = call.repo()
    areas: dict[str, list[dict[str, str]]] = {"heads": [], "convert": [], "tags": [], "pr": []}
    with call.hub.git(repo) as store:
        for ref, sha in store.refs().items():
            _, area, name = ref.split("/", 2)
            if area in areas:
                areas[area].append({"name": name, "ref": ref, "targetCommit": sha})
    shown: dict[str, Any] = {"branches": areas["heads"], "converts": areas["convert"], "tags": areas["tags"]}
    if call.flag("include_prs"):
        shown["pullRequests"] = areas["pr"]
    return json_response(shown)


def commits(call: Call) -> Response:
    """One page of the history, newest first; the next pages stay on the commit that the first one began at."""
    repo = call.repo()
    size = max(1, call.number("limit", _PAGE, largest=_LARGEST_PAGE))
    start = call.number("p", 0, largest=10**6) * size
    formatted = "formatted" in call.values("expand")
    with call.hub.git(repo) as store:
        sha, _ = store.resolve(call.param("revision"))
        found = list(islice(commits_before(store, sha), start, start + size + 1))
    body = []
    for commit in found[:size]:
        row: dict[str, Any] = {
            "id": commit.id,
            "title": commit.title,
            "message": commit.body,
            "authors": [{"user": commit.author, "avatar": ""}],
            "date": clock.from_epoch(commit.time),
        }
        if formatted:
            row["formatted"] = {"title": commit.title, "message": commit.body}
        body.append(row)
    headers = {}
    if len(found) > size:
        query = [("p", str(start // size + 1)), ("limit", str(size))]
        query += [("expand[]", "formatted")] if formatted else []
        address = f"{call.base_url}/api/{repo.kind}s/{repo.id}/commits/{sha}?{urlencode(query)}"
        headers["Link"] = f'<{address}>; rel="next"'
    return json_response(body, headers=headers)


ROUTES = [
    route(API_REPO + "/refs", refs, "GET"),
    route(API_REPO + "/commits/{revision}", commits, "GET"),
]
