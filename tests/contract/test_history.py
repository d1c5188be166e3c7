"""Branches, tags, commits and trees, read back through the client."""

import pytest
from huggingface_hub import RepoFile, RepoFolder
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError


def test_tags_point_at_commits(alice, repo):
    first = alice.model_info(repo).sha
    alice.create_tag(repo, tag="v0.1.0")
    alice.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id=repo)
    second = alice.model_info(repo).sha
    alice.create_tag(repo, tag="v0.2.0", tag_message="the second one")
    alice.create_tag(repo, tag="v0.1.1", revision=first[:10])
    refs = alice.list_repo_refs(repo)
    assert {tag.name: tag.target_commit for tag in refs.tags} == {
        "v0.1.0": first,
        "v0.1.1": first,
        "v0.2.0": second,
    }
    assert alice.model_info(repo, revision="v0.1.0").sha == first
    with pytest.raises(HfHubHTTPError) as caught:
        alice.create_tag(repo, tag="v0.1.0")
    assert caught.value.response.status_code == 409
    alice.create_tag(repo, tag="v0.1.0", exist_ok=True)
    alice.delete_tag(repo, tag="v0.1.0")
    with pytest.raises(RevisionNotFoundError):
        alice.delete_tag(repo, tag="v0.1.0")


def test_branches(alice, repo):
    alice.create_branch(repo, branch="feature/one")
    alice.create_branch(repo, branch="feature/one", exist_ok=True)
    alice.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id=repo, revision="feature/one")
    alice.create_branch(repo, branch="second", revision="feature/one")
    heads = {branch.name: branch.target_commit for branch in alice.list_repo_refs(repo).branches}
    assert heads["feature/one"] == heads["second"] != heads["main"]
    alice.delete_branch(repo, branch="second")
    assert "second" not in {branch.name for branch in alice.list_repo_refs(repo).branches}
    for bad in ("main", "refs/heads/x", "a..b"):
        with pytest.raises(HfHubHTTPError):
            alice.delete_branch(repo, branch=bad) if bad == "main" else alice.create_branch(repo, branch=bad)


def test_short_commit_ids_are_revisions(alice, repo):
    sha = alice.model_info(repo).sha
    assert alice.model_info(repo, revision=sha[:7]).sha == sha
    with pytest.raises(RevisionNotFoundError):
        alice.model_info(repo, revision="0" * 40)


def test_the_history_is_paged_and_newest_first(alice, repo):
    for number in range(55):
        alice.upload_file(
            path_or_fileobj=b"%d" % number, path_in_repo="a.txt", repo_id=repo, commit_message=f"commit {number}"
        )
    commits = alice.list_repo_commits(repo, formatted=True)
    assert [commit.title for commit in commits] == [f"commit {number}" for number in range(54, -1, -1)] + [
        "initial commit"
    ]
    assert commits[0].formatted_title == "commit 54"


def test_trees(alice, repo):
    for path in ("a.txt", "d/b.txt", "d/e/c.bin"):
        alice.upload_file(path_or_fileobj=b"\0" * 300, path_in_repo=path, repo_id=repo, commit_message=path)
    alice.upload_file(path_or_fileobj=b"1", path_in_repo="z.txt", repo_id=repo, commit_message="last")
    top = {item.path: type(item) for item in alice.list_repo_tree(repo)}
    assert top == {".gitattributes": RepoFile, "a.txt": RepoFile, "d": RepoFolder, "z.txt": RepoFile}
    below = {item.path for item in alice.list_repo_tree(repo, "d", recursive=True)}
    assert below == {"d/b.txt", "d/e", "d/e/c.bin"}
    expanded = {item.path: item.last_commit.title for item in alice.list_repo_tree(repo, recursive=True, expand=True)}
    assert expanded == {
        ".gitattributes": "d/b.txt",  # the last large file that no pattern covered: it added a line
        "a.txt": "a.txt",
        "d": "d/e/c.bin",
        "d/b.txt": "d/b.txt",
        "d/e": "d/e/c.bin",
        "d/e/c.bin": "d/e/c.bin",
        "z.txt": "last",
    }
    with pytest.raises(EntryNotFoundError):
        list(alice.list_repo_tree(repo, "absent"))


def test_a_large_tree_comes_in_pages(alice, repo):
    from huggingface_hub import CommitOperationAdd

    names = [f"n/{number:04}.txt" for number in range(1100)]
    alice.create_commit(repo, [CommitOperationAdd(name, b"x") for name in names], commit_message="many")
    assert [item.path for item in alice.list_repo_tree(repo, "n")] == names


def test_named_paths(alice, repo):
    alice.upload_file(path_or_fileobj=b"12345", path_in_repo="d/a.txt", repo_id=repo)
    found = {item.path: item for item in alice.get_paths_info(repo, ["d", "d/a.txt", "absent"], expand=True)}
    assert set(found) == {"d", "d/a.txt"}
    assert found["d/a.txt"].size == 5
    assert found["d/a.txt"].last_commit.title == "Upload d/a.txt with huggingface_hub"
