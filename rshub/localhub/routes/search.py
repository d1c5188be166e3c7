"""Listings and repository pages, answered from the index."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.responses import Response

from rshub.localhub import access
from rshub.localhub.cards import strings
from rshub.localhub.errors import bad_request, not_offered
from rshub.localhub.exchange import API_REPO, Call, json_response, route
from rshub.localhub.facts import Facts
from rshub.localhub.index import LARGEST_PAGE, Search
from rshub.localhub.names import KINDS
from rshub.localhub.repos import HubRepo

_BRIEF = ("createdAt", "private", "downloads", "likes", "tags", "pipeline_tag", "library_name", "trendingScore", "sdk")
_FULL = ("author", "sha", "lastModified", "gated", "disabled", "siblings")
_DETAIL = ("cardData", "config", "safetensors", "spaces", "usedStorage", "model-index", "runtime", "subdomain")
# Properties that can be asked for although this hub never has a value for them.
_VALUELESS = frozenset(
    {
        "citation",
        "datasets",
        "description",
        "gguf",
        "inference",
        "inferenceProviderMapping",
        "mainSize",
        "mask_token",
        "models",
        "paperswithcode_id",
        "resourceGroup",
        "transformersInfo",
        "widgetData",
    }
)
_FILTERS_WITHOUT_DATA = ("inference", "inference_provider", "apps", "num_parameters", "benchmark")


def listing(call: Call) -> Response:
    """One page of the repositories that match; the next page's address is in the Link header."""
    for name in _FILTERS_WITHOUT_DATA:
        if call.value(name) is not None:
            raise not_offered(f"filtering by {name}")
    full, expand = call.flag("full"), _expand(call)
    search = Search(
        kind=call.kind,
        tags=[tag for value in call.values("filter") for tag in value.split(",") if tag],
        author=call.value("author"),
        text=call.value("search"),
        pipeline_tag=call.value("pipeline_tag"),
        gated=call.flag("gated") if call.value("gated") is not None else None,
        sort=call.value("sort") or "lastModified",
        limit=max(1, call.number("limit", LARGEST_PAGE, largest=LARGEST_PAGE)),
        cursor=call.value("cursor"),
    )
    page = call.hub.index.search(search, call.identity, with_files=full or "siblings" in expand)
    wanted = set(expand) or {
        *_BRIEF,
        *(_FULL if full else ()),
        *(("cardData",) if full or call.flag("cardData") else ()),
        *(("config",) if call.flag("config") else ()),
    }
    headers = {"Link": f'<{call.link_with(cursor=page.cursor)}>; rel="next"'} if page.cursor else {}
    return json_response([_describe(repo, facts, wanted) for repo, facts in page.rows], headers=headers)


def info(call: Call) -> Response:
    """Everything known of one repository at a revision."""
    repo = call.repo()
    facts = call.hub.facts(repo, call.param("revision") if call.has_param("revision") else None)
    wanted = set(_expand(call)) or {*_BRIEF, *_FULL, *_DETAIL}
    described = _describe(repo, facts, wanted, blobs=call.flag("blobs"))
    if call.flag("securityStatus"):
        # Nothing is scanned here, and saying so beats a green tick.
        described["securityRepoStatus"] = {"scansDone": False, "filesWithIssues": []}
    return json_response(described)


def own_repositories(call: Call) -> Response:
    """Everything in a namespace that the caller may write to, of every kind, with the bytes that it takes."""
    user = access.require_token(call.identity)
    namespace = call.param("namespace") if call.has_param("namespace") else user
    access.require_namespace(call.identity, namespace)
    rows = []
    for kind in KINDS:
        cursor: str | None = None
        while True:
            search = Search(kind=kind, author=namespace, cursor=cursor)
            page = call.hub.index.search(search, call.identity, with_files=False)
            rows += page.rows
            cursor = page.cursor
            if cursor is None:
                break
    total = sum(facts.described["usedStorage"] for _, facts in rows) or 1
    return json_response(
        [
            {
                "id": repo.id,
                "type": repo.kind,
                "updatedAt": repo.modified_at,
                "visibility": "private" if repo.private else "public",
                "storage": facts.described["usedStorage"],
                "storagePercent": 100 * facts.described["usedStorage"] / total,
            }
            for repo, facts in rows
        ]
    )


def _expand(call: Call) -> list[str]:
    names = [name for value in call.values("expand") for name in value.split(",") if name]
    for name in names:
        if name not in _PROPERTIES and name not in _VALUELESS:
            raise bad_request(f"Unknown property in expand: {name[:80]!r}.")
    return names


def _describe(repo: HubRepo, facts: Facts, wanted: Collection[str], *, blobs: bool = False) -> dict[str, Any]:
    card = facts.described.get("cardData") or {}
    known: dict[str, Any] = {
        "author": repo.namespace,
        "baseModels": {"models": [{"id": base} for base in strings(card.get("base_model"))]},
        "childrenModelCount": 0,
        "createdAt": repo.created_at,
        "disabled": False,
        "downloads": 0,
        "downloadsAllTime": 0,
        "gated": repo.gated or False,
        "lastModified": repo.modified_at,
        "likes": 0,
        "model-index": card.get("model-index"),
        "private": repo.private,
        "region": "us",
        "runtime": {"stage": "NO_APP_FILE", "hardware": None} if repo.kind == "space" else None,
        "sdk": repo.sdk,
        "sha": facts.sha,
        "siblings": _siblings(facts, blobs=blobs) if "siblings" in wanted else None,
        "spaces": [],
        "subdomain": repo.id.replace("/", "-").lower() if repo.kind == "space" else None,
        "tags": facts.tags,
        "trendingScore": 0,
        **facts.described,
    }
    described = {"_id": repo.key[:24], "id": repo.id}
    if repo.kind == "model":
        described["modelId"] = repo.id
    described.update({name: known[name] for name in sorted(wanted) if known.get(name) is not None})
    return described


def _siblings(facts: Facts, *, blobs: bool) -> list[dict[str, Any]]:
    if not blobs:
        return [{"rfilename": entry.path} for entry in facts.files]
    return [
        {
            "rfilename": entry.path,
            "blobId": entry.oid,
            "size": entry.size,
            **(
                {"lfs": {"sha256": entry.pointer.oid, "size": entry.size, "pointerSize": entry.blob_size}}
                if entry.pointer
                else {}
            ),
        }
        for entry in facts.files
    ]


_PROPERTIES = frozenset(
    {
        *_BRIEF,
        *_FULL,
        *_DETAIL,
        "baseModels",
        "childrenModelCount",
        "downloadsAllTime",
        "evalResults",
        "region",
    }
)

ROUTES = [
    route("/api/settings/repositories", own_repositories, "GET"),
    route("/api/organizations/{namespace}/settings/repositories", own_repositories, "GET"),
    route("/api/{kind:repokind}", listing, "GET"),
    route(API_REPO, info, "GET"),
    route(API_REPO + "/revision/{revision}", info, "GET"),
]
