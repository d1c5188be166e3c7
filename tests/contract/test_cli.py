"""The `hf` command, given only where the hub is and who one is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HF = Path(sys.executable).with_name("hf")


@pytest.fixture
def hf(hub, token_for, tmp_path):
    def run(*arguments, check=True):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "HF_HOME": str(tmp_path / "hf"),
            "HF_ENDPOINT": hub.endpoint,
            "HF_TOKEN": token_for("alice"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        }
        return subprocess.run(
            [str(HF), *arguments], capture_output=True, text=True, check=check, env=environment, cwd=tmp_path
        )

    return run


def test_the_main_verbs(hf, alice, repo, tmp_path):
    assert "alice" in hf("auth", "whoami").stdout
    folder = tmp_path / "up"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    (folder / "weights.safetensors").write_bytes(os.urandom(400_000))
    hf("upload", repo, str(folder), ".", "--commit-message", "from the shell")
    assert alice.list_repo_commits(repo)[0].title == "from the shell"
    hf("repos", "tag", "create", repo, "v1.0.0")
    assert [tag.name for tag in alice.list_repo_refs(repo).tags] == ["v1.0.0"]
    hf("download", repo, "--revision", "v1.0.0", "--local-dir", str(tmp_path / "down"))
    weights = (folder / "weights.safetensors").read_bytes()
    assert (tmp_path / "down" / "weights.safetensors").read_bytes() == weights


def test_listing_as_json(hf, alice, repo):
    listed = json.loads(hf("models", "ls", "--author", "alice", "--search", repo.split("/")[1], "--json").stdout)
    assert repo in {item["id"] for item in listed}


def test_creating_and_deleting(hf, alice, fresh_id):
    repo_id = fresh_id()
    hf("repos", "create", repo_id, "--private")
    assert alice.model_info(repo_id).private
    hf("repos", "delete", repo_id, "--yes")
    assert not alice.repo_exists(repo_id)


def test_a_failure_is_said_in_words(hf):
    failed = hf("download", "alice/absent-altogether", check=False)
    assert failed.returncode != 0
    assert "not found" in (failed.stderr + failed.stdout).lower()
