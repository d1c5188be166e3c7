"""The write half of a Xet server: a token, xorbs, shards. Reads never mention Xet, so downloads are plain HTTP.

The address of the store holds this hub's own id and the account: clients remember per address what the store has, and
must not take another hub, or another account's view of this one, for it.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from starlette.responses import Response

from rshub.localhub import access
from rshub.localhub.errors import Refusal, bad_request
from rshub.localhub.exchange import API_REPO, Call, json_response, route, upload_route
from rshub.localhub.objects import Incoming
from rshub.localhub.xet import LARGEST_SHARD, LARGEST_XORB, read_shard

_PURPOSE = "xet-write"
_STORE = "/cas/{instance}/{owner}"
_HASH = re.compile(r"[0-9a-f]{64}")


def write_token(call: Call) -> Response:
    """A token for sending xorbs and shards on behalf of one repository.

    Reading the repository is enough: who cannot write to it may still propose a change.
    """
    repo = call.repo()
    user = access.require_token(call.identity)
    owner = hashlib.sha256(user.lower().encode()).hexdigest()[:32]
    token, expiry = call.hub.signer.sign(_PURPOSE, {"owner": owner, "key": repo.key})
    address = f"{call.base_url}/cas/{call.hub.instance}/{owner}"
    return json_response(
        {"accessToken": token, "exp": expiry, "casUrl": address},
        headers={
            "X-Xet-Cas-Url": address,
            "X-Xet-Access-Token": token,
            "X-Xet-Token-Expiration": str(expiry),
        },
    )


def _claims(call: Call) -> dict[str, Any]:
    try:
        claims = call.hub.signer.verify(_PURPOSE, call.token or "")
    except Refusal as refusal:
        raise Refusal(401, refusal.message) from refusal
    if call.param("instance") != call.hub.instance or call.param("owner") != claims["owner"]:
        raise Refusal(404, "This store belongs to another hub or account; ask for a new token.")
    return claims


def authorise_xorb(call: Call) -> int:
    """Let pass a valid token and a well-formed hash."""
    _claims(call)
    if not _HASH.fullmatch(call.param("hash")):
        raise bad_request("A xorb's hash has 64 hex digits.")
    return LARGEST_XORB


def put_xorb(call: Call, incoming: Incoming) -> Response:
    """Keep a xorb."""
    inserted = call.hub.xet.put(call.param("owner"), call.param("hash"), incoming)
    return json_response({"was_inserted": inserted})


def authorise_shard(call: Call) -> int:
    """Let pass a valid token."""
    _claims(call)
    return LARGEST_SHARD


def put_shard(call: Call, incoming: Incoming) -> Response:
    """Rebuild the files of a shard; from here on the token's repository may commit them."""
    claims = _claims(call)
    stored = call.hub.xet.ingest(claims["owner"], read_shard(incoming))
    call.hub.registry.link_objects(claims["key"], stored)
    return json_response({"result": 1})


def authorise_newer(_: Call) -> int:
    """A newer way to send shards that clients try first; 404 makes them use the one above."""
    raise Refusal(404, "Send shards to v1/shards.")


def nothing(_: Call) -> Response:
    """No chunk is known in advance, and no grant is needed: clients then just send the xorb."""
    raise Refusal(404, "Send the xorb.")


ROUTES = [
    route(API_REPO + "/xet-write-token/{revision}", write_token, "GET"),
    route(_STORE + "/v1/chunks/{prefix}/{hash}", nothing, "GET"),
    route(_STORE + "/v1/xorb-grants/{prefix}/{hash}", nothing, "POST"),
    upload_route(_STORE + "/v1/xorbs/{prefix}/{hash}", authorise_xorb, put_xorb, "POST"),
    upload_route(_STORE + "/v1/shards", authorise_shard, put_shard, "POST"),
    upload_route(_STORE + "/v2/shards", authorise_newer, lambda _, __: Response(status_code=404), "POST"),
]
