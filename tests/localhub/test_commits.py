"""Commit requests are read a line at a time, and large files only when the caller may use them."""

import base64
import json

import pytest

from rshub.localhub import commits
from rshub.localhub.errors import Refusal
from rshub.localhub.pointers import Pointer
from rshub.localhub.store import GitStore

OID = "ab" * 32


@pytest.fixture
def store(tmp_path):
    GitStore.create(tmp_path / "x.git", {".gitattributes": b""}, author="alice")
    with GitStore(tmp_path / "x.git") as opened:
        yield opened


def read(store, *items, sizes=()):
    lines = [json.dumps({"key": key, "value": value}).encode() for key, value in items]
    return commits.read_request([b"", *lines], store, dict(sizes).get)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
def test_lines_are_cut_wherever_the_blocks_end(size):
    text = b"first\n\nthird" + b"x" * 300 + b"\nlast"
    blocks = [text[start : start + size] for start in range(0, len(text), size)]
    assert list(commits.read_lines(blocks)) == text.split(b"\n")


def test_a_line_without_end_is_stopped(monkeypatch):
    monkeypatch.setattr(commits, "LONGEST_LINE", 100)
    with pytest.raises(Refusal) as caught:
        list(commits.read_lines(b"x" * 10 for _ in range(1000)))
    assert caught.value.status == 413


def test_a_request_is_read(store):
    request = read(
        store,
        ("header", {"summary": "one", "description": "two", "parentCommit": "abc1234"}),
        ("file", {"path": "a", "content": base64.b64encode(b"data").decode(), "encoding": "base64"}),
        ("lfsFile", {"path": "b", "algo": "sha256", "oid": OID, "size": 99}),
        ("deletedFile", {"path": "c"}),
        ("deletedFolder", {"path": "d/"}),
        sizes=[(OID, 5)],
    )
    assert (request.message, request.parent) == ("one\n\ntwo", "abc1234")
    assert [operation.kind for operation in request.operations] == ["put", "put", "delete", "delete_folder"]
    assert store.blob(request.operations[0].blob) == b"data"
    assert store.blob(request.operations[1].blob) == Pointer(oid=OID, size=5).encoded()


def test_a_pointer_sent_as_text_is_a_large_file_all_the_same(store):
    text = Pointer(oid=OID, size=5).encoded().decode()
    with pytest.raises(Refusal, match="does not exist"):
        read(store, ("header", {"summary": "x"}), ("file", {"path": "a", "content": text, "encoding": "utf-8"}))
    request = read(
        store,
        ("header", {"summary": "x"}),
        ("file", {"path": "a", "content": text, "encoding": "utf-8"}),
        sizes=[(OID, 7)],
    )
    assert request.operations[0].pointer == Pointer(oid=OID, size=7)


def test_a_regular_file_has_a_limit(store, monkeypatch):
    monkeypatch.setattr(commits, "LARGEST_REGULAR", 3)
    with pytest.raises(Refusal) as caught:
        read(store, ("header", {"summary": "x"}), ("file", {"path": "a", "content": "1234", "encoding": "utf-8"}))
    assert caught.value.status == 413
