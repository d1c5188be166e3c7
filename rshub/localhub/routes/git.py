"""`git clone` and `git fetch` over smart HTTP. Reading only: commits arrive through the commit call, which checks."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from dulwich.server import DictBackend
from dulwich.web import HTTPGitApplication
from starlette.responses import Response, StreamingResponse

from rshub.localhub import access
from rshub.localhub.bodies import SMALL_BODY
from rshub.localhub.errors import Refusal, bad_request
from rshub.localhub.exchange import PAGE_REPOS, Call, route

_KEPT_IN_MEMORY = 4 * 1024 * 1024


def info_refs(call: Call) -> Response:
    """The refs, as git asks for them before anything else."""
    if call.value("service") != "git-upload-pack":
        raise Refusal(403, "Pushing over git is not offered: use the commit call of the Hub client.")
    return _serve(call, "/info/refs")


def upload_pack(call: Call) -> Response:
    """The objects that the client lacks."""
    return _serve(call, "/git-upload-pack")


def receive_pack(_: Call) -> Response:
    """Refused with the way to go instead."""
    raise Refusal(403, "Pushing over git is not offered: use the commit call of the Hub client.")


def _serve(call: Call, path: str) -> Response:
    try:
        repo = call.repo()
        access.require_files(call.identity, repo)
    except Refusal as refusal:
        if refusal.status == 401:
            refusal.headers["WWW-Authenticate"] = 'Basic realm="hub"'  # makes git ask for, and send, the token
        raise
    body = _plain(call)
    environ = {
        "REQUEST_METHOD": call.method,
        "PATH_INFO": path,
        "QUERY_STRING": "service=git-upload-pack" if path == "/info/refs" else "",
        "CONTENT_TYPE": call.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_GIT_PROTOCOL": call.headers.get("git-protocol", ""),
        "SERVER_NAME": "localhub",
        "SERVER_PORT": "0",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": BytesIO(),
        "wsgi.url_scheme": "http",
    }
    started: list[Any] = []
    spool: IO[bytes] = SpooledTemporaryFile(max_size=_KEPT_IN_MEMORY)  # noqa: SIM115 - closed when it was sent

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> Any:
        started[:] = [status, headers]
        return spool.write

    with call.hub.git(repo) as store:
        application = HTTPGitApplication(DictBackend({"/": store.dulwich}))
        for chunk in application(environ, start_response):
            spool.write(chunk)
    length = spool.tell()
    spool.seek(0)
    status, headers = started
    return StreamingResponse(
        _drained(spool), status_code=int(status.split()[0]), headers={**dict(headers), "Content-Length": str(length)}
    )


def _plain(call: Call) -> bytes:
    if call.headers.get("content-encoding") not in {"gzip", "x-gzip"}:
        return call.body
    decoder = zlib.decompressobj(wbits=31)
    try:
        body = decoder.decompress(call.body, SMALL_BODY)
    except zlib.error as error:
        raise bad_request("The body is not valid gzip.") from error
    if decoder.unconsumed_tail:
        raise Refusal(413, f"The body is larger than {SMALL_BODY} bytes.")
    return body


def _drained(spool: IO[bytes]) -> Iterator[bytes]:
    with spool:
        while block := spool.read(1 << 20):
            yield block


ROUTES = [
    area_route
    for page in PAGE_REPOS
    for area_route in (
        route(f"{page}/info/refs", info_refs, "GET"),
        route(f"{page}/git-upload-pack", upload_pack, "POST"),
        route(f"{page}/git-receive-pack", receive_pack, "POST"),
    )
]
