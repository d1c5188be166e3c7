"""A hub that stops, however it stops, comes back with everything that it had promised."""

import hashlib
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi, constants

from rshub.localhub import LocalHub, LocalHubError, add_user

SERVE = """
import sys
from pathlib import Path
from rshub.localhub import serve
serve(Path(sys.argv[1]), port=0, on_ready=lambda endpoint: print(endpoint, flush=True))
print("stopped", flush=True)
"""

KEEP_COMMITTING = """
import os, sys
from huggingface_hub import CommitOperationAdd, HfApi, constants
constants.HF_HUB_DISABLE_XET = True
api = HfApi(endpoint=sys.argv[1], token=sys.argv[2])
api.create_repo("alice/x")
for number in range(1000):
    operation = CommitOperationAdd(f"{number}.bin", bytes(1) + os.urandom(1000))
    info = api.create_commit("alice/x", [operation], commit_message=str(number))
    print(f"{number}.bin", info.oid, operation.upload_info.sha256.hex(), flush=True)
"""


@contextmanager
def process(root):
    """A hub in a process of its own: yields (process, endpoint)."""
    running = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield running, running.stdout.readline().strip()
    finally:
        running.kill()
        running.communicate()


def test_everything_survives_a_restart(tmp_path):
    root = tmp_path / "root"
    with LocalHub(root) as hub:
        token = hub.add_user("alice")
        api = HfApi(endpoint=hub.endpoint, token=token)
        api.create_repo("alice/x", private=True)
        api.upload_file(path_or_fileobj=b"\0" * 2000, path_in_repo="a.bin", repo_id="alice/x")
        api.create_tag("alice/x", tag="v1")
        api.create_discussion("alice/x", "a question")
        before = api.model_info("alice/x", files_metadata=True)
    with LocalHub(root) as hub:
        api = HfApi(endpoint=hub.endpoint, token=token)
        assert api.model_info("alice/x", revision="v1", files_metadata=True) == before
        assert [item.title for item in api.get_repo_discussions("alice/x")] == ["a question"]
        assert Path(api.hf_hub_download("alice/x", "a.bin")).read_bytes() == b"\0" * 2000
        assert [info.id for info in api.list_models()] == ["alice/x"]


def test_xet_uploads_go_on_after_a_restart_on_the_same_port(tmp_path, monkeypatch):
    """The client remembers which parts the hub at this address has."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    root, data, port = tmp_path / "root", os.urandom(2_000_000), 0
    for name in ("first.bin", "second.bin"):
        with LocalHub(root, port=port) as hub:
            api = HfApi(endpoint=hub.endpoint, token=hub.add_user("alice"))
            api.create_repo("alice/x", exist_ok=True)
            api.upload_file(path_or_fileobj=data + name.encode(), path_in_repo=name, repo_id="alice/x")
            port = int(hub.endpoint.rsplit(":", 1)[1])
    # A hub that begins anew at the same address must not be taken for the former one.
    with LocalHub(tmp_path / "other", port=port) as hub:
        api = HfApi(endpoint=hub.endpoint, token=hub.add_user("alice"))
        api.create_repo("alice/x")
        api.upload_file(path_or_fileobj=data + b"first.bin", path_in_repo="first.bin", repo_id="alice/x")
        assert Path(api.hf_hub_download("alice/x", "first.bin")).read_bytes() == data + b"first.bin"


def test_what_was_answered_survives_kill_9(tmp_path):
    root, answered = tmp_path / "root", []
    token = add_user(root, "alice")
    with process(root) as (running, endpoint):
        writer = subprocess.Popen(
            [sys.executable, "-c", KEEP_COMMITTING, endpoint, token], stdout=subprocess.PIPE, text=True
        )
        for line in writer.stdout:
            answered.append(line.split())
            if len(answered) == 15:
                running.kill()
                writer.kill()
        writer.communicate()
    with LocalHub(root) as hub:
        api = HfApi(endpoint=hub.endpoint, token=token)
        commits = [commit.commit_id for commit in api.list_repo_commits("alice/x")]
        assert {oid for _, oid, _ in answered} <= set(commits)
        info = api.model_info("alice/x", files_metadata=True)
        assert info.sha == commits[0]
        stored = {item.rfilename: item.lfs.sha256 for item in info.siblings if item.lfs}
        assert {name: digest for name, _, digest in answered}.items() <= stored.items()
        assert not list(root.glob("incoming/*"))
        api.upload_file(path_or_fileobj=b"1", path_in_repo="after.txt", repo_id="alice/x")
    for path in root.glob("repos/*.git"):
        done = subprocess.run(["git", "fsck", "--full"], cwd=path, capture_output=True, text=True, check=True)
        assert "missing" not in done.stdout + done.stderr


def test_an_index_that_a_crash_left_behind_is_mended(tmp_path):
    """Moves the branch without telling the index, as a process killed in between does."""
    root = tmp_path / "root"
    with LocalHub(root) as hub:
        token = hub.add_user("alice")
        api = HfApi(endpoint=hub.endpoint, token=token)
        api.create_repo("alice/x")
        api.create_branch("alice/x", branch="next")
        info = api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="alice/x", revision="next")
    (git_directory,) = root.glob("repos/*.git")
    subprocess.run(["git", "update-ref", "refs/heads/main", info.oid], cwd=git_directory, check=True)
    (root / "repos" / "orphan.git").mkdir()
    (root / "incoming" / "half").write_bytes(b"x")
    blob = hashlib.sha1(b"blob 1\x002").hexdigest()
    for locked in ("refs/heads/main", "config", f"objects/{blob[:2]}/{blob[2:]}"):
        (git_directory / locked).parent.mkdir(exist_ok=True)
        (git_directory / f"{locked}.lock").touch()
    with LocalHub(root) as hub:
        api = HfApi(endpoint=hub.endpoint, token=token)
        assert "a.txt" in api.list_repo_files("alice/x")
        api.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id="alice/x")
    assert not (root / "repos" / "orphan.git").exists()
    assert not (root / "incoming" / "half").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_served_hub_stops_on_a_signal(tmp_path, number):
    with process(tmp_path) as (running, endpoint):
        assert httpx2.get(f"{endpoint}/api/models").json() == []
        running.send_signal(number)
        output, errors = running.communicate(timeout=20)
    assert (running.returncode, output, errors) == (0, "stopped\n", "")


def test_a_root_is_served_once(tmp_path):
    with LocalHub(tmp_path):
        with pytest.raises(LocalHubError, match="already served"), LocalHub(tmp_path):
            pass
        with process(tmp_path) as (running, endpoint):
            assert endpoint == ""
            assert "already served" in running.communicate()[1]
    with LocalHub(tmp_path):
        pass


def peak_memory(pid):
    """The most bytes that a process ever had in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError


@pytest.mark.slow
def test_memory_stays_flat_while_hundreds_of_megabytes_go_through(route, tmp_path):
    size = 500 * 1024 * 1024
    data = tmp_path / "large.safetensors"
    with data.open("wb") as file:
        for _ in range(size // (1 << 20)):
            file.write(os.urandom(1 << 20))
    token = add_user(tmp_path / "root", "alice")
    with process(tmp_path / "root") as (running, endpoint):
        api = HfApi(endpoint=endpoint, token=token)
        api.create_repo("alice/x")
        api.upload_file(path_or_fileobj=b"\0" * 1000, path_in_repo="warm.bin", repo_id="alice/x")
        before = peak_memory(running.pid)
        api.upload_file(path_or_fileobj=data, path_in_repo="large.safetensors", repo_id="alice/x")
        back = api.hf_hub_download("alice/x", "large.safetensors", local_dir=tmp_path / "back")
        grown = peak_memory(running.pid) - before
        print(f"{route}: grew by {grown / 1e6:.0f} MB for {size / 1e6:.0f} MB")
        assert grown < 64 * 1024 * 1024
    assert subprocess.run(["cmp", str(data), str(back)], check=False).returncode == 0
