"""Commits as clients send them: newline-separated JSON in, a real git commit out.

Blobs are written while the request is read, outside any lock; the repository's lock covers only reading the head,
writing trees, the compare-and-swap of the ref and the index. Who may commit is decided before.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from rshub.localhub.edits import TreeEdit
from rshub.localhub.errors import Refusal, bad_request, entry_not_found
from rshub.localhub.names import OID, check_path
from rshub.localhub.pointers import (
    LONGEST_ATTRIBUTE_LINE,
    Pointer,
    parse_attributes,
    parse_pointer,
    wants_pointer,
    with_lines_for,
)
from rshub.localhub.store import GitStore

LARGEST_REGULAR = 10 * 1024 * 1024  # bytes of a file that is kept in git itself
LONGEST_LINE = 4 * LARGEST_REGULAR  # bytes; base64, or JSON text with escapes
LONGEST_MESSAGE = 64 * 1024  # characters
ATTRIBUTES = ".gitattributes"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One change: `blob` for "put", nothing else for the deletions."""

    kind: Literal["put", "delete", "delete_folder"]
    path: str
    blob: str = ""
    pointer: Pointer | None = None


@dataclass(kw_only=True)
class Request:
    """A parsed commit request."""

    summary: str = ""
    description: str = ""
    parent: str | None = None
    operations: list[Operation] = field(default_factory=list)

    @property
    def message(self) -> str:
        """The commit message."""
        return f"{self.summary}\n\n{self.description}" if self.description else self.summary


def read_request(lines: Iterable[bytes], store: GitStore, find_object: Callable[[str], int | None]) -> Request:
    """Read a commit request, storing the blobs of its files.

    Args:
        lines: NDJSON; one line at a time is in memory.
        store: Where the blobs go.
        find_object: Size of a large file that the caller may use in this repository, or None.

    Raises:
        Refusal: 400 or 422, a line is malformed or a large file was not uploaded.
    """
    request = Request()
    for line in lines:
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            key, value = item["key"], item["value"]
            value["path" if key != "header" else "summary"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise bad_request("A line of the commit is not a JSON object with a key and a value.") from error
        if key == "header":
            _read_header(request, value)
        else:
            request.operations.append(_read_operation(key, value, store, find_object))
    if not request.summary:
        raise bad_request("The commit has no header line with a summary.")
    return request


def _read_header(request: Request, value: dict[str, Any]) -> None:
    summary, description, parent = value["summary"], value.get("description") or "", value.get("parentCommit")
    if not isinstance(summary, str) or not isinstance(description, str) or not isinstance(parent, str | None):
        raise bad_request("The header of the commit must hold strings.")
    if len(summary) + len(description) > LONGEST_MESSAGE:
        raise bad_request(f"The commit message is longer than {LONGEST_MESSAGE} characters.")
    request.summary, request.description, request.parent = summary, description, parent or None


def _read_operation(
    key: str, value: dict[str, Any], store: GitStore, find_object: Callable[[str], int | None]
) -> Operation:
    if key == "deletedFolder":
        folder = str(value["path"]).rstrip("/")
        return Operation(kind="delete_folder", path="" if folder in {"", "."} else check_path(folder))
    if key == "deletedFile":
        return Operation(kind="delete", path=check_path(str(value["path"]).rstrip("/")))
    path = check_path(value["path"])
    if key == "lfsFile":
        oid = value.get("oid")
        if not isinstance(oid, str) or not OID.fullmatch(oid) or value.get("algo", "sha256") != "sha256":
            raise bad_request(f"{path}: a large file needs algo sha256 and an oid of 64 hex digits.")
        pointer = _pointer(path, oid, find_object)
        return Operation(kind="put", path=path, blob=store.write_blob(pointer.encoded()), pointer=pointer)
    if key == "file":
        data = _content(path, value)
        if path == ATTRIBUTES and any(len(line) > LONGEST_ATTRIBUTE_LINE for line in data.splitlines()):
            raise bad_request(f"{path}: a line is longer than {LONGEST_ATTRIBUTE_LINE} bytes.")
        claimed = parse_pointer(data)
        # A pointer sent as text is a large file all the same: it must not open what the caller may not use.
        found = _pointer(path, claimed.oid, find_object) if claimed else None
        return Operation(
            kind="put", path=path, blob=store.write_blob(found.encoded() if found else data), pointer=found
        )
    raise bad_request(f"Unknown commit operation {str(key)[:80]!r}.")


def _pointer(path: str, oid: str, find_object: Callable[[str], int | None]) -> Pointer:
    size = find_object(oid)
    if size is None:
        raise bad_request(
            "Your push was rejected because an LFS pointer pointed to a file that does not exist:"
            f" {path} ({oid}). Upload it to this repository first."
        )
    return Pointer(oid=oid, size=size)


def _content(path: str, value: dict[str, Any]) -> bytes:
    content, encoding = value.get("content"), value.get("encoding", "utf-8")
    if not isinstance(content, str) or encoding not in {"base64", "utf-8"}:
        raise bad_request(f"{path}: expected content as text, encoded base64 or utf-8.")
    try:
        data = base64.b64decode(content, validate=True) if encoding == "base64" else content.encode()
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"{path}: the content is not valid {encoding}.") from error
    if len(data) > LARGEST_REGULAR:
        raise Refusal(413, f"{path} is larger than {LARGEST_REGULAR} bytes: upload it as a large file.")
    return data


def write(store: GitStore, request: Request, base: str, *, author: str) -> str:
    """Apply the operations to a commit's tree and store the commit that results; no ref moves.

    Raises:
        Refusal: 404 EntryNotFound, something to delete is not there; 400, two paths conflict.
    """
    edit = TreeEdit(store, base)
    for operation in request.operations:
        if operation.kind == "put":
            edit.put(operation.path, operation.blob)
        elif operation.path:
            edit.delete(operation.path)
        elif operation.kind == "delete_folder":
            edit.clear()
        else:
            raise entry_not_found(operation.path, base)
    _cover_large_files(store, edit, [operation.path for operation in request.operations if operation.pointer])
    return store.write_commit(edit.write(), [base], request.message, author=author)


def _cover_large_files(store: GitStore, edit: TreeEdit, paths: list[str]) -> None:
    """Add lines to `.gitattributes` so that a clone treats every large file as one."""
    if not paths:
        return
    blob = edit.get(ATTRIBUTES)
    data = store.blob(blob) if blob else b""
    attributes = parse_attributes(data)
    missing = [path for path in dict.fromkeys(paths) if not wants_pointer(attributes, path) and edit.get(path)]
    if missing:
        edit.put(ATTRIBUTES, store.write_blob(with_lines_for(data, missing)))


def read_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a stream into lines, none longer than LONGEST_LINE.

    Raises:
        Refusal: 413.
    """
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        *lines, rest = pending.split(b"\n")
        yield from map(bytes, lines)
        pending = rest
        if len(pending) > LONGEST_LINE:
            raise Refusal(413, f"A line of the commit is longer than {LONGEST_LINE} bytes.")
    if pending:
        yield bytes(pending)
