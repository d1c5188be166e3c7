"""File content as an HTTP answer: whole, or the one range that was asked for. Never redirects, never compresses.

Source: RFC 9110, sections on Range and Content-Range. A request for several ranges gets the whole file, as the RFC
allows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from starlette.responses import Response, StreamingResponse

_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*")

Reader = Callable[[int, int], Iterator[bytes]]


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return (start, length) of the range to send, or None for the whole file.

    Raises:
        ValueError: The range lies outside the file.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or not (match[1] or match[2]):
        return None
    if match[1]:
        start = int(match[1])
        end = min(int(match[2]), size - 1) if match[2] else size - 1
        if match[2] and int(match[2]) < start:
            return None
    else:
        start, end = max(0, size - int(match[2])), size - 1
    if start >= size or start > end:
        raise ValueError(f"{header} is outside of {size} bytes")
    return start, end - start + 1


def content_response(
    method: str, range_header: str | None, size: int, read: Reader, headers: Mapping[str, str]
) -> Response:
    """Answer HEAD or GET for `size` bytes that `read(start, length)` yields."""
    sent = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **headers}
    try:
        part = parse_range(range_header, size)
    except ValueError:
        refused = {"Content-Range": f"bytes */{size}", "X-Error-Message": f"The range is outside of {size} bytes."}
        return Response(status_code=416, headers={**sent, **refused})
    start, length = part or (0, size)
    sent["Content-Length"] = str(length)
    status = 200
    if part is not None:
        status = 206
        sent["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    if method == "HEAD" or length == 0:
        return Response(status_code=status, headers=sent)
    return StreamingResponse(read(start, length), status_code=status, headers=sent)
