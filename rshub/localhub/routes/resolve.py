"""Downloads: the bytes of a file at a revision, with what clients need to cache them."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from rshub.localhub import access
from rshub.localhub.errors import Refusal, entry_not_found
from rshub.localhub.exchange import PAGE_REPOS, Call, route
from rshub.localhub.ranges import content_response
from rshub.localhub.repos import HubRepo


def resolve(call: Call) -> Response:
    """The file itself: large ones from the object store, others from git."""
    repo = call.repo()
    if repo.name.lower() != call.param("name").lower() or repo.namespace.lower() != call.param("namespace").lower():
        return _moved(call, repo)
    access.require_files(call.identity, repo)
    path = call.param("path")
    with call.hub.git(repo) as store:
        sha, _ = store.resolve(call.param("revision"))
        found = store.lookup(sha, path)
        entry = store.entry(path, *found) if found is not None else None
        if entry is None or entry.is_directory:
            raise entry_not_found(path, sha)
        data = b"" if entry.pointer else store.blob(entry.oid)
    etag = entry.pointer.oid if entry.pointer else entry.oid
    name = quote(path.rpartition("/")[2])
    headers = {
        "X-Repo-Commit": sha,
        "ETag": f'"{etag}"',
        "Content-Disposition": f"inline; filename*=UTF-8''{name}",
        # A page of this hub must never run what a repository holds.
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    if entry.pointer is not None:
        if call.hub.registry.object_size(repo.key, entry.pointer.oid) is None:
            raise Refusal(404, f"The content of {path} was never uploaded to this repository.", headers=headers)
        headers |= {"X-Linked-Size": str(entry.size), "X-Linked-ETag": f'"{etag}"'}
    return content_response(
        call.method,
        call.headers.get("range"),
        entry.size,
        lambda start, length: (
            call.hub.objects.read(etag, start, length) if entry.pointer else iter([data[start : start + length]])
        ),
        headers,
    )


def _moved(call: Call, repo: HubRepo) -> Response:
    rest = call.raw_path.split("/resolve/", 1)[1]
    return Response(status_code=307, headers={"Location": f"{repo.web_path}/resolve/{rest}"})


ROUTES = [route(f"{page}/resolve/{{revision}}/{{path:path}}", resolve, "GET") for page in PAGE_REPOS]
