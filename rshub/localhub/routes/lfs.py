"""Large files over Git LFS: the batch call, and the signed links that carry the bytes.

Source: the Git LFS batch API and basic transfer specifications; parts as the Hub client sends them. Links carry their
own permission, because clients send large files without their token; a link is good for one object of one repository.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from rshub.localhub import access, multipart
from rshub.localhub.cards import strings
from rshub.localhub.errors import Refusal, bad_request
from rshub.localhub.exchange import PAGE_REPOS, Call, json_response, route, upload_route
from rshub.localhub.names import OID
from rshub.localhub.objects import Incoming
from rshub.localhub.ranges import content_response
from rshub.localhub.repos import HubRepo
from rshub.localhub.signing import LIFETIME

LARGEST_OBJECT = 500 * 1000**3  # bytes, the Hub's own limit
_DAY = 24 * 3600  # seconds; for links that are used when a long upload ends
_MOST_OBJECTS = 1_000
_MEDIA_TYPE = "application/vnd.git-lfs+json"


def batch(call: Call) -> Response:
    """Say for each object where to send or fetch it; one without actions is already here."""
    repo = call.repo()
    body = call.json()
    operation, objects = body.get("operation"), body.get("objects")
    if operation not in {"upload", "download"} or not isinstance(objects, list) or len(objects) > _MOST_OBJECTS:
        raise bad_request(f"Expected operation upload or download, and at most {_MOST_OBJECTS} objects.")
    if body.get("hash_algo", "sha256") != "sha256":
        raise bad_request("Only sha256 is supported.")
    if operation == "upload":
        access.require_token(call.identity)
        in_parts = "multipart" in strings(body.get("transfers"))
        answers = [_upload(call, repo, *_object(item), in_parts=in_parts) for item in objects]
    else:
        access.require_files(call.identity, repo)
        answers = [_download(call, repo, *_object(item)) for item in objects]
    in_use = "multipart" if any("chunk_size" in _header(answer) for answer in answers) else "basic"
    return JSONResponse({"transfer": in_use, "objects": answers, "hash_algo": "sha256"}, media_type=_MEDIA_TYPE)


def _header(answer: dict[str, Any]) -> dict[str, Any]:
    header: dict[str, Any] = answer.get("actions", {}).get("upload", {}).get("header", {})
    return header


def _object(item: object) -> tuple[str, int]:
    oid = item.get("oid") if isinstance(item, dict) else None
    size = item.get("size") if isinstance(item, dict) else None
    if not isinstance(oid, str) or not OID.fullmatch(oid) or not isinstance(size, int) or size < 0:
        raise bad_request("Each object needs an oid of 64 hex digits and a size.")
    return oid, size


def _upload(call: Call, repo: HubRepo, oid: str, size: int, *, in_parts: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"oid": oid, "size": size, "authenticated": True}
    if size > LARGEST_OBJECT:
        return {**answer, "error": {"code": 413, "message": f"Larger than {LARGEST_OBJECT} bytes."}}
    if call.hub.usable_object(repo, call.identity, oid) is not None:
        return answer
    claims = {"key": repo.key, "oid": oid, "size": size}
    upload = _action(call, "upload", claims)
    if in_parts and size >= multipart.SMALLEST_PARTED:
        upload = _parted(call, {**claims, "upload": call.hub.parts.begin()})
    return {**answer, "actions": {"upload": upload, "verify": _action(call, "verify", claims, lifetime=_DAY)}}


def _parted(call: Call, claims: dict[str, Any]) -> dict[str, Any]:
    """Return the action that makes a client cut the file: a link for each part, and one to put them together."""
    count = multipart.part_count(claims["size"])
    links = {
        str(number): _action(call, "part", {**claims, "number": number}, lifetime=_DAY)["href"]
        for number in range(1, count + 1)
    }
    header = {"chunk_size": str(multipart.PART_SIZE), **links}
    return {**_action(call, "complete", claims, lifetime=_DAY), "header": header}


def _download(call: Call, repo: HubRepo, oid: str, size: int) -> dict[str, Any]:
    held = call.hub.registry.object_size(repo.key, oid)
    if held is None:
        return {"oid": oid, "size": size, "error": {"code": 404, "message": "Not in this repository."}}
    actions = {"download": _action(call, "download", {"key": repo.key, "oid": oid, "size": held})}
    return {"oid": oid, "size": held, "authenticated": True, "actions": actions}


def _action(call: Call, purpose: str, claims: dict[str, Any], *, lifetime: int = LIFETIME) -> dict[str, Any]:
    signed, _ = call.hub.signer.sign(f"lfs-{purpose}", claims, lifetime=lifetime)
    address = f"{call.base_url}/lfs/{purpose}/{claims['oid']}?signature={signed}"
    return {"href": address, "header": {}, "expires_in": lifetime}


def _claims(call: Call, purpose: str) -> dict[str, Any]:
    claims = call.hub.signer.verify(f"lfs-{purpose}", call.value("signature") or "")
    if claims["oid"] != call.param("oid"):
        raise Refusal(403, "The signature of this link is not for this object.")
    return claims


def authorise_put(call: Call) -> int:
    """Let pass a link that was signed for this object, and take no more bytes than it announced."""
    return int(_claims(call, "upload")["size"])


def put(call: Call, incoming: Incoming) -> Response:
    """Keep the object if it is what its name says."""
    claims = _claims(call, "upload")
    if incoming.size != claims["size"]:
        raise bad_request(f"Received {incoming.size} bytes, but {claims['size']} were announced.")
    oid = call.hub.objects.adopt(incoming, claims["oid"])
    call.hub.registry.link_objects(claims["key"], [(oid, incoming.size)])
    return Response(status_code=200, headers={"ETag": f'"{oid}"'})


def authorise_part(call: Call) -> int:
    """Let pass a link that was signed for this part, and take no more bytes than it has."""
    claims = _claims(call, "part")
    return multipart.part_size(claims["size"], claims["number"])


def put_part(call: Call, incoming: Incoming) -> Response:
    """Keep one part."""
    claims = _claims(call, "part")
    digest = call.hub.parts.put(claims["upload"], claims["number"], incoming, size=claims["size"])
    return Response(status_code=200, headers={"ETag": f'"{digest}"'})


def complete(call: Call) -> Response:
    """Make the object of its parts, if together they are what its name says."""
    claims = _claims(call, "complete")
    call.hub.parts.complete(claims["upload"], claims["oid"], claims["size"])
    call.hub.registry.link_objects(claims["key"], [(claims["oid"], claims["size"])])
    return json_response({})


def verify(call: Call) -> Response:
    """Confirm that the object has arrived."""
    claims = _claims(call, "verify")
    if call.hub.registry.object_size(claims["key"], claims["oid"]) != claims["size"]:
        raise Refusal(404, "The object has not arrived.")
    return json_response({})


def download(call: Call) -> Response:
    """Send the object, or a range of it."""
    claims = _claims(call, "download")
    oid, size = claims["oid"], claims["size"]

    return content_response(
        call.method,
        call.headers.get("range"),
        size,
        lambda start, length: call.hub.objects.read(oid, start, length),
        {"ETag": f'"{oid}"'},
    )


ROUTES = [
    *(route(f"{page}.git/info/lfs/objects/batch", batch, "POST") for page in PAGE_REPOS),
    upload_route("/lfs/upload/{oid}", authorise_put, put, "PUT"),
    upload_route("/lfs/part/{oid}", authorise_part, put_part, "PUT"),
    route("/lfs/complete/{oid}", complete, "POST"),
    route("/lfs/verify/{oid}", verify, "POST"),
    route("/lfs/download/{oid}", download, "GET"),
]
