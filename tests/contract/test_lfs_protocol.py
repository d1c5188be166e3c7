"""Large files as a Git LFS client asks for them, which the Hub client does not do on downloads."""

import hashlib

import httpx2
import pytest

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
