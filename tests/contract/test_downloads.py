"""Downloads are plain HTTP: whole files, ranges, and headers that let clients cache."""

import os
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError

DATA = os.urandom(300_000)


@pytest.fixture(scope="module")
def stored(hub, alice):
    alice.create_repo("alice/downloads")
    alice.upload_file(path_or_fileobj=DATA, path_in_repo="large.bin", repo_id="alice/downloads")
    alice.upload_file(path_or_fileobj=b"0123456789", path_in_repo="small.txt", repo_id="alice/downloads")
    return f"{hub.endpoint}/alice/downloads/resolve/main"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=2-5", 2, 6),
        ("bytes=7-", 7, None),
        ("bytes=-3", -3, None),
        ("bytes=4-999999999", 4, None),
    ],
)
@pytest.mark.parametrize("name", ["large.bin", "small.txt"])
def test_ranges(stored, name, asked, start, end):
    whole = DATA if name == "large.bin" else b"0123456789"
    answer = httpx2.get(f"{stored}/{name}", headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == whole[start:end]
    first = start % len(whole)
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(whole)}"


@pytest.mark.parametrize("name", ["large.bin", "small.txt"])
def test_a_range_outside_the_file_is_refused(stored, name):
    answer = httpx2.get(f"{stored}/{name}", headers={"Range": "bytes=300000-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"].startswith("bytes */")
    assert answer.content == b""


@pytest.mark.parametrize("asked", ["bytes=5-2", "lines=1-2", "bytes=", "bytes=0-1,4-5", "bytes=-"])
def test_a_range_that_means_nothing_gets_the_whole_file(stored, asked):
    answer = httpx2.get(f"{stored}/small.txt", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, b"0123456789")


def test_heads_tell_size_digest_and_commit(hub, alice, stored):
    import hashlib

    sha = alice.model_info("alice/downloads").sha
    large = get_hf_file_metadata(hf_hub_url("alice/downloads", "large.bin", endpoint=hub.endpoint))
    assert (large.size, large.etag, large.commit_hash) == (len(DATA), hashlib.sha256(DATA).hexdigest(), sha)
    assert large.xet_file_data is None
    small = get_hf_file_metadata(hf_hub_url("alice/downloads", "small.txt", endpoint=hub.endpoint))
    assert (small.size, small.etag) == (10, hashlib.sha1(b"blob 10\x000123456789").hexdigest())


def test_an_absent_file_tells_the_commit_at_which_it_is_absent(alice, stored):
    with pytest.raises(EntryNotFoundError) as caught:
        alice.hf_hub_download("alice/downloads", "absent.txt")
    assert caught.value.response.headers["X-Repo-Commit"] == alice.model_info("alice/downloads").sha


def test_the_second_download_is_none(alice, stored):
    first = alice.hf_hub_download("alice/downloads", "large.bin")
    stamp = Path(first).stat().st_mtime_ns
    assert alice.hf_hub_download("alice/downloads", "large.bin") == first
    assert Path(first).stat().st_mtime_ns == stamp


def test_links_use_the_name_that_the_client_used(hub, token_for, fresh_id):
    from huggingface_hub import HfApi

    other = hub.endpoint.replace("127.0.0.1", "localhost")
    api = HfApi(endpoint=other, token=token_for("alice"))
    repo_id = fresh_id()
    assert api.create_repo(repo_id).startswith(other)
    commit = api.upload_file(path_or_fileobj=b"\0" * 99, path_in_repo="a.bin", repo_id=repo_id)
    assert commit.commit_url.startswith(other)


def test_safetensors_headers_are_read_by_range(alice, repo):
    import json

    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    data = len(header).to_bytes(8, "little") + header + b"\0" * 8
    alice.upload_file(path_or_fileobj=data, path_in_repo="model.safetensors", repo_id=repo)
    metadata = alice.get_safetensors_metadata(repo)
    assert metadata.parameter_count == {"F32": 2}
