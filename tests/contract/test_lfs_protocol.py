"""Large files as a Git LFS client asks for them, which the Hub client does not do on downloads."""

import hashlib
import os
from pathlib import Path

import httpx2
import pytest

from rshub.localhub import multipart

DATA = bytes(range(256)) * 40
OID = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def stored(alice, repo):
    alice.upload_file(path_or_fileobj=DATA, path_in_repo="a.bin", repo_id=repo)
    return repo


def batch(hub, repo, operation, oid=OID, **options):
    body = {"operation": operation, "transfers": ["basic", "multipart"], "objects": [{"oid": oid, "size": len(DATA)}]}
    answer = httpx2.post(f"{hub.endpoint}/{repo}.git/info/lfs/objects/batch", json=body, **options)
    answer.raise_for_status()
    assert answer.json()["transfer"] == "basic"
    assert answer.headers["content-type"] == "application/vnd.git-lfs+json"
    return answer.json()["objects"][0]


def test_downloads_go_by_signed_links(hub, stored):
    action = batch(hub, stored, "download")["actions"]["download"]
    assert httpx2.get(action["href"]).content == DATA
    assert httpx2.get(action["href"], headers={"Range": "bytes=10-19"}).content == DATA[10:20]


def test_a_repository_gives_out_only_its_own_files(hub, alice, stored, fresh_id):
    other = fresh_id()
    alice.create_repo(other)
    assert batch(hub, other, "download")["error"]["code"] == 404
    assert batch(hub, stored, "download", oid="0" * 64)["error"]["code"] == 404


def test_git_sends_its_token_as_a_password(hub, alice, token_for, fresh_id):
    secret = fresh_id()
    alice.create_repo(secret, private=True)
    alice.upload_file(path_or_fileobj=DATA, path_in_repo="a.bin", repo_id=secret)
    assert "actions" in batch(hub, secret, "download", auth=("alice", token_for("alice")))
    for options in ({}, {"auth": ("bob", token_for("bob"))}):
        with pytest.raises(httpx2.HTTPStatusError):
            batch(hub, secret, "download", **options)


def test_what_one_may_read_need_not_be_sent_again(hub, alice, token_for, stored, fresh_id):
    mine, secret = fresh_id("bob"), fresh_id()
    bob = {"Authorization": f"Bearer {token_for('bob')}"}
    httpx2.post(f"{hub.endpoint}/api/repos/create", json={"name": mine.split("/")[1]}, headers=bob).raise_for_status()
    assert "actions" not in batch(hub, mine, "upload", headers=bob)
    alice.create_repo(secret, private=True)
    hidden = DATA + b"hidden"
    alice.upload_file(path_or_fileobj=hidden, path_in_repo="a.bin", repo_id=secret)
    assert "actions" in batch(hub, mine, "upload", oid=hashlib.sha256(hidden).hexdigest(), headers=bob)


def test_objects_lie_here_once(hub, alice, stored, fresh_id):
    other = fresh_id()
    alice.create_repo(other)
    alice.upload_file(path_or_fileobj=DATA, path_in_repo="again.bin", repo_id=other)
    path = hub.root / "objects" / OID[:2] / OID[2:4] / OID
    assert path.read_bytes() == DATA
    assert path.stat().st_mode & 0o222 == 0
    assert alice.get_paths_info(other, "again.bin")[0].lfs.sha256 == OID


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of a thousand bytes instead of hundreds of megabytes."""
    monkeypatch.setattr(multipart, "PART_SIZE", 1000)
    monkeypatch.setattr(multipart, "SMALLEST_PARTED", 2000)


@pytest.mark.parametrize("size", [1999, 2000, 2001, 2999, 3000, 10_240])
def test_very_large_files_come_in_parts(hub, alice, repo, small_parts, size):
    data = os.urandom(size)
    alice.upload_file(path_or_fileobj=data, path_in_repo="a.bin", repo_id=repo)
    assert Path(alice.hf_hub_download(repo, "a.bin")).read_bytes() == data
    assert list((hub.root / "incoming").iterdir()) == []


def test_parts_must_be_all_there_and_right(hub, token_for, repo, small_parts):
    data = os.urandom(2500)
    headers = {"Authorization": f"Bearer {token_for('alice')}"}
    body = {
        "operation": "upload",
        "transfers": ["basic", "multipart"],
        "objects": [{"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}],
    }
    answer = httpx2.post(f"{hub.endpoint}/{repo}.git/info/lfs/objects/batch", json=body, headers=headers).json()
    assert answer["transfer"] == "multipart"
    action = answer["objects"][0]["actions"]["upload"]
    parts = {name: link for name, link in action["header"].items() if name != "chunk_size"}
    assert sorted(parts) == ["1", "2", "3"]
    assert httpx2.put(parts["1"], content=data[:999]).status_code == 400
    assert httpx2.put(parts["1"], content=data[:1001]).status_code == 413
    assert httpx2.put(parts["1"], content=data[:1000]).headers["etag"]
    assert httpx2.put(parts["3"], content=data[2000:]).status_code == 200
    assert httpx2.post(action["href"], json={}).status_code == 400
    assert httpx2.put(parts["2"], content=b"x" * 1000).status_code == 200
    assert httpx2.post(action["href"], json={}).status_code == 400
    assert httpx2.put(parts["2"], content=data[1000:2000]).status_code == 200
    assert httpx2.post(action["href"], json={}).status_code == 200
    assert httpx2.post(action["href"], json={}).status_code == 200
    assert httpx2.post(action["href"].replace("/complete/", "/part/"), json={}).status_code in {403, 404, 405, 501}


def test_git_gets_one_piece(hub, token_for, repo, small_parts):
    headers = {"Authorization": f"Bearer {token_for('alice')}"}
    objects = [{"oid": "ab" * 32, "size": 5000}]
    body = {"operation": "upload", "transfers": ["basic"], "objects": objects}
    answer = httpx2.post(f"{hub.endpoint}/{repo}.git/info/lfs/objects/batch", json=body, headers=headers).json()
    assert answer["transfer"] == "basic"
    assert answer["objects"][0]["actions"]["upload"]["header"] == {}
