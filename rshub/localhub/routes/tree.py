"""The files of a repository at a revision: directories, and what is known of named paths."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from starlette.responses import Response

from rshub.localhub import clock
from rshub.localhub.errors import bad_request
from rshub.localhub.exchange import API_REPO, Call, json_response, route
from rshub.localhub.history import CommitInfo, last_commits
from rshub.localhub.store import Entry, GitStore

_PAGE = 1000
_EXPANDED_PAGE = 50  # the last commit of each entry is looked for in the history
_MOST_PATHS = 5_000


def tree(call: Call) -> Response:
    """One page of a directory; the next pages stay at the commit that the first one was read at."""
    repo = call.repo()
    directory = call.param("path").strip("/") if call.has_param("path") else ""
    expand, recursive = call.flag("expand"), call.flag("recursive")
    size = _EXPANDED_PAGE if expand else _PAGE
    size = max(1, call.number("limit", size, largest=size))
    start = call.number("cursor", 0, largest=10**9)
    with call.hub.git(repo) as store:
        sha, _ = store.resolve(call.param("revision"))
        listed = store.listing(sha, directory, recursive=recursive)
        entries = [store.entry(*item) for item in listed[start : start + size]]
        body = _rows(store, sha, entries, expand=expand)
    headers = {"X-Repo-Commit": sha}
    if start + size < len(listed):
        query = {"recursive": recursive, "expand": expand, "limit": size, "cursor": start + size}
        path = f"/api/{repo.kind}s/{repo.id}/tree/{sha}/{quote(directory)}".rstrip("/")
        headers["Link"] = f'<{call.base_url}{path}?{urlencode(query)}>; rel="next"'
    return json_response(body, headers=headers)


def paths_info(call: Call) -> Response:
    """What is known of the named paths; those that do not exist are left out."""
    repo = call.repo()
    paths, expand = _asked(call)
    with call.hub.git(repo) as store:
        sha, _ = store.resolve(call.param("revision"))
        entries = []
        for path in dict.fromkeys(path.strip("/") for path in paths):
            found = store.lookup(sha, path) if path else None
            if found is not None:
                entries.append(store.entry(path, *found))
        return json_response(_rows(store, sha, entries, expand=expand), headers={"X-Repo-Commit": sha})


def _asked(call: Call) -> tuple[list[str], bool]:
    if "json" in call.headers.get("content-type", ""):
        body = call.json()
        paths, expand = body.get("paths", []), body.get("expand", False)
        paths = [paths] if isinstance(paths, str) else paths
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise bad_request("`paths` must be an array of strings.")
    else:
        try:
            form = parse_qs(call.body.decode(), max_num_fields=_MOST_PATHS + 10)
        except ValueError as error:
            raise bad_request(f"Expected a form with at most {_MOST_PATHS} paths.") from error
        paths, expand = form.get("paths", []), form.get("expand", ["false"])[-1]
    if len(paths) > _MOST_PATHS:
        raise bad_request(f"At most {_MOST_PATHS} paths at a time.")
    return paths, re.fullmatch("true|1", str(expand), re.IGNORECASE) is not None


def _rows(store: GitStore, sha: str, entries: list[Entry], *, expand: bool) -> list[dict[str, Any]]:
    commits = last_commits(store, sha, [entry.path for entry in entries]) if expand else {}
    return [_row(entry, commits.get(entry.path)) for entry in entries]


def _row(entry: Entry, commit: CommitInfo | None) -> dict[str, Any]:
    kind = "directory" if entry.is_directory else "file"
    row: dict[str, Any] = {"type": kind, "oid": entry.oid, "size": entry.size, "path": entry.path}
    if entry.pointer is not None:
        row["lfs"] = {"oid": entry.pointer.oid, "size": entry.size, "pointerSize": entry.blob_size}
    if commit is not None:
        row["lastCommit"] = {"id": commit.id, "title": commit.title, "date": clock.from_epoch(commit.time)}
    return row


ROUTES = [
    route(API_REPO + "/tree/{revision}", tree, "GET"),
    route(API_REPO + "/tree/{revision}/{path:path}", tree, "GET"),
    route(API_REPO + "/paths-info/{revision}", paths_info, "POST"),
]
