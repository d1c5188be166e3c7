"""Who the caller is, and the questions that clients ask a hub about themselves."""

from __future__ import annotations

import hashlib

from starlette.responses import Response

from rshub.localhub import accounts
from rshub.localhub.errors import Refusal
from rshub.localhub.exchange import Call, json_response, route


def whoami(call: Call) -> Response:
    """The user behind the token, with organisations and what the token allows."""
    identity = call.identity
    if identity.user is None:
        raise Refusal(401, "Invalid username or password.")
    orgs = [
        {"type": "org", "id": _id(name), "name": name, "fullname": name, "roleInOrg": identity.orgs[name.lower()]}
        for name in identity.org_names
    ]
    return json_response(
        {
            "type": "user",
            "id": _id(identity.user),
            "name": identity.user,
            "fullname": identity.user,
            "isPro": False,
            "canPay": False,
            "orgs": orgs,
            "auth": {
                "type": "access_token",
                "accessToken": {"displayName": "embedded hub", "role": identity.role, "createdAt": identity.created_at},
            },
        }
    )


def user_overview(call: Call) -> Response:
    """The public page of a user."""
    name = _account(call, "user")
    return json_response({"type": "user", "user": name, "fullname": name, "avatarUrl": "", "isPro": False, "orgs": []})


def organization_overview(call: Call) -> Response:
    """The public page of an organisation."""
    name = _account(call, "org")
    return json_response({"type": "org", "name": name, "fullname": name, "avatarUrl": "", "isVerified": False})


def nothing(_: Call) -> Response:
    """Accepted and forgotten: clients report timings and versions here, and nothing of it is kept."""
    return json_response({})


def no_harnesses(_: Call) -> Response:
    """Clients ask this once a day; an absent list is an answer that they understand."""
    raise Refusal(404, "The embedded hub keeps no list of agent harnesses.")


def _account(call: Call, kind: str) -> str:
    found = accounts.account(call.hub.database, call.param("account"))
    if found is None or found[1] != kind:
        raise Refusal(404, f"There is no such {'user' if kind == 'user' else 'organization'}.")
    return found[0]


def _id(name: str) -> str:
    return hashlib.sha256(name.lower().encode()).hexdigest()[:24]


ROUTES = [
    route("/api/whoami-v2", whoami, "GET"),
    route("/api/users/{account}/overview", user_overview, "GET"),
    route("/api/organizations/{account}/overview", organization_overview, "GET"),
    route("/api/agent-harnesses", no_harnesses, "GET"),
    route("/api/telemetry/{topic:path}", nothing, "HEAD", "GET", "POST"),
    route("/v1/telemetry", nothing, "POST"),
]
