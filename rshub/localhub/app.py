"""The application: the routes of every area in their order, and how errors look.

A new area is a file in `routes/` with a ROUTES list and one more name in `_AREAS`. Order matters only where paths
overlap: `unsupported` answers what nobody else did, so it comes last.
"""

from __future__ import annotations

import logging
import re
import secrets
import sqlite3
from errno import EDQUOT, ENOSPC

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rshub.localhub.errors import Refusal
from rshub.localhub.hub import Hub
from rshub.localhub.routes import (
    account,
    card,
    commit,
    discussions,
    git,
    history,
    lfs,
    repo,
    resolve,
    revisions,
    search,
    tree,
    unsupported,
    xet,
)

_LOG = logging.getLogger(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9=;:_.-]{1,128}")


_AREAS = (
    account,
    card,
    repo,
    search,
    tree,
    history,
    revisions,
    commit,
    discussions,
    lfs,
    xet,
    git,
    resolve,
    unsupported,
)


def build(hub: Hub) -> ASGIApp:
    """Return the ASGI application that serves a hub."""
    application = Starlette(
        routes=[route for area in _AREAS for route in area.ROUTES],
        exception_handlers={
            Refusal: _refused,
            HTTPException: _not_routed,
            ClientDisconnect: _gone,
            OSError: _storage_failed,
            sqlite3.OperationalError: _storage_failed,
            UnicodeError: _not_text,
            Exception: _broken,
        },
    )
    application.router.redirect_slashes = False
    application.state.hub = hub
    return _RawPath(application)


class _RawPath:
    """Routes on the path as it was sent, and gives every answer the request id that clients print with errors."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        raw: bytes = scope["raw_path"]
        sent = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = sent if _REQUEST_ID.fullmatch(sent) else secrets.token_hex(8)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        path = raw.split(b"?", 1)[0].decode("latin-1")
        await self._application({**scope, "path": path}, receive, send_with_id)


def _answer(refusal: Refusal) -> Response:
    # A header holds one line of printable ASCII, whatever a client put into the name that we repeat.
    line = re.sub(r"[^ -~]", "?", refusal.message)[:500].strip()
    headers = {**refusal.headers, "X-Error-Message": line}
    if refusal.code is not None:
        headers["X-Error-Code"] = refusal.code
    body = {"error": refusal.message.encode("utf-8", "replace").decode(), **refusal.extra}
    return JSONResponse(body, status_code=refusal.status, headers=headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _answer(error)


async def _not_routed(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return _answer(Refusal(status, f"The hub has nothing for {request.method} {request.scope['path'][:200]}."))


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


async def _not_text(_: Request, __: Exception) -> Response:
    return _answer(Refusal(400, "The request holds text that is not valid Unicode."))


async def _storage_failed(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno in {ENOSPC, EDQUOT}:
        return _answer(Refusal(507, "The hub's disk is full."))
    return await _broken(request, error)


async def _broken(request: Request, error: Exception) -> Response:
    _LOG.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
    return _answer(Refusal(500, "The hub failed on this request; its log says more."))
