"""One HTTP request and its answer, between the framework and the routes.

Routes are plain functions `Call -> Response` that may block; they run on worker threads. Bodies are limited before
they are read: small ones arrive in memory, uploads go through `Incoming` to disk. Paths are matched undecoded,
because clients send `refs/pr/1` as the single segment `refs%2Fpr%2F1`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rshub.localhub import access, accounts
from rshub.localhub.accounts import ANONYMOUS, Identity
from rshub.localhub.bodies import check_announced, drain, receive, small_body
from rshub.localhub.errors import Refusal, bad_request
from rshub.localhub.hub import Hub
from rshub.localhub.names import RepoKind, check_kind
from rshub.localhub.objects import Incoming
from rshub.localhub.repos import HubRepo

_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_TRUE = frozenset({"true", "1", "yes"})


class _RepoKind(Convertor[str]):
    regex = "models|datasets|spaces"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _OtherKind(_RepoKind):
    regex = "datasets|spaces"


# Before any route is compiled. API paths always spell the kind of repository; page paths of models have none.
register_url_convertor("repokind", _RepoKind())
register_url_convertor("otherkind", _OtherKind())
API_REPO = "/api/{kind:repokind}/{namespace}/{name}"
PAGE_REPOS = ("/{kind:otherkind}/{namespace}/{name}", "/{namespace}/{name}")


class Call:
    """What a route may know of a request.

    `base_url` is the address by which the client reached the hub; every absolute link begins with it.

    Raises:
        Refusal: 400, the Host header is malformed.
    """

    def __init__(self, hub: Hub, request: Request, body: bytes = b"") -> None:
        self.hub = hub
        self.method: str = request.method
        self.headers = request.headers
        self.body = body
        self.raw_path: str = request.scope["path"]
        scheme = "https" if request.scope["scheme"] == "https" else "http"
        self.base_url = f"{scheme}://{_checked_host(self.headers.get('host', ''))}"
        self._params: dict[str, str] = dict(request.path_params)
        self._pairs = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)

    def param(self, name: str) -> str:
        """Return a decoded part of the path.

        Raises:
            Refusal: 400, it is not UTF-8.
        """
        try:
            return unquote(self._params[name], errors="strict")
        except UnicodeDecodeError as error:
            raise bad_request("The path is not UTF-8.") from error

    def has_param(self, name: str) -> bool:
        """Whether the route that matched has this part."""
        return name in self._params

    # --- query --------------------------------------------------------------------------------------------------

    def values(self, name: str) -> list[str]:
        """Return every value of a query parameter, written `name=` or `name[]=`."""
        return [value for key, value in self._pairs if key in {name, f"{name}[]"}]

    def value(self, name: str) -> str | None:
        """Return the last value of a query parameter."""
        values = self.values(name)
        return values[-1] if values else None

    def flag(self, name: str) -> bool:
        """Whether a query parameter says yes."""
        return (self.value(name) or "").lower() in _TRUE

    def number(self, name: str, default: int, *, largest: int) -> int:
        """Return a query parameter that counts.

        Raises:
            Refusal: 400.
        """
        text = self.value(name)
        if text is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise bad_request(f"Query parameter {name} must be a number.")
        return min(int(text), largest)

    def link_with(self, **changed: str) -> str:
        """Return the address of this request with some query parameters changed."""
        pairs = [(key, value) for key, value in self._pairs if key not in changed] + list(changed.items())
        return f"{self.base_url}{self.raw_path}?{urlencode(pairs)}"

    # --- body -----------------------------------------------------------------------------------------------------

    def json(self) -> dict[str, Any]:
        """Return the body, a JSON object; an empty body is an empty object.

        Raises:
            Refusal: 400.
        """
        if not self.body.strip():
            return {}
        try:
            value = json.loads(self.body)
            json.dumps(value, ensure_ascii=False).encode()  # unpaired surrogates would fail deep inside otherwise
        except (ValueError, RecursionError) as error:
            raise bad_request("The body is not valid JSON.") from error
        if not isinstance(value, dict):
            raise bad_request("The body must be a JSON object.")
        return value

    # --- who and what ---------------------------------------------------------------------------------------------

    @cached_property
    def identity(self) -> Identity:
        """The caller.

        Raises:
            Refusal: 401, the credentials are malformed or unknown.
        """
        token = self.token
        if token is None:
            return ANONYMOUS
        identity = accounts.identify(self.hub.database, token)
        if identity is None:
            raise Refusal(401, "Invalid credentials in Authorization header.")
        return identity

    @property
    def token(self) -> str | None:
        """The token of a Bearer header, or the password of a Basic one, which is what git sends."""
        scheme, _, rest = self.headers.get("authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() == "bearer" and rest.strip():
            return rest.strip()
        if scheme.lower() == "basic":
            try:
                return base64.b64decode(rest, validate=True).decode("latin-1").partition(":")[2]
            except (binascii.Error, ValueError):
                pass
        raise Refusal(401, "Invalid credentials in Authorization header.")

    @property
    def kind(self) -> RepoKind:
        """The kind of repository that the path names."""
        return check_kind(self._params.get("kind", "models").removesuffix("s"))

    def find(self) -> HubRepo | None:
        """Return the repository that the path names, unchecked."""
        return self.hub.registry.find(self.kind, self.param("namespace"), self.param("name").removesuffix(".git"))

    def repo(self) -> HubRepo:
        """Return the repository that the path names, if the caller may know of it.

        Raises:
            Refusal: 401 or 404 RepoNotFound.
        """
        return access.require_read(self.identity, self.find())

    def writable_repo(self) -> HubRepo:
        """Return the repository that the path names, if the caller may change it.

        Raises:
            Refusal: 401, 403 or 404.
        """
        repo = self.repo()
        access.require_write(self.identity, repo)
        return repo


def _checked_host(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise bad_request("The Host header is missing or malformed.")
    return host


Handler = Callable[[Call], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


def route(path: str, handler: Handler, *methods: str) -> Route:
    """A route whose request has a small body or none."""

    async def endpoint(request: Request) -> Response:
        body = await small_body(request)
        return await run_in_threadpool(handler, Call(request.app.state.hub, request, body))

    return Route(path, endpoint, methods=list(methods), include_in_schema=False)


def upload_route(
    path: str,
    authorise: Callable[[Call], int],
    handler: Callable[[Call, Incoming], Response],
    *methods: str,
) -> Route:
    """A route whose request body goes to disk; `authorise` runs before a byte of it is read and returns its limit."""

    async def endpoint(request: Request) -> Response:
        hub: Hub = request.app.state.hub
        call = Call(hub, request)
        try:
            limit = await run_in_threadpool(authorise, call)
            check_announced(request, limit)
        except Refusal:
            await drain(request)
            raise
        with hub.objects.incoming(limit=limit) as incoming:
            await receive(request, incoming)
            return await run_in_threadpool(handler, call, incoming)

    return Route(path, endpoint, methods=list(methods), include_in_schema=False)


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> JSONResponse:
    """Answer with JSON."""
    return JSONResponse(value, status_code=status, headers=headers)
