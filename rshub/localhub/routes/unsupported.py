"""Everything else, answered plainly: what the real Hub has and this one does not is 501, the rest 404."""

from __future__ import annotations

from starlette.responses import Response

from rshub.localhub.errors import Refusal, not_offered, repo_not_found
from rshub.localhub.exchange import Call, route

# What follows a repository's id: when it follows a single name, that name is an id without a namespace.
_PARTS_OF_A_REPO = frozenset({
    "branch", "commit", "commits", "discussions", "like", "likers", "preupload", "refs", "revision", "tag", "tree",
})  # fmt: skip
_KINDS = frozenset({"models", "datasets", "spaces"})
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def one_part_id(call: Call) -> Response:
    """Ids without a namespace belong to the early days of the real Hub; there are none here."""
    raise repo_not_found(anonymous=call.identity.anonymous)


def not_offered_here(call: Call) -> Response:
    """A call of the real Hub's API that this hub lacks, named in the answer."""
    parts = call.raw_path.split("/")
    if len(parts) > 4 and parts[2] in _KINDS and parts[4] in _PARTS_OF_A_REPO:
        raise repo_not_found(anonymous=call.identity.anonymous)
    raise not_offered(f"{call.method} {call.raw_path[:200]}")


def nothing_here(call: Call) -> Response:
    """An address that means nothing."""
    raise Refusal(404, f"There is nothing at {call.raw_path[:200]}.")


ROUTES = [
    route("/api/{kind:repokind}/{name}", one_part_id, *_METHODS),
    route("/{name}/resolve/{revision}/{path:path}", one_part_id, "GET"),
    route("/api/{rest:path}", not_offered_here, *_METHODS),
    route("/{rest:path}", nothing_here, *_METHODS),
]
