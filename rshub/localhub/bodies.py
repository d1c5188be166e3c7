"""Reading request bodies: small ones into memory, uploads to disk, each within a limit that is checked first."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from rshub.localhub.errors import Refusal, bad_request
from rshub.localhub.objects import Incoming

SMALL_BODY = 4 * 1024 * 1024  # bytes; a preupload of 256 files, samples included, needs about 0.3 MB
_BLOCK = 1 << 20
_DRAINED = 128 * 1024 * 1024  # bytes


def check_announced(request: Request, limit: int) -> None:
    """Look at the announced length before a byte is read.

    Raises:
        Refusal: 413 over the limit, 400 when it is no number.
    """
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or len(announced) > 18:
        raise bad_request("The Content-Length header is malformed.")
    if int(announced) > limit:
        raise Refusal(413, f"The body is larger than {limit} bytes.")


async def small_body(request: Request) -> bytes:
    """Return a body of at most SMALL_BODY bytes.

    Raises:
        Refusal: 413.
    """
    try:
        check_announced(request, SMALL_BODY)
    except Refusal:
        await drain(request)
        raise
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > SMALL_BODY:  # only without a Content-Length
            raise Refusal(413, f"The body is larger than {SMALL_BODY} bytes.")
    return bytes(body)


async def receive(request: Request, incoming: Incoming) -> None:
    """Write the body to disk in blocks, off the event loop."""
    block = bytearray()
    async for chunk in request.stream():
        block += chunk
        if len(block) >= _BLOCK:
            await run_in_threadpool(incoming.write, block)
            block = bytearray()
    await run_in_threadpool(incoming.write, block)


async def drain(request: Request) -> None:
    """Read on a little after refusing, so that a client that is still sending gets to read the answer."""
    announced = request.headers.get("content-length", "")
    if request.headers.get("expect") or not announced.isdecimal() or int(announced) > _DRAINED:
        return
    async for _ in request.stream():
        pass
