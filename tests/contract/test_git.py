"""What lies on disk is git, and git itself says so."""

import os
import subprocess

import pytest
from huggingface_hub import CommitOperationAdd


def git(*arguments, check=True, cwd=None):
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    environment["GIT_CONFIG_NOSYSTEM"] = "1"
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=check, cwd=cwd, env=environment)


@pytest.fixture
def written(alice, bob, repo):
    """A repository with a bit of everything."""
    alice.upload_file(path_or_fileobj=b"one\n", path_in_repo="a.txt", repo_id=repo)
    alice.upload_file(path_or_fileobj=b"\0" * 5000, path_in_repo="d/b [1].blob", repo_id=repo)
    alice.upload_file(path_or_fileobj=b"x", path_in_repo="d/Grüße.txt", repo_id=repo, commit_message="Grüße\n\nbody")
    alice.create_tag(repo, tag="v1", tag_message="annotated")
    alice.create_branch(repo, branch="side")
    alice.delete_file("a.txt", repo)
    pull = bob.create_commit(repo, [CommitOperationAdd("p.txt", b"1")], commit_message="pull", create_pr=True)
    alice.merge_pull_request(repo, int(pull.pr_num))
    return repo


def test_a_clone_agrees_with_the_api(hub, alice, written, tmp_path):
    git("clone", "--quiet", f"{hub.endpoint}/{written}", str(tmp_path / "clone"))
    log = git("log", "--format=%H", cwd=tmp_path / "clone").stdout.split()
    assert log == [commit.commit_id for commit in alice.list_repo_commits(written)]
    files = git("-c", "core.quotePath=false", "ls-files", cwd=tmp_path / "clone").stdout.splitlines()
    assert sorted(files) == sorted(alice.list_repo_files(written))
    assert git("cat-file", "-t", "v1", cwd=tmp_path / "clone").stdout == "tag\n"
    attribute = git("check-attr", "filter", "d/b [1].blob", cwd=tmp_path / "clone").stdout
    assert attribute.endswith("filter: lfs\n")


def test_what_the_api_calls_a_blob_is_one(hub, alice, written, tmp_path):
    git("clone", "--quiet", f"{hub.endpoint}/{written}.git", str(tmp_path / "clone"))
    listed = {
        item.path: item.blob_id for item in alice.list_repo_tree(written, recursive=True) if hasattr(item, "size")
    }
    tree = git("-c", "core.quotePath=false", "ls-tree", "-r", "HEAD", cwd=tmp_path / "clone").stdout.splitlines()
    assert listed == {line.split("\t")[1]: line.split()[2] for line in tree}


def test_fsck_finds_nothing_to_say(hub, written):
    checked = [git("fsck", "--full", "--strict", "--no-dangling", cwd=path) for path in hub.root.glob("repos/*.git")]
    assert checked
    assert {(done.stdout, done.stderr) for done in checked} == {("", "")}


def test_old_protocols_and_shallow_clones(hub, written, tmp_path):
    git("-c", "protocol.version=0", "clone", "--quiet", f"{hub.endpoint}/{written}", str(tmp_path / "old"))
    git("clone", "--quiet", "--depth=1", f"{hub.endpoint}/{written}", str(tmp_path / "shallow"))
    assert len(git("log", "--format=%H", cwd=tmp_path / "shallow").stdout.split()) == 1


def test_pull_requests_can_be_fetched(hub, written, tmp_path):
    git("clone", "--quiet", f"{hub.endpoint}/{written}", str(tmp_path / "clone"))
    git("fetch", "--quiet", "origin", "refs/pr/1", cwd=tmp_path / "clone")
    assert git("log", "-1", "--format=%s", "FETCH_HEAD", cwd=tmp_path / "clone").stdout == "pull\n"


def test_a_private_clone_needs_the_token(hub, alice, token_for, fresh_id, tmp_path):
    repo_id = fresh_id()
    alice.create_repo(repo_id, private=True)
    address = f"{hub.endpoint}/{repo_id}"
    assert git("clone", address, str(tmp_path / "no"), check=False).returncode != 0
    wrong = address.replace("http://", f"http://bob:{token_for('bob')}@")
    assert git("clone", wrong, str(tmp_path / "wrong"), check=False).returncode != 0
    right = address.replace("http://", f"http://alice:{token_for('alice')}@")
    git("clone", "--quiet", right, str(tmp_path / "yes"))
    assert (tmp_path / "yes" / ".gitattributes").exists()


def test_pushing_is_refused_in_words(hub, written, token_for, tmp_path):
    address = f"{hub.endpoint}/{written}".replace("http://", f"http://alice:{token_for('alice')}@")
    git("clone", "--quiet", address, str(tmp_path / "clone"))
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x", "--allow-empty", cwd=tmp_path / "clone")
    assert git("push", cwd=tmp_path / "clone", check=False).returncode != 0
