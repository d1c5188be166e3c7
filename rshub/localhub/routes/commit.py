"""Uploading: how each file should travel, and the commit that makes them appear."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from dulwich.attrs import GitAttributes
from dulwich.ignore import IgnoreFilter
from starlette.responses import Response

from rshub.localhub import access, pulls
from rshub.localhub.commits import ATTRIBUTES, LARGEST_REGULAR
from rshub.localhub.errors import bad_request
from rshub.localhub.exchange import API_REPO, Call, json_response, route, upload_route
from rshub.localhub.names import check_path
from rshub.localhub.objects import Incoming, read_range
from rshub.localhub.pointers import parse_attributes, wants_pointer
from rshub.localhub.repos import HubRepo
from rshub.localhub.store import GitStore

LARGEST_COMMIT = 4 * 1024**3  # bytes of NDJSON; it goes to disk
_MOST_FILES = 10_000


def preupload(call: Call) -> Response:
    """For each file: large or regular, ignored or not, and the id it already has here, so that it can be skipped."""
    repo = call.repo()
    require_commit(call, repo)
    body = call.json()
    files, ignore_text = body.get("files"), body.get("gitIgnore")
    if not isinstance(files, list) or len(files) > _MOST_FILES or not isinstance(ignore_text, str | None):
        raise bad_request(f"Expected at most {_MOST_FILES} `files`, and perhaps `gitIgnore`.")
    with call.hub.git(repo) as store:
        sha, _ = store.resolve(call.param("revision"))
        attributes = parse_attributes(store.file(sha, ATTRIBUTES) or b"")
        if ignore_text is None:
            ignore_text = (store.file(sha, ".gitignore") or b"").decode("utf-8", "replace")
        ignored = IgnoreFilter([line.encode() for line in ignore_text.splitlines() if line and line[0] != "#"])
        answers = [_answer(store, sha, file, attributes, ignored) for file in files]
    return json_response({"files": answers, "commitOid": sha})


def _answer(
    store: GitStore, sha: str, file: object, attributes: GitAttributes, ignored: IgnoreFilter
) -> dict[str, Any]:
    if not isinstance(file, dict) or not isinstance(file.get("size"), int):
        raise bad_request("Each file needs a path, a size and a sample.")
    path = check_path(file.get("path"))
    try:
        sample = base64.b64decode(file.get("sample") or "", validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise bad_request(f"{path}: the sample is not base64.") from error
    wanted = wants_pointer(attributes, path)
    large = (b"\0" in sample if wanted is None else wanted) or file["size"] > LARGEST_REGULAR
    if file["size"] == 0 or path in {ATTRIBUTES, ".gitignore"}:
        large = False
    answer = {
        "path": path,
        "uploadMode": "lfs" if large else "regular",
        "shouldIgnore": bool(ignored.is_ignored(path)),
    }
    found = store.lookup(sha, path)
    if found is not None:
        entry = store.entry(path, *found)
        if not entry.is_directory:
            answer["oid"] = entry.pointer.oid if entry.pointer else entry.oid
    return answer


def authorise(call: Call) -> int:
    """Let pass who may commit here, before the body is read."""
    require_commit(call, call.repo())
    return LARGEST_COMMIT


def commit(call: Call, incoming: Incoming) -> Response:
    """Apply the operations as one commit, on a branch or as a new pull request."""
    repo, revision = call.repo(), call.param("revision")
    user = require_commit(call, repo)
    incoming.finish()
    chunks = read_range(incoming.path, 0, incoming.size)
    page = call.base_url + repo.web_path
    answer: dict[str, Any] = {"success": True, "hookOutput": ""}
    if call.flag("create_pr"):
        sha, num = pulls.propose(call.hub, repo, call.identity, revision, chunks, author=user)
        answer["pullRequestUrl"] = f"{page}/discussions/{num}"
    else:
        sha, ref, request = call.hub.commit(repo, call.identity, revision, chunks, author=user)
        pulls.record_push(call.hub, repo, ref, author=user, commit=sha, summary=request.summary)
    return json_response({**answer, "commitOid": sha, "commitUrl": f"{page}/commit/{sha}"})


def require_commit(call: Call, repo: HubRepo) -> str:
    """Return the user's name if the caller may commit as asked: a pull request can be opened by every reader."""
    if call.flag("create_pr"):
        return access.require_token(call.identity)
    return pulls.require_push(call.hub, call.identity, repo, call.param("revision"))


ROUTES = [
    route(API_REPO + "/preupload/{revision}", preupload, "POST"),
    upload_route(API_REPO + "/commit/{revision}", authorise, commit, "POST"),
]
